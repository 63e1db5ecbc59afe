"""How many instructions something takes: counted by the processor, or by callgrind where that may not be asked.

`counter` reads what this process has executed so far. Where `perf_event_open` counts nothing, as in most virtual
machines, it reads the process's CPU time instead, and says so: figures in seconds are rough and depend on the machine.
`callgrind` runs a program in valgrind and counts what it executes in user mode between its marks: the same to a few in
a thousand each time, but 50 times slower, and without the kernel's share.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_HARDWARE, _INSTRUCTIONS = 0, 1
_ATTRIBUTES_SIZE = 64
_USER_ONLY = 1 << 5
_MARKS = "BENCHMARKS_MARKS"  # where a program notes the time at its marks
_WITH_CHILDREN = 1 << 1


class Counter(NamedTuple):
    """Something that counts what this process does.

    Attributes:
        unit: What it counts: "instructions", "user instructions" or "seconds".
        read: Returns the count so far.
    """

    unit: str
    read: Callable[[], float]


def counter() -> Counter:
    """Return the best counter that this machine allows."""
    for unit, flags in (("instructions", 0), ("user instructions", _USER_ONLY)):
        file = _opened(flags | _WITH_CHILDREN)
        if file is not None:
            return Counter(unit, functools.partial(_count, file))
    return Counter("seconds", time.process_time)


def _count(file: int) -> float:
    return float(struct.unpack("Q", os.read(file, 8))[0])


def _opened(flags: int) -> int | None:
    """Open a counter of this process's instructions; None if it cannot be had, or never moves."""
    number = _PERF_EVENT_OPEN.get(platform.machine())
    if number is None or not sys.platform.startswith("linux"):
        return None
    fields = struct.pack("IIQQQQQ", _HARDWARE, _ATTRIBUTES_SIZE, _INSTRUCTIONS, 0, 0, 0, flags)
    attributes = ctypes.create_string_buffer(fields.ljust(_ATTRIBUTES_SIZE, b"\0"), _ATTRIBUTES_SIZE)
    file: int = ctypes.CDLL(None, use_errno=True).syscall(number, attributes, 0, -1, -1, 0)
    if file < 0:
        return None
    if not _count(file):
        os.close(file)
        return None
    return file


def has_callgrind() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def callgrind(command: Sequence[str]) -> int:
    """Run a program in valgrind, its hashes not randomised, and return the user instructions that it executed.

    Args:
        command: The program and its arguments.

    Raises:
        RuntimeError: The program failed, or valgrind did.
    """
    return sum(_counts(command))


def mark() -> None:
    """Mark a place in a program that `between_marks` or `seconds_between_marks` runs."""
    os.getsid(0)
    if _MARKS in os.environ:
        with Path(os.environ[_MARKS]).open("a", encoding="ascii") as marks:
            marks.write(f"{time.process_time()}\n")


def between_marks(command: Sequence[str]) -> list[int]:
    """Run a program as `callgrind` does, and return the user instructions from each of its marks to the next."""
    return _counts(command)[1:-1]


def seconds_between_marks(command: Sequence[str]) -> list[float]:
    """Run a program as it is, and return the seconds of CPU time of all its threads from each mark to the next."""
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as marks:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, _MARKS: marks.name})
        return [after - before for before, after in pairwise(map(float, marks))]


def _counts(command: Sequence[str]) -> list[int]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getsid", "--quiet"]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        run = subprocess.run([*valgrind, *command], check=False, text=True, capture_output=True, env=environment)
        if run.returncode or not out.exists():
            raise RuntimeError(f"callgrind of {' '.join(command)} failed:\n{run.stderr}")
        marks = len(list(out.parent.glob(f"{out.name}.*")))
        return [_total(out.with_name(f"{out.name}.{number}")) for number in range(1, marks + 1)] + [_total(out)]


def _total(counts: Path) -> int:
    return int(next(line for line in counts.read_text().splitlines() if line.startswith("totals:")).split()[1])
