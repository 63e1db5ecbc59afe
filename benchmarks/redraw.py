"""How much of a core does it take to show 100 jobs on a terminal, beside a rich table in a rich Live?

    python -m benchmarks.redraw [--seconds N] [--json]

``jobwatch watch`` and ``jobwatch wait`` run as they are, in a process of their own on a terminal (a pty that is read),
with 100 jobs of a source that never end, whose bars grow and of which looks show progress. Their processor time is that
of the whole process between two moments, so looks, estimates and the event loop are in it. All redraw five times a
second, which is what both do.

Bias *for us*: a pty takes what is written at once, and what the terminal itself does is not counted; nor is it for the
rival. *Against us*: the rival looks at nothing, keeps nothing and lays out four columns; it is a `rich.table.Table` of
100 rows in a `rich.live.Live`, made anew for each drawing, as most write it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

from jobwatch.testing import FakeSource

from .rows import Row, as_json, as_text, compared

JOBS = 100
_WARM_UP = 4.0
_ALLOWED = 50.0
"""Milliseconds of processor time a second: 5 % of a core."""

_SMALL, _LARGE = (80, 24), (160, 110)


def jobs() -> FakeSource:
    """Return a source of jobs that run on and on."""
    source = FakeSource("acme")
    for number in range(JOBS):
        steps = [("queued", 0), ("running", 0.1 + number / 100), ("completed", 1e6)]
        source.add(f"job-{number:03}", steps, type="db.restore", progress=number / JOBS)
    return source


def rival() -> None:
    """Redraw a table of jobs five times a second, for ever."""
    from rich.live import Live
    from rich.table import Table

    begun = time.time()
    with Live(auto_refresh=False, screen=True) as live:
        while True:
            age = time.time() - begun
            table = Table("job", "", "state", "for")
            for number in range(JOBS):
                table.add_row(f"job-{number:03}", "━" * int(age * (1 + number % 7) % 30), "running", f"{age:.1f} s")
            live.update(table, refresh=True)
            time.sleep(0.2)


def share(command: Sequence[str], size: tuple[int, int], seconds: float) -> float:
    """Return the milliseconds of processor time that a command takes a second on a terminal, once it is at work.

    Args:
        command: The command.
        size: The columns and lines of its terminal.
        seconds: For how long to measure.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "CI"}}
    child = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**variables, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        _drain(ours, _WARM_UP)
        before = _processor_time(child.pid), time.monotonic()
        _drain(ours, seconds)
        after = _processor_time(child.pid), time.monotonic()
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    return (after[0] - before[0]) / (after[1] - before[1]) * 1000.0


def _drain(terminal: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0.0:
        if select.select([terminal], [], [], left)[0]:
            os.read(terminal, 65536)


def _processor_time(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - no file that lies anywhere
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rows(seconds: float) -> list[Row]:
    """Measure, and return what was found."""
    ids = [f"job-{number:03}" for number in range(JOBS)]
    us = [sys.executable, "-m", "jobwatch"]
    source = [*ids, "--source", "benchmarks.redraw:jobs", "--no-history"]
    them = [sys.executable, "-c", "from benchmarks.redraw import rival; rival()"]
    found: list[Row] = []
    for size in (_SMALL, _LARGE):
        where = f"{size[0]}x{size[1]}"
        theirs = share(them, size, seconds)
        for command in ("watch", "wait"):
            ours = share([*us, command, *source], size, seconds)
            what = f"{command}, {JOBS} jobs, {where}, ms/s"
            found.append(compared(what, ours, _ALLOWED, "5 % of a core", 1.0))
            found.append(compared(what, ours, theirs, "rich.table.Table in a rich.live.Live", 1.0))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long to measure each (default: 20)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = rows(options.seconds)
    print(as_json(found) if options.json else as_text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
