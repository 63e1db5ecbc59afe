"""What does one look cost? Instructions of a look at a running job, against a bare loop on aiohttp.

::

    python -m benchmarks.look                       # every rival that is installed, with 1 and with 64 in flight
    python -m benchmarks.look --body same           # bodies that never change, which jobwatch does not decode again
    python -m benchmarks.look --tls bare jobwatch
    python -m benchmarks.look --loop uvloop bare jobwatch
    python -m benchmarks.look --json --by callgrind bare jobwatch

Method. Every variant watches the same number of jobs on a server in a process of its own, which answers from memory,
over loopback. In each reply ``updated_at`` is a second later than in the one before (``--body changing``), as with a
heartbeat or progress, or the whole body is the same (``--body same``). Each variant runs in a fresh process, once with
N looks and once with 2N; the difference, divided by N, is what a look costs when everything is imported, connected and
warm; a run beforehand, which does not count, has written the byte code of all modules. The variants take turns, and the
median of the rounds is shown. ``ratio`` is against `bare` with as many in flight and on the same kind of event loop, in
the same run: below 1 is cheaper than writing it oneself; ``goal`` is the ratio that is aimed at.

Counted are user and kernel instructions, where the processor may be asked for them (``--by counter``); else
callgrind's user instructions, exact but without the kernel's share, which is about the same for all and would pull
every ratio a little towards 1; or CPU seconds (``--by seconds``), which are rough.

Bias. Against us: `jobwatch` does more in a look than the bare loop does: it bounds time and bytes, checks that a
connection is silent, reads the rate limit, keeps a budget and a schedule, and tells states apart; the bare loop is what
one writes at first, with aiohttp's own settings (to keep no cookies saves it nothing). Its list requests and its
history would save it looks, but are not used here. For us: there are no pauses, so its timers are short; there is one
API, whose limit is far away; with ``--body same`` it compares a hash where every rival decodes, and with both the
history of a job does not grow. The rivals run their own poll loops with every pause set to zero, on the smallest body
that their format allows (where that has no place for a time, it is the same each time; they decode it all the same),
and some on another HTTP client than aiohttp, which is most of the difference.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .instructions import callgrind, counter, has_callgrind
from .look_rivals import ALL
from .rows import Row, as_json, as_text, compared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RUN = "benchmarks.look_rivals"
_CHILD = "import sys; from benchmarks.look import count_one; count_one(*sys.argv[1:])"


_EACH = 40
"""How many looks at each job at least: the first at many jobs are spread, which is to be over soon."""

_GOALS = {("same", False): 0.7, ("changing", False): 1.0, ("same", True): 0.75, ("changing", True): 1.0}
"""What the whole of jobwatch may cost over the bare loop, by what the bodies do and whether there is TLS."""


class Setting(NamedTuple):
    """What the server does, and what both sides run on.

    Attributes:
        body: Whether each reply's body is the "same" or "changing".
        tls: Whether it speaks TLS.
        loop: Whose event loop the clients run on: "asyncio" or "uvloop".
    """

    body: str
    tls: bool
    loop: str = "asyncio"


SAME = Setting("same", tls=False)
"""The body never changes, and there is no TLS."""


def missing(name: str) -> str | None:
    """Return what a rival needs and is not installed."""
    try:
        importlib.import_module(f"{_RUN}.{name}")
    except ImportError as error:
        return error.name or str(error)
    return None


@contextlib.contextmanager
def serving(name: str, each: int, setting: Setting = SAME) -> Iterator[str]:
    """Run the server of a rival, which ends a job after so many looks at it; with TLS, it is trusted meanwhile."""
    rival = importlib.import_module(f"{_RUN}.{name}")
    command = [sys.executable, "-m", "benchmarks.look_server", rival.RUNNING, rival.ENDED, str(each)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if setting.body == "changing":
            command.append("--changing")
        if setting.tls:
            command += ["--tls", folder]
            for variable in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):
                stack.enter_context(_variable(variable, str(Path(folder) / "ca.pem")))
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert server.stdout is not None
        try:
            yield f"http{'s' if setting.tls else ''}://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def count_one(kind: str, *arguments: str) -> None:
    """Run a rival in this process, given what `look_rivals` is given, and print what it cost."""
    import time

    from .look_rivals import run_on

    name, url, in_flight, each, loop = arguments
    rival = importlib.import_module(f"{_RUN}.{name}")
    read = time.process_time if kind == "seconds" else counter().read
    before = read()
    run_on(loop, rival.looks(url, int(in_flight), int(each)))
    print(read() - before)


def cost(kind: str, name: str, in_flight: int, each: int, setting: Setting) -> float:
    """Return what one look costs a rival."""

    def total(each: int) -> float:
        with serving(name, each, setting) as url:
            arguments = [name, url, str(in_flight), str(each), setting.loop]
            if kind == "callgrind":
                return callgrind([sys.executable, "-m", _RUN, *arguments])
            command = [sys.executable, "-c", _CHILD, kind, *arguments]
            return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return (total(2 * each) - total(each)) / (in_flight * each)


def measured(
    kind: str, names: list[str], in_flights: list[int], looks: int, *, rounds: int, setting: Setting
) -> list[Row]:
    """Return the median cost of every variant, measured in turns."""
    costs: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in names:
        cost("seconds", name, 1, 1, setting)  # which writes the byte code
    for number in range(rounds):
        for name in names:
            for in_flight in in_flights:
                each = max(_EACH, looks // in_flight)
                costs[name, in_flight].append(cost(kind, name, in_flight, each, setting))
                print(f"round {number + 1}/{rounds}  {name} x {in_flight}", end="\x1b[K\r", file=sys.stderr)
    print("\x1b[K", end="", file=sys.stderr)
    medians = {variant: statistics.median(found) for variant, found in costs.items()}
    return [
        _row(name, in_flight, median, medians["bare", in_flight], setting)
        for (name, in_flight), median in medians.items()
        if name != "bare"
    ]


def _row(name: str, in_flight: int, ours: float, bare: float, setting: Setting) -> Row:
    tls, loop = ", TLS" if setting.tls else "", "" if setting.loop == "asyncio" else f", on {setting.loop}"
    told = f"a look of {name}, body {setting.body}{tls}{loop}, {in_flight} in flight"
    goal = _GOALS[setting.body, setting.tls] if name == "jobwatch" else 1.0
    return compared(told, ours, bare, "bare", goal)


def best_kind() -> str:
    """Return the best way to count that this machine allows."""
    if counter().unit != "seconds":
        return "counter"
    return "callgrind" if has_callgrind() else "seconds"


def unit_of(kind: str) -> str:
    """Return what is counted, in words."""
    units: dict[str, Callable[[], str]] = {
        "counter": lambda: f"{counter().unit} (perf_event)",
        "callgrind": lambda: "user instructions (callgrind)",
        "seconds": lambda: "CPU seconds: rough, and no instructions",
    }
    return units[kind]()


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.look", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=list(ALL), metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--by", choices=["counter", "callgrind", "seconds"], default=best_kind())
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--looks", type=int, help="how many looks to measure over")
    parser.add_argument("--rounds", type=int, help="how often to measure each")
    parser.add_argument("--body", choices=["changing", "same"], default="changing", help="what each reply brings")
    parser.add_argument("--tls", action="store_true", help="over TLS, for which trustme is needed (extra 'test')")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="what the clients run on")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    for package, is_asked in (("trustme", chosen.tls), ("uvloop", chosen.loop == "uvloop")):
        if is_asked and importlib.util.find_spec(package) is None:
            parser.error(f"that needs {package}, which the extra 'test' has")
    exact = chosen.by == "callgrind"
    setting = Setting(chosen.body, chosen.tls, chosen.loop)
    skipped = {name: what for name in chosen.names if (what := missing(name))}
    names = [name for name in dict.fromkeys(["bare", *chosen.names]) if name not in skipped]
    looks = chosen.looks or (1280 if exact else 6400)
    rounds = chosen.rounds or (1 if exact else 5)
    rows = measured(chosen.by, names, chosen.in_flight, looks, rounds=rounds, setting=setting)
    unit = unit_of(chosen.by)
    if chosen.json:
        print(as_json(rows, unit=unit, skipped=skipped))
        return
    print(f"{unit} a look; Python {sysconfig.get_python_version()}, {os.uname().machine}")
    print(as_text(rows))
    for name, what in skipped.items():
        print(f"{name:20} skipped: {what} is not installed (pip install jobwatch-client[bench])")


if __name__ == "__main__":
    main()
