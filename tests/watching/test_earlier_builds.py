"""A journal that an earlier build wrote is opened, and goes on.

``data/journal-0.1.db`` was written by commit f99aac3 (0.1.0, before its modules moved into folders): a watcher of
scripted CapyDB jobs at https://api.example.com on a virtual clock that began at midnight, closed after 1000 s. It
holds

* ``running``, ``nightly-1``: watched, two states each, acknowledged; the second was found in the project ``nightly``,
  which is followed;
* ``ended``: its end is acknowledged;
* ``late``: ended too, and none of its three changes is acknowledged;
* ``dropped``: dropped after its two states;
* ``troubled``: watched, stale since 262 s, which is acknowledged, and unreachable since 502 s, which was handed out and
  not acknowledged.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from jobwatch import Change, ChangeKind, Health, Outcome, Watcher
from jobwatch._watching import sqlite_open as opening
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport, client_of

from .watchers import first, until_end

pytestmark = pytest.mark.looptime
KEPT = Path(__file__).parent / "data" / "journal-0.1.db"
PLACE = "https://api.example.com"
CLOSED = 1000.0
UNDELIVERED = ["troubled:4", "late:1", "late:2", "late:3"]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A copy of the journal: opening one writes."""
    return Path(shutil.copy(KEPT, tmp_path / "watch.db"))


def jobs() -> list[ScriptedJob]:
    """Return the jobs as they went on after the journal was closed."""
    return [
        ScriptedJob("running", ends=1500.0),
        ScriptedJob("ended", ends=100.0),
        ScriptedJob("dropped", ends=1600.0, fails=True),
        ScriptedJob("troubled", ends=1700.0),
        ScriptedJob("late", starts=900.0, ends=990.0),
        ScriptedJob("nightly-1", starts=10.0, ends=1800.0, project_id="nightly"),
        ScriptedJob("nightly-2", starts=1100.0, ends=1200.0, project_id="nightly"),
    ]


def of(changes: list[Change], job_id: str) -> list[tuple[int, object]]:
    return [(each.seq, each.status or each.health) for each in changes if each.job_id == job_id]


def facts(path: Path) -> dict[str, object]:
    connection = sqlite3.connect(path)
    found: dict[str, object] = dict(connection.execute("SELECT name, value FROM facts"))
    (found["version"],) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return found


async def test_it_goes_on_where_it_was(journal: Path) -> None:
    await asyncio.sleep(CLOSED)
    transport = ScriptedTransport(jobs())
    async with client_of(transport, base_url=PLACE) as client, Watcher(client, journal=journal) as watcher:
        assert watcher.health().undelivered == len(UNDELIVERED)
        again = await first(watcher, len(UNDELIVERED))
        assert [change.key for change in again] == UNDELIVERED
        await watcher.acknowledge()
        assert await watcher.add("ended", "late", "running", "troubled") == ()
        assert await watcher.add("dropped") == ("dropped",)
        assert await watcher.add_project("nightly") is False
        news = await until_end(watcher, 5)
        assert watcher.health().undelivered == 0
        assert watcher.jobs() == ()
    assert of(news, "running") == [(3, "completed")]
    assert of(news, "troubled") == [(5, Health.OK), (6, "completed")]
    assert of(news, "dropped") == [(3, "failed")]
    assert of(news, "nightly-1") == [(3, "completed")]
    assert of(news, "nightly-2") == [(1, "pending"), (2, "running"), (3, "completed")]
    assert len(news) == 8, "nothing else, and of what was acknowledged nothing"
    assert transport.times("job:ended") == transport.times("job:late") == []
    async with client_of(transport, base_url=PLACE) as client, Watcher(client, journal=journal) as watcher:
        assert watcher.health().undelivered == watcher.health().jobs == 0


async def test_what_is_told_again_is_as_it_was_told(journal: Path) -> None:
    await asyncio.sleep(CLOSED)
    async with (
        client_of(ScriptedTransport(jobs()), base_url=PLACE) as client,
        Watcher(client, journal=journal) as watcher,
    ):
        trouble, pending, _, end = await first(watcher, len(UNDELIVERED))
    assert (trouble.kind, trouble.health, trouble.status) == (ChangeKind.HEALTH, Health.UNREACHABLE, None)
    assert trouble.fault is not None
    assert (trouble.fault.message, trouble.fault.http_status) == ("service unavailable", 503)
    assert (pending.status, pending.at.timestamp()) == ("pending", EPOCH + 900.0)
    assert (end.kind, end.status, end.outcome) == (ChangeKind.END, "completed", Outcome.SUCCEEDED)
    assert end.at.timestamp() == EPOCH + 990.0


async def test_one_of_the_first_format_is_migrated(journal: Path) -> None:
    """The first format lacked the place, and nothing else."""
    connection = sqlite3.connect(journal)
    connection.executescript("DELETE FROM facts WHERE name = 'place'; PRAGMA user_version = 1")
    connection.close()
    await asyncio.sleep(CLOSED)
    async with (
        client_of(ScriptedTransport(jobs()), base_url=PLACE) as client,
        Watcher(client, journal=journal) as watcher,
    ):
        assert [change.key for change in await first(watcher, len(UNDELIVERED))] == UNDELIVERED
        assert {job.job_id for job in watcher.jobs()} == {"running", "troubled", "nightly-1", "late"}
    assert facts(journal) == {"api": "capydb", "place": PLACE, "generation": "0", "version": len(opening.STEPS)}


def test_it_is_kept_as_it_was_written(journal: Path) -> None:
    assert facts(journal) == {"api": "capydb", "place": PLACE, "version": 2}
