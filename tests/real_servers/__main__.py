"""Run jobs on the real servers and say, line by line, what was seen of each."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from jobwatch import LookError, Outcome, Phase, Response

SERVERS = (
    "pygeoapi",
    "prefect",
    "airflow",
    "buildbot",
    "dagster",
    "flower",
    "luigi",
    "a2a",
    "a2a_rpc",
    "mcp",
    "ray",
    "wes",
)
_UNDER_WAY = frozenset({"accepted", "running", "started", "claimed=true", "working", "task_state_working"})


async def watched(server: Any, kind: str) -> tuple[str, str]:
    """Start a job, wait for it, and return its outcome and what was seen on the way."""
    began = time.monotonic()
    response: Response = await asyncio.to_thread(server.start, kind)
    seen: list[str] = []
    async with server.client() as client:
        wait = client.wait_for(response, timeout=180)
        try:
            async for change in wait:
                seen.append(change.status)
                if kind == "stopped" and change.status.casefold() in _UNDER_WAY and len(seen) < 9:
                    await asyncio.to_thread(server.cancel, wait.job_id)
                if change.phase is Phase.BLOCKED:
                    seen[-1] += f" ({wait.job.asked if wait.job else None})"
                    await asyncio.to_thread(server.answer, wait.job_id)
        except LookError as error:
            seen.append(type(error).__name__)
        outcome = wait.outcome or Outcome.INTERRUPTED
        looks = wait.watched.looks if wait.watched is not None else 0
    return outcome.value, f"{' > '.join(seen)}  ({looks} looks, {time.monotonic() - began:.1f} s)"


def tried(name: str, environments: Path) -> bool:
    """Run a job of each kind on one server."""
    module = import_module(f".{name}", __package__)
    good = True
    with module.served(environments) as server:
        for kind, wanted in module.OUTCOMES.items():
            outcome, told = asyncio.run(watched(server, kind))
            good = good and outcome == wanted
            verdict, name = "ok " if outcome == wanted else "BAD", module.REQUIREMENT.split()[0]
            print(f"{verdict}  {name:24} {kind:8} {outcome:10} {told}", flush=True)
    return good


def main() -> int:
    """Try each server named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("servers", nargs="*", default=[], help=f"of {', '.join(SERVERS)}; all by default")
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "jobwatch-real-servers")
    options = parser.parse_args()
    results: list[bool] = []
    for name in options.servers or SERVERS:
        try:
            results.append(tried(name, options.environments))
        except Exception as error:  # noqa: BLE001 - one server that does not start does not keep the others from it
            print(f"BAD  {name}: {error}", flush=True)
            results.append(False)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
