"""How long does a gate over a job that has ended take, from the start of the process to its exit, beside other ways?

    python -m benchmarks.startup [--rounds N] [--by callgrind|seconds] [--json]

The job has ended, so that one request is all there is, and what is compared is what a CI step pays for its tool. The
same server on loopback answers all of them, from a process of its own:

* **Ours**: ``jobwatch wait``, the installed command or ``python -m jobwatch``, with its history and streams on;
* **aiohttp loop**: the 15 lines that somebody writes by hand, with a pause that grows;
* **httpx loop** and **urllib loop**: the same, with `httpx.Client` (extra "bench"; without its own command line, which
  it imports where click and rich are installed) and with the standard library;
* **curl and jq**: the same in bash, where the two are installed;
* **kubectl**: ``kubectl get --raw``, where it is installed: one request, whose answer it prints and does not judge;
* ``python -c pass``: what any program in Python pays.

Instructions are those of the user's side by callgrind, one run each with hashes not randomised; without valgrind these
rows are left out. Milliseconds are wall time: `ROUNDS` rounds in which the programs take turns, so that a busy moment
of the machine hits them alike, and the median of each. Byte code is written before, as an installer does.

**Bias.** *For us*: no TLS, whose certificates all of them would load; a job that goes on has us import aiohttp in the
first pause. *Against us*: the others keep no history and no budget, bound neither bytes nor, but for aiohttp, time, try
nothing again, and tell no states but the one they see.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .instructions import callgrind, has_callgrind
from .look_rivals import JOB_DONE, TOKEN
from .rows import Row, as_json, as_text, compared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS = 11
OURS = "jobwatch wait"

_AIOHTTP = """
import asyncio, os, sys
import aiohttp

async def main(url):
    pause = 1.0
    headers = {"Authorization": f"Bearer {os.environ['BEDROCK_API_KEY']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.get(url) as response:
                response.raise_for_status()
                job = (await response.json())["data"]
            print(job["status"], flush=True)
            if job["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
                return 0 if job["status"] == "COMPLETED" else 1
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 30)

sys.exit(asyncio.run(main(sys.argv[1])))
"""

_HTTPX = """
import os, sys, time
sys.modules["click"] = None  # else httpx imports its own command line, where rich is installed, too
import httpx

pause = 1.0
with httpx.Client(headers={"Authorization": f"Bearer {os.environ['BEDROCK_API_KEY']}"}) as client:
    while True:
        response = client.get(sys.argv[1])
        response.raise_for_status()
        job = response.json()["data"]
        print(job["status"], flush=True)
        if job["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
            sys.exit(0 if job["status"] == "COMPLETED" else 1)
        time.sleep(pause)
        pause = min(pause * 1.5, 30)
"""

_URLLIB = """
import json, os, sys, time, urllib.request

pause = 1.0
while True:
    headers = {"Authorization": f"Bearer {os.environ['BEDROCK_API_KEY']}"}
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers)) as response:
        job = json.load(response)["data"]
    print(job["status"], flush=True)
    if job["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
        sys.exit(0 if job["status"] == "COMPLETED" else 1)
    time.sleep(pause)
    pause = min(pause * 1.5, 30)
"""

_CURL = """
pause=1
while :; do
  state=$(curl -sf -H "Authorization: Bearer $BEDROCK_API_KEY" "$1" | jq -r .data.status) || exit 7
  echo "$state"
  case $state in COMPLETED) exit 0;; FAILED|CANCELLED) exit 1;; esac
  sleep $pause; pause=$((pause*2 > 30 ? 30 : pause*2))
done
"""

_NOT_PYTHON = ("curl and jq", "kubectl")
"""These start other programs, or threads of Go's, which callgrind does not follow."""

_GOALS = {
    "aiohttp loop": 0.9,
    "httpx loop": 1.0,
    "urllib loop": 3.0,
    "curl and jq": 5.0,
    "kubectl": 5.0,
    "python -c pass": 20.0,
}
"""How much of each rival's cost ours may be. The last four are far ahead: these say that it gets no worse."""


def commands(base_url: str) -> dict[str, list[str]]:
    """Return each program's command.

    Args:
        base_url: Where the server is.
    """
    installed = Path(sysconfig.get_path("scripts")) / "jobwatch"
    jobwatch = [sys.executable, str(installed)] if installed.exists() else [sys.executable, "-m", "jobwatch"]
    url = f"{base_url}/v1/jobs/job_1"
    found = {
        OURS: [*jobwatch, "wait", "job_1", "--api", "bedrock", "--base-url", f"{base_url}/v1"],
        "aiohttp loop": [sys.executable, "-c", _AIOHTTP, url],
        "httpx loop": [sys.executable, "-c", _HTTPX, url],
        "urllib loop": [sys.executable, "-c", _URLLIB, url],
        "curl and jq": ["bash", "-c", _CURL, "curl", url],
        "kubectl": ["kubectl", "--server", base_url, "--token", TOKEN, "get", "--raw", "/v1/jobs/job_1"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    if find_spec("httpx") is None:
        del found["httpx loop"]
    if not all(map(shutil.which, ("bash", "curl", "jq"))):
        del found["curl and jq"]
    if shutil.which("kubectl") is None:
        del found["kubectl"]
    return found


def measure(rounds: int, by: str) -> list[Row]:
    """Answer the module's question.

    Args:
        rounds: How many rounds are timed.
        by: "callgrind", or "seconds" for no rows of instructions.
    """
    server = [sys.executable, "-m", "benchmarks.look_server", JOB_DONE, JOB_DONE, "0"]
    with tempfile.TemporaryDirectory() as cache, subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            programs = commands(f"http://127.0.0.1:{serving.stdout.readline().strip()}")
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            os.environ.update(BEDROCK_API_KEY=TOKEN, XDG_CACHE_HOME=cache, NO_COLOR="1")
            wall = {name: each * 1e3 for name, each in _timed(programs, rounds).items()}
            rows = _rows("start to exit, ms", wall)
            if by == "callgrind":
                ran = {name: callgrind(each) / 1e6 for name, each in programs.items() if name not in _NOT_PYTHON}
                rows = [*_rows("start to exit, million user instructions", ran), *rows]
        finally:
            serving.terminate()
    return rows


def _timed(programs: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds + 1):  # the first round writes byte code, and is left out
        for name, command in programs.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            took[name].append(time.perf_counter() - began)
    return {name: statistics.median(each[1:]) for name, each in took.items()}


def _rows(what: str, costs: Mapping[str, float]) -> list[Row]:
    return [compared(what, costs[OURS], cost, name, _GOALS[name]) for name, cost in costs.items() if name != OURS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many rounds to time")
    by = "callgrind" if has_callgrind() else "seconds"
    parser.add_argument("--by", choices=("callgrind", "seconds"), default=by, help="whether to count instructions, too")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; it must be at least 1")
    rows = measure(options.rounds, options.by)
    print(as_json(rows) if options.json else as_text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
