"""Watchers of scripted jobs, and what their consumers read."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from jobwatch import (
    Change,
    ChangeKind,
    Fault,
    FaultKind,
    Pace,
    Watcher,
)
from jobwatch._watching.journal import Journal
from tests.scripted import ScriptedJob, ScriptedTransport, client_of

STATE, HEALTH, END = ChangeKind.STATE, ChangeKind.HEALTH, ChangeKind.END
TOKEN = "canary-token"
QUICK = Pace(min_interval=0.01, max_interval=0.05)


@contextlib.asynccontextmanager
async def watching(*jobs: ScriptedJob, **options: Any) -> AsyncIterator[tuple[Watcher, ScriptedTransport]]:
    """Give a watcher of scripted jobs."""
    transport = options.pop("transport", None) or ScriptedTransport(list(jobs))
    pollers = {name: options.pop(name) for name in ("pace", "max_rate", "patience") if name in options}
    async with client_of(transport, **pollers) as client, Watcher(client, **options) as watcher:
        yield watcher, transport


async def until_end(watcher: Watcher, ends: int = 1) -> list[Change]:
    """Read changes until so many jobs have ended, and acknowledge the last one."""
    changes: list[Change] = []
    async with asyncio.timeout(1e6):
        async for change in watcher:
            changes.append(change)
            ends -= change.kind is END
            if not ends:
                break
    await watcher.acknowledge()
    return changes


async def first(watcher: Watcher, count: int) -> list[Change]:
    changes: list[Change] = []
    async with asyncio.timeout(1e6):
        async for change in watcher:
            changes.append(change)
            if len(changes) == count:
                break
    return changes


def brief(changes: list[Change]) -> list[object]:
    return [change.status or change.health or change.outcome for change in changes]


def down(begins: float, ends: float, fault: Fault) -> Callable[[str, float], Fault | None]:
    return lambda _target, now: fault if begins <= now < ends else None


NO_ANSWER = Fault(FaultKind.UNREACHABLE, "no answer")


class Disk:
    """Lets the writes of a watcher's journal fail, or hang."""

    def __init__(self, watcher: Watcher) -> None:
        journal = watcher._running().journal
        assert isinstance(journal, Journal)
        self.fault: OSError | sqlite3.Error | None = None
        self.hang: threading.Event | None = None
        self._write = journal._opened.write
        journal._opened.write = self.write  # type: ignore[method-assign]

    def write(self, entries: Any) -> None:
        if self.hang is not None:
            self.hang.wait()
        if self.fault is not None:
            raise self.fault
        self._write(entries)
