"""A watcher of jobs that go on at another place: that is in the journal before it is asked."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from jobwatch import Change, ChangeKind, Client, Outcome, Pace, Watcher
from jobwatch._core.tracker import Watched
from jobwatch._table.compile import api_of
from jobwatch._watching.records import Changed, Entry
from jobwatch._watching.sqlite import JournalFile
from tests.conftest import soon
from tests.table_server import TableServer

QUICK = Pace(min_interval=0.002, max_interval=0.01)
KEYS = {"status": "s", "continues_as": "to"}


def place_in(path: Path) -> str | None:
    """Return where a journal says that the job is asked about."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        row = connection.execute("SELECT watched FROM jobs").fetchone()
    place = None if row is None else msgspec.json.decode(row[0], type=Watched).place
    return None if place is None else place.at


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    write = JournalFile.write

    def late(file: JournalFile, entries: tuple[Entry, ...]) -> None:
        time.sleep(0.03)
        write(file, entries)

    monkeypatch.setattr(JournalFile, "write", late)


async def _ended(changes: list[Change]) -> None:
    await soon(lambda: bool(changes) and changes[-1].kind is ChangeKind.END)


async def test_a_place_is_in_the_journal_before_it_is_asked_and_a_killed_watcher_goes_on_there(
    path: Path, slow_disk: None
) -> None:
    found: list[tuple[str, str | None]] = []
    is_over = False

    def answer(request: web.BaseRequest) -> object:
        if not is_over:
            found.append((request.path, place_in(path)))
        match request.path:
            case "/jobs/j":
                return {"s": "running", "to": "/second"}
            case "/second":  # the same state, so that nothing but the move is to be written down
                return {"s": "running", "to": "/third"}
            case _:
                if not is_over and not (path.parent / "killed.db").exists():
                    shutil.copy(path, path.parent / "killed.db")
                    for beside in path.parent.glob(f"{path.name}-*"):
                        shutil.copy(beside, path.parent / beside.name.replace(path.name, "killed.db"))
                return {"s": "succeeded" if is_over else "running"}

    async with TableServer(answer) as server:
        api = api_of({"job": f"{server.url}/jobs/{{job_id}}", **KEYS}, "a")
        async with Client(api, pace=QUICK) as client, Watcher(client, journal=path) as watcher:
            await watcher.add("j")
            await soon(lambda: len(found) >= 4)
        assert found[:3] == [
            ("/jobs/j", None),
            ("/second", f"{server.url}/second"),
            ("/third", f"{server.url}/third"),
        ]
        is_over, asked, changes = True, len(server.requests), list[Change]()
        killed = path.parent / "killed.db"
        async with Client(api, pace=QUICK) as client, Watcher(client, journal=killed, on_change=changes.append):
            await _ended(changes)
        assert {request_path for _, request_path, _, _ in server.requests[asked:]} == {"/third"}
        assert [(change.status, change.outcome) for change in changes] == [
            ("running", None),
            ("succeeded", Outcome.SUCCEEDED),
        ]


async def test_nothing_is_asked_at_a_place_that_cannot_be_written_down(path: Path) -> None:
    async with TableServer(lambda request: {"s": "running"} | ({"to": "/b"} if request.path != "/b" else {})) as server:
        api = api_of({"job": f"{server.url}/jobs/{{job_id}}", **KEYS}, "a")
        async with Client(api, pace=QUICK) as client, Watcher(client, journal=path) as watcher:
            file = watcher._running().journal._opened  # type: ignore[union-attr]
            write, is_broken = file.write, True

            def broken(entries: tuple[Entry, ...]) -> None:
                if is_broken and any(isinstance(each, Changed) and each.record.watched.place for each in entries):
                    raise OSError(28, "No space left on device")
                write(entries)

            file.write = broken  # type: ignore[method-assign]
            await watcher.add("j")
            await soon(lambda: watcher.jobs()[0].fault is not None)
            assert "is not written down, so it is not asked about" in str(watcher.jobs()[0].fault)
            assert {request_path for _, request_path, _, _ in server.requests} == {"/jobs/j"}
            is_broken = False
            await soon(lambda: server.requests[-1][1] == "/b")


async def test_a_wait_and_a_watcher_of_one_job_go_on_together(path: Path, slow_disk: None) -> None:
    found: list[tuple[str, str | None]] = []

    def answer(request: web.BaseRequest) -> object:
        found.append((request.path, place_in(path)))
        return {"s": "running", "to": "/b"} if request.path != "/b" else {"s": "succeeded"}

    async with TableServer(answer) as server:
        api = api_of({"job": f"{server.url}/jobs/{{job_id}}", **KEYS}, "a")
        changes: list[Change] = []
        told = changes.append
        async with Client(api, pace=QUICK) as client, Watcher(client, journal=path, on_change=told) as watcher:
            await watcher.add("j")
            job = await client.wait_for("j", timeout=20.0)
            await _ended(changes)
        assert (job.hops, changes[-1].outcome) == (1, Outcome.SUCCEEDED)
        assert {place for request_path, place in found if request_path == "/b"} <= {f"{server.url}/b"}


async def test_a_wait_that_comes_late_begins_where_the_watcher_has_got_to() -> None:
    def answer(request: web.BaseRequest) -> object:
        if request.path == "/jobs/j":  # each place is gone once the next was asked
            return (
                (410, b"{}", {}) if any(path == "/b" for _, path, _, _ in server.requests) else {"s": "r", "to": "/b"}
            )
        return {"s": "succeeded" if is_over else "running"}

    is_over = False
    async with TableServer(answer) as server:
        api = api_of({"job": f"{server.url}/jobs/{{job_id}}", **KEYS}, "a")
        async with Client(api, pace=QUICK) as client, Watcher(client) as watcher:
            await watcher.add("j")
            await soon(lambda: server.requests[-1:] != [] and server.requests[-1][1] == "/b")
            wait = client.wait_for("j", timeout=20.0)
            first = await anext(aiter(wait))
            is_over = True
            job = await wait
        assert (first.status, job.status, job.hops) == ("running", "succeeded", 1)
