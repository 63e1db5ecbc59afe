"""What the processes of `benchmarks.engine` have in common: each answers lines of its standard input as JSON."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

T = TypeVar("T")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STOPPED_WITHIN = 10.0
_AT_WORK_WITHIN = 180.0


class Worked(msgspec.Struct, frozen=True):
    """What a process has done so far.

    Attributes:
        cpu: Its processor time, in seconds.
        looks: How many looks it made.
        wasted: How many of them came to nothing, since another process was first.
        at: When that was, in seconds of the system's monotonic clock.
    """

    cpu: float
    looks: int
    wasted: int
    at: float


def worked(looks: int, wasted: int = 0) -> Worked:
    """Return what this process has done so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Worked(used.ru_utime + used.ru_stime, looks, wasted, time.monotonic())


async def obey(answer: Callable[[list[str]], object]) -> None:
    """Answer each line of standard input with one of JSON, until it ends.

    Args:
        answer: Is called with the words of each line.
    """
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(msgspec.json.encode(answer(line.decode().split())).decode(), flush=True)


class Cost(msgspec.Struct, frozen=True):
    """What looks cost some processes together.

    Attributes:
        cpu: Processor time a look, in seconds.
        rate: How many looks they made a second.
        wasted: How many came to nothing.
    """

    cpu: float
    rate: float
    wasted: int


async def cost_of(parts: Sequence[Part], seconds: float) -> Cost:
    """Return what looks cost some processes over a while."""
    before = [await part.ask(Worked) for part in parts]
    await asyncio.sleep(seconds)
    pairs = [(each, await part.ask(Worked)) for each, part in zip(before, parts, strict=True)]
    looks = sum(after.looks - each.looks for each, after in pairs)
    took = statistics.mean(after.at - each.at for each, after in pairs)
    cpu = sum(after.cpu - each.cpu for each, after in pairs)
    return Cost(cpu / max(1, looks), looks / took, sum(after.wasted - each.wasted for each, after in pairs))


async def at_work(parts: Sequence[Part], looks: int) -> None:
    """Wait until processes have made so many looks together, and each of them some.

    Raises:
        TimeoutError: That takes too long.
    """
    async with asyncio.timeout(_AT_WORK_WITHIN):
        while True:
            made = [(await part.ask(Worked)).looks for part in parts]
            if all(made) and sum(made) >= looks:
                return
            await asyncio.sleep(0.1)


class Part:
    """A process that answers lines.

    Args:
        module: Which module of `benchmarks` it runs.
        arguments: With which arguments.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self._command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]

    async def __aenter__(self) -> Self:
        """Start it."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let it end, and end it where it does not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOPPED_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def line(self) -> bytes:
        """Return the next line that it prints.

        Raises:
            RuntimeError: It has ended.
        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command[1:4])} has ended before its time")
        return line

    async def ask(self, kind: type[T], *words: object) -> T:
        """Say a line, and return what is answered."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words or ("told",))).encode() + b"\n")
        return msgspec.json.decode(await self.line(), type=kind)


def cpu_of(*pids: int) -> float:
    """Return how much processor time some processes have used, in seconds; those that have ended count as none."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def memory_of(pid: int) -> int:
    """Return a process's resident memory, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def size_of(folder: Path) -> int:
    """Return how many bytes the files of a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
