"""Run jobs on the real servers and say, line by line, what was seen of each."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from jobwatch import ConfigError, LookError, Outcome, Phase, Response, WaitTimeout

from .house import NotInstalledError

SERVERS = (
    "pygeoapi",
    "prefect",
    "airflow",
    "airflow_operator",
    "temporal",
    "buildbot",
    "dagster",
    "flower",
    "luigi",
    "aria2",
    "a2a",
    "a2a_rpc",
    "a2a_03",
    "a2a_rpc_03",
    "mcp",
    "agents_page",
    "a2a_restarted",
    "ray",
    "slurm",
    "slurmdb",
    "wes",
    "azure",
    "ogx",
)
_UNDER_WAY = frozenset(
    {"accepted", "running", "started", "claimed=true", "active", "working", "task_state_working", "in_progress"}
)


async def watched(server: Any, kind: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """Start a job, wait for it, and return its outcome and what was seen on the way."""
    response: Response | str = await asyncio.to_thread(server.start, kind)
    began = time.monotonic()
    seen: list[str] = []
    async with server.client() as client:
        try:
            wait = client.wait_for(response, **{"timeout": 180, **options})
        except ConfigError as error:
            return "refused", str(error)
        try:
            async for change in wait:
                seen.append(change.status)
                if kind.startswith("stopped") and change.status.casefold() in _UNDER_WAY and len(seen) < 9:
                    await asyncio.to_thread(server.cancel, wait.job_id)
                if change.phase is Phase.BLOCKED:
                    seen[-1] += f" ({wait.job.asked if wait.job else None})"
                    if kind == "asks":
                        await asyncio.to_thread(server.answer, wait.job_id)
        except (LookError, WaitTimeout) as error:
            seen.append(type(error).__name__)
        outcome = wait.outcome or Outcome.INTERRUPTED
        looks = wait.watched.looks if wait.watched is not None else 0
        told = f": {wait.job.error}" if wait.job is not None and wait.job.error is not None else ""
    return outcome.value, f"{' > '.join(seen)}{told}  ({looks} looks, {time.monotonic() - began:.1f} s)"


def tried(name: str, environments: Path) -> list[bool]:
    """Run a job of each kind on one server, and return of each whether it was right."""
    module = import_module(f".{name}", __package__)
    if hasattr(module, "tried"):
        return list(module.tried(environments))
    results: list[bool] = []
    with module.served(environments) as server:
        for kind, wanted in module.OUTCOMES.items():
            outcome, told = asyncio.run(watched(server, kind, getattr(module, "OPTIONS", {}).get(kind, {})))
            results.append(outcome == wanted and getattr(module, "TOLD", {}).get(kind, "") in told)
            print(f"{'ok ' if results[-1] else 'BAD'}  {name:12} {kind:16} {outcome:10} {told}", flush=True)
    return results


def main() -> int:
    """Try each server named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("servers", nargs="*", default=[], help=f"of {', '.join(SERVERS)}; all by default")
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "jobwatch-real-servers")
    parser.add_argument("--at-once", type=int, default=1, help="how many servers to try at the same time; 1 by default")
    options = parser.parse_args()

    def results_of(name: str) -> list[bool]:
        try:
            return tried(name, options.environments)
        except NotInstalledError as error:
            print(f"--   {name}: skipped, since there is no {error}", flush=True)
            return []
        except Exception as error:  # noqa: BLE001 - one server that does not start does not keep the others from it
            print(f"BAD  {name}: {error}", flush=True)
            return [False]

    names = options.servers or SERVERS
    with ThreadPoolExecutor(options.at_once) as pool:
        results = [each for told in pool.map(results_of, names) for each in told]
    print(f"{len(names)} servers: ", end="")
    print(f"{len(results)} jobs, {sum(results)} right, {len(results) - sum(results)} wrong")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
