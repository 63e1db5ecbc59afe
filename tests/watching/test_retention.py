"""A watcher of jobs that an API forgets: what a restart knows of when a job was seen last."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jobwatch import Change, ChangeKind, Client, Outcome, Pace, Watcher
from jobwatch._client.access import engine_of
from jobwatch.testing import FakeSource
from tests.scripted import EPOCH
from tests.virtual import on_virtual_clock

EVEN = Pace(min_interval=5.0, max_interval=5.0)
KEPT = 900.0


def client(source: FakeSource) -> Client:
    made = Client(source=source, pace=EVEN)
    engine_of(made).clock.epoch = EPOCH  # the same for all, as that of the system is
    return made


@pytest.mark.parametrize(("away", "missed"), [(30.0, False), (700.0, False), (1000.0, True)])
@on_virtual_clock
async def test_an_end_was_not_missed_by_a_restart_that_took_less_time(
    path: Path, inline: None, away: float, missed: bool
) -> None:
    source = FakeSource(history=False, epoch=EPOCH)
    job = source.add("j", ["running"], retention=KEPT)
    assert job is not None
    changes: list[Change] = []
    async with client(source) as asking, Watcher(asking, journal=path) as watcher:
        await watcher.add("j")
        await asyncio.sleep(2 * 3600.0)  # of which nothing is to be told
    source.remove("j")
    await asyncio.sleep(away)
    async with client(source) as asking, Watcher(asking, journal=path, on_change=changes.append):
        await asyncio.sleep(60.0)
    assert (changes[-1].kind, changes[-1].outcome) == (ChangeKind.END, Outcome.NOT_FOUND)
    assert changes[-1].end_missed is missed
