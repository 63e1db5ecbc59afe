"""A watcher of jobs whose ends have to stand: what a restart finds in the journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jobwatch import Change, ChangeKind, Client, Outcome, Pace, Problem, Watcher
from jobwatch.testing import FakeSource
from tests.scripted import EPOCH
from tests.virtual import on_virtual_clock, running_loop

EVEN = Pace(min_interval=1.0, max_interval=1.0)


def client(source: FakeSource) -> Client:
    return Client(source=source, pace=EVEN, stable_for=10)


async def _until(at: float) -> None:
    await asyncio.sleep(at - running_loop().time())


@on_virtual_clock
async def test_a_watcher_goes_on_after_a_restart_with_the_end_that_it_saw(path: Path, inline: None) -> None:
    source = FakeSource(history=False, epoch=EPOCH)
    source.add("j", [("running", 0), ("failed", 3)], error=Problem("no memory"))
    changes: list[Change] = []
    async with client(source) as asking:
        async with Watcher(asking, journal=path, on_change=changes.append) as watcher:
            await watcher.add("j")
            await _until(7.0)
        assert [change.kind for change in changes] == [ChangeKind.STATE]
        source.remove("j")  # while nobody looked
    async with client(source) as asking:
        async with Watcher(asking, journal=path, on_change=changes.append):
            await _until(40.0)
        end = changes[-1]
        assert (end.kind, end.outcome, end.status, str(end.error)) == (
            ChangeKind.END,
            Outcome.FAILED,
            "failed",
            "no memory",
        )
        assert [change.seq for change in changes if change.kind is not ChangeKind.HEALTH] == [1, 2]
