"""What earlier jobs took: learned once, kept in a file that survives everything, and worth requests."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from jobwatch import Client, ConfigError
from jobwatch._core.durations import LearnedDurations, durations_of
from jobwatch._core.hazard import KEPT, PRIOR, Curve, Durations
from jobwatch._core.pace import Pace, curve
from jobwatch._files.history import History
from jobwatch._files.lock import folder_locked
from jobwatch._models import Event, Job, Phase
from jobwatch.apis import BEDROCK, CAPYDB
from jobwatch.testing import JobServer
from tests.scripted import ScriptedJob, ScriptedTransport, ended, poller_of, watched
from tests.virtual import on_virtual_clock

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
BACKUP = ("capydb", "project.backup", Phase.RUNNING)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _job(job_id: str = "j1", *, api: str = "capydb", took: float | None = 30.0, **fields: object) -> Job:
    ending: dict[str, object] = {"status": "running", "phase": Phase.RUNNING}
    if took is not None:
        ending = {"status": "completed", "phase": Phase.SUCCEEDED, "ended_at": at(10.0 + took)}
    told = {"type": "project.backup", "proven": (Event("running", Phase.RUNNING, at(10.0)),)} | ending | fields
    return Job(id=job_id, api=api, **told)  # type: ignore[arg-type]


def _seconds(history: History, kind: tuple[str, str, Phase] = BACKUP) -> tuple[float, ...]:
    return history._durations.get(kind, Durations()).seconds


# --- what a job's own timestamps tell ----------------------------------------------------------------------------


def test_a_capydb_job_tells_how_long_it_took_from_each_phase() -> None:
    body = {
        "job": {
            "id": "j1",
            "state": "completed",
            "created_at": "2026-03-01T12:00:00Z",
            "started_at": "2026-03-01T12:00:10.5Z",
            "completed_at": "2026-03-01T12:01:00Z",
        }
    }
    job = CAPYDB.job(msgspec.json.encode(body), "j1")
    assert isinstance(job, Job)
    assert durations_of(job) == [(Phase.PENDING, 60.0), (Phase.RUNNING, 49.5)]


@pytest.mark.parametrize("end", [{"completed_at": "2026-03-01T12:01:00Z"}, {}])
def test_a_bedrock_job_tells_it_by_its_events(end: dict[str, str]) -> None:
    events = [
        {"status": "PENDING", "timestamp": "2026-03-01T12:00:00Z"},
        {"status": "RUNNING", "timestamp": "2026-03-01T12:00:05Z"},
        {"status": "PENDING", "timestamp": "2026-03-01T12:00:20Z"},
        {"status": "RUNNING", "timestamp": "2026-03-01T12:00:30Z"},
        {"status": "COMPLETED", "timestamp": "2026-03-01T12:01:00Z"},
    ]
    body = {"data": {"id": "job_1", "status": "COMPLETED", "type": "x", "events": events, **end}}
    job = BEDROCK.job(msgspec.json.encode(body), "job_1")
    assert isinstance(job, Job), job
    assert durations_of(job) == [(Phase.PENDING, 40.0), (Phase.RUNNING, 30.0)]


@pytest.mark.parametrize(
    "job",
    [
        _job(took=None),
        _job(ended_at=None),
        _job(proven=()),
        _job(took=-1.0),
        _job(proven=(Event("running", Phase.RUNNING),)),
        _job(status="??", phase=Phase.UNKNOWN),
    ],
)
def test_what_tells_nothing_gives_nothing(job: Job) -> None:
    assert durations_of(job) == []
    assert not History().add(job)


def test_an_instant_job_took_no_time() -> None:
    assert durations_of(_job(took=0.0)) == [(Phase.RUNNING, 0.0)]


# --- learning ----------------------------------------------------------------------------------------------------


def test_each_job_teaches_once() -> None:
    history = History()
    assert history.add(_job("a", took=10.0))
    assert history.add(_job("a", took=10.0))
    assert history.add(_job("b", took=20.0))
    assert _seconds(history) == (10.0, 20.0)
    assert _seconds(history, ("capydb", "*", Phase.RUNNING)) == (10.0, 20.0)


def test_a_job_first_seen_while_it_ran_teaches_when_it_ends() -> None:
    history = History()
    assert not history.add(_job("a", took=None))
    assert history.add(_job("a", took=10.0))
    assert _seconds(history) == (10.0,)


def test_equal_ids_of_two_apis_are_two_jobs() -> None:
    history = History()
    history.add(_job("a", took=10.0))
    history.add(_job("a", api="bedrock", took=20.0))
    assert _seconds(history, ("bedrock", "project.backup", Phase.RUNNING)) == (20.0,)


def test_an_unknown_type_falls_back_to_all_jobs_of_its_api_and_no_other() -> None:
    history = History()
    history.add_duration(BACKUP, 30.0)
    assert history.curve("capydb", "never.seen", Phase.RUNNING) is not PRIOR
    assert history.curve("capydb", None, Phase.RUNNING) is not PRIOR
    assert history.curve("capydb", "project.backup", Phase.PENDING) is PRIOR
    assert history.curve("capydb", "project.backup", None) is PRIOR
    assert history.curve("bedrock", "project.backup", Phase.RUNNING) is PRIOR
    assert history.knows("capydb", "project.backup")
    assert not history.knows("capydb", "never.seen")
    assert not history.knows("capydb", None)


def test_a_curve_is_kept_until_there_is_something_new() -> None:
    history = History()
    history.add_duration(BACKUP, 30.0)
    first = history.curve(*BACKUP)
    assert history.curve(*BACKUP) is first
    history.add_duration(BACKUP, 31.0)
    assert history.curve(*BACKUP) is not first
    other = history.curve("capydb", "other", Phase.RUNNING)
    assert history.curve("capydb", "other", Phase.RUNNING) is other
    for _ in range(KEPT):
        history.add_duration(BACKUP, 300.0)
    assert history.curve("capydb", "other", Phase.RUNNING) is not other, "its kin have become many more"
    other = history.curve("capydb", "other", Phase.RUNNING)
    history.add_duration(("capydb", "other", Phase.RUNNING), 5.0)
    assert history.curve("capydb", "other", Phase.RUNNING) is not other, "it has become one more itself"


@pytest.mark.slow
def test_an_api_that_names_each_job_a_type_of_its_own_fills_no_memory(tmp_path: Path) -> None:
    history = History(tmp_path / "h.json")
    for number in range(20_000):
        history.add(_job(f"j{number}", took=10.0, type=f"type-{number}"))
    for number in range(600):
        history.curve("capydb", f"type-{number}", Phase.RUNNING)
    assert len(history._durations) <= 1024
    assert len(history._curves) <= 256
    assert len(history._unsaved) <= 8192
    assert len(history._learned) <= 4096
    assert len(_seconds(history, ("capydb", "*", Phase.RUNNING))) == KEPT
    history.save()
    assert len(History(tmp_path / "h.json")._durations) <= 1024


# --- the file ----------------------------------------------------------------------------------------------------


def test_the_file_brings_everything_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "history.json"
    history = History(path)
    history.add(_job("a", took=10.0))
    history.add(_job("b", took=20.0, type=None))
    history.add(_job("c", api="bedrock", took=0.125))
    history.save()
    again = History(path)
    assert {kind: each.seconds for kind, each in again._durations.items()} == {
        kind: each.seconds for kind, each in history._durations.items()
    }
    assert again.knows("capydb", "project.backup")
    assert again.knows("capydb", None)


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    History(path).save()
    assert not path.exists()
    history = History(path)
    history.add(_job())
    history.save()
    written = path.stat().st_mtime_ns, path.stat().st_ino
    history.save()
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written


def test_saving_twice_adds_once(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.add(_job("a", took=10.0))
    history.save()
    history.add(_job("b", took=20.0))
    history.save()
    assert _seconds(History(tmp_path / "h")) == (10.0, 20.0)


def test_the_file_keeps_only_the_newest(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    for number in range(KEPT + 36):
        history.add_duration(BACKUP, float(number))
    history.save()
    assert _seconds(History(tmp_path / "h")) == tuple(float(number) for number in range(36, KEPT + 36))


def test_the_old_file_or_the_new_one_and_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.json"
    history = History(path)
    history.add(_job("a"))
    history.save()
    before = path.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    history.add(_job("b"))
    with pytest.raises(ConfigError, match=r"cannot be written \(No space left on device\)"):
        history.save()
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["history.json"]
    monkeypatch.undo()
    history.save()
    assert len(_seconds(History(path))) == 2, "what could not be saved is saved when it can be"


def test_what_is_learned_while_the_file_is_written_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.json"
    history = History(path)
    history.add(_job("a", took=10.0))
    really = os.fsync

    def slow(handle: int) -> None:
        history.add(_job("b", took=20.0))
        really(handle)

    monkeypatch.setattr(os, "fsync", slow)
    history.save()
    monkeypatch.undo()
    history.save()
    assert _seconds(History(path)) == (10.0, 20.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"SQLite format 3\x00",
        b'{"format":"1","kinds":[]}',
        b'{"format":1,"kinds":[{"api":"capydb"}]}',
        b'{"format":1,"kinds":[{"api":"a","type":"t","phase":"nope","seconds":[]}]}',
        b'{"format":1,"kinds":[{"api":"a","type":"t","phase":"running","seconds":[NaN]}]}',
        b'{"format":1,"kinds":[{"api":"a","type":"t","phase":"running","seconds":[1e999]}]}',
        b'{"format":1,"kinds":[{"api":"a","type":"t","phase":"running","seconds":["1"]}]}',
        b'{"format":1,"x":' + b"[" * 500_000 + b"]" * 500_000 + b',"kinds":[]}',
    ],
)
def test_a_damaged_file_is_told_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"history\.json is not a jobwatch history: delete it, or name another file"):
        History(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("rest", ['"kinds":[]', '"kinds":{"of":"another shape"}', '"other":1'])
def test_a_newer_file_is_told_and_left_as_it_was(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "history.json"
    path.write_text(f'{{"format":2,{rest}}}')
    with pytest.raises(ConfigError, match="a history of format 2, and this jobwatch reads 1: delete it, or name"):
        History(path)
    assert path.read_text() == f'{{"format":2,{rest}}}'


def test_a_file_damaged_since_it_was_read_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    history = History(path)
    history.add(_job())
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is not a jobwatch history"):
        history.save()
    assert path.read_text() == "mine"


def test_durations_that_cannot_be_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    many = list(range(1000))
    kinds = [
        {"api": "capydb", "type": "project.backup", "phase": "running", "seconds": [-1.0, *many]},
        {"api": "capydb", "type": "other", "phase": "running", "seconds": [-5]},
    ]
    path.write_bytes(msgspec.json.encode({"format": 1, "kinds": kinds}))
    history = History(path)
    assert _seconds(history) == tuple(map(float, many[-KEPT:]))
    assert not history.knows("capydb", "other")


def test_a_folder_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\): make it readable, or name another"):
        History(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(ConfigError, match=r"cannot be read \(Permission denied\)"):
        History(path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    history = History()
    history._path = tmp_path / "file" / "history.json"
    history.add(_job())
    with pytest.raises(ConfigError, match=r"cannot be written \(.*\): make it and its folder writable, or name"):
        history.save()
    assert (tmp_path / "file").read_text() == "in the way"


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.add(_job())
    history.save()
    assert stat.S_IMODE((tmp_path / "h").stat().st_mode) == 0o600


_WRITER = """
import sys
from jobwatch._files.history import History
from jobwatch._models import Phase
path, first = sys.argv[1], int(sys.argv[2])
for number in range(first, first + 20):
    history = History(path)
    history.add_duration(("capydb", f"type-{first}", Phase.RUNNING), float(number))
    history.save()
"""


@pytest.mark.slow
def test_processes_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(first)]) for first in (0, 100, 200)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    history = History(path)
    for first in (0, 100, 200):
        expected = tuple(float(number) for number in range(first, first + 20))
        assert _seconds(history, ("capydb", f"type-{first}", Phase.RUNNING)) == expected
    assert len(_seconds(history, ("capydb", "*", Phase.RUNNING))) == 60
    assert [each.name for each in tmp_path.iterdir()] == ["history.json"]


def test_a_lock_that_is_never_let_go_of_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwatch._files.history._LOCKED_WITHIN", 0.03)
    path = tmp_path / "history.json"
    history = History(path)
    history.add(_job("a", took=10.0))
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match=r"another process has held the lock of .* for 0\.03 s"):
        history.save()
    assert not path.exists()
    assert history.unsaved
    os.close(holder)
    history.save()
    assert _seconds(History(path)) == (10.0,)


@pytest.mark.slow
async def test_a_client_saves_when_it_closes(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    async with JobServer() as server:
        server.add("capydb", "j1", [("running", 0.0), ("completed", 0.2)], type="project.backup")
        async with Client("capydb", token="sk_test", base_url=server.url_of("capydb"), history=path) as client:
            await client.wait_for("j1", timeout=20.0)
            assert not path.exists()
    (seconds,) = _seconds(History(path))
    assert seconds == pytest.approx(0.2, abs=0.01)


def test_a_file_of_an_earlier_build_is_read_and_added_to(tmp_path: Path) -> None:
    """``data/history-0.1.json`` was saved by commit f99aac3 (0.1.0), which had learned of six jobs."""
    path = Path(shutil.copy(Path(__file__).parent / "data" / "history-0.1.json", tmp_path / "history.json"))
    history = History(path)
    took = (60.0, 61.5, 58.25, 90.0, 64.0)
    assert _seconds(history) == took
    assert _seconds(history, ("capydb", "project.backup", Phase.PENDING)) == tuple(each + 5.0 for each in took)
    assert _seconds(history, ("bedrock", "cms", Phase.RUNNING)) == (3600.5,)
    assert history.knows("capydb", "project.backup")
    assert history.curve("capydb", "project.backup", Phase.RUNNING) is not PRIOR
    assert history.add(_job(took=62.0))
    history.save()
    saved = History(path)
    assert _seconds(saved) == (*took, 62.0)
    assert _seconds(saved, ("bedrock", "cms", Phase.RUNNING)) == (3600.5,)
    assert msgspec.json.decode(path.read_bytes())["format"] == 1


# --- what it is worth --------------------------------------------------------------------------------------------


async def _waited(history: History | None, took: float, *, pace: Pace | None = None) -> tuple[int, float]:
    """Wait for one job that takes so long; return how many looks it took, and how late its end was known."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    job = ScriptedJob(f"job-{started}", starts=started, ends=started + took)
    transport = ScriptedTransport([job])
    poller = poller_of(transport, history=history, pace=pace, uniform=random.Random(took).random)
    known = await ended(poller, job.id)
    await poller.aclose()
    return len(transport.requests), known - job.ends


@on_virtual_clock
async def test_jobs_of_a_kind_that_repeats_need_fewer_looks_and_are_known_sooner() -> None:
    rng = random.Random(3)
    lengths = [120.0 * rng.lognormvariate(0.0, 0.1) for _ in range(40)]
    history, thrifty = History(), Pace(poll_cost=0.3)
    learned = [await _waited(history, took, pace=thrifty) for took in lengths][-20:]
    plain = [await _waited(History(), took) for took in lengths][-20:]
    assert sum(looks for looks, _ in learned) <= 0.5 * sum(looks for looks, _ in plain)
    assert sum(late for _, late in learned) <= 0.75 * sum(late for _, late in plain)


@on_virtual_clock
@pytest.mark.parametrize("wrong_by", [0.1, 10.0])
async def test_a_wrong_history_costs_a_bounded_amount(wrong_by: float) -> None:
    def cost(waits: list[tuple[int, float]]) -> float:
        return sum(looks * Pace().poll_cost + late for looks, late in waits)

    rng = random.Random(4)
    lengths = [100.0 * rng.lognormvariate(0.0, 0.2) for _ in range(20)]
    wrong = History()
    for took in lengths:
        wrong.add_duration(BACKUP, took * wrong_by)
    misled = []
    for took in lengths:
        history = History()
        history._durations = {kind: Durations(each.seconds) for kind, each in wrong._durations.items()}
        misled.append(await _waited(history, took))
    assert cost(misled) <= 1.6 * cost([await _waited(History(), took) for took in lengths])


@on_virtual_clock
async def test_the_end_is_learned_from_looks_where_the_api_tells_no_times() -> None:
    history = History()
    transport = ScriptedTransport([])
    from jobwatch._reading.reply import Reply

    def answer(_target: str, now: float) -> Reply:
        state = "completed" if now >= 50.0 else "running"
        return Reply(200, msgspec.json.encode({"job": {"id": "j", "state": state, "type": "project.backup"}}))

    transport.answer = answer
    poller = poller_of(transport, history=history)
    await ended(poller, "j")
    await poller.aclose()
    (seconds,) = _seconds(history)
    assert seconds == pytest.approx(50.0, abs=3.0)


@on_virtual_clock
async def test_ends_seen_by_chance_on_a_list_are_learned() -> None:
    jobs = [ScriptedJob(f"past-{index}", starts=-100.0, ends=-40.0, project_id="p") for index in range(5)]
    jobs += [ScriptedJob(f"other-{index}", starts=0.0, ends=20.0, project_id="p", type="b") for index in range(5)]
    jobs += [ScriptedJob(f"mine-{index}", starts=0.0, ends=40.0, project_id="p") for index in range(2)]
    transport = ScriptedTransport(jobs)
    history = History()
    poller = poller_of(transport, history=history)
    await asyncio.gather(ended(poller, "mine-0"), ended(poller, "mine-1"))
    await poller.aclose()
    assert _seconds(history) == pytest.approx((60.0,) * 5 + (40.0,) * 2)
    assert _seconds(history, ("capydb", "b", Phase.RUNNING)) == pytest.approx((20.0,) * 5)


# --- the one request for a history -------------------------------------------------------------------------------


def _project(*jobs: ScriptedJob) -> ScriptedTransport:
    past = [ScriptedJob(f"past-{index}", starts=-1000.0 - index, ends=-940.0, project_id="p") for index in range(5)]
    return ScriptedTransport([*past, *jobs])


@on_virtual_clock
async def test_an_unknown_type_costs_one_list_request() -> None:
    transport = _project(*[ScriptedJob(f"j{number}", starts=number * 100.0, project_id="p") for number in range(3)])
    for number in range(3):
        transport.jobs[f"j{number}"].ends = number * 100.0 + 90.0
    history = History()
    poller = poller_of(transport, history=history)
    for number in range(3):
        await ended(poller, f"j{number}")
        await asyncio.sleep(5.0)
    await poller.aclose()
    assert len(transport.times("list")) == 1
    assert len(_seconds(history)) == 5 + 3


@on_virtual_clock
async def test_an_unknown_type_without_a_past_costs_one_list_request_too() -> None:
    transport = ScriptedTransport([ScriptedJob("a", ends=500.0, project_id="p")])
    poller = poller_of(transport)
    await ended(poller, "a")
    await poller.aclose()
    assert len(transport.times("list")) == 1


@on_virtual_clock
async def test_a_job_that_ends_soon_asks_for_no_history() -> None:
    transport = _project(ScriptedJob("a", ends=1.5, project_id="p"))
    poller = poller_of(transport)
    await ended(poller, "a")
    await poller.aclose()
    assert transport.times("list") == []


@on_virtual_clock
async def test_a_known_type_asks_for_no_history() -> None:
    transport = _project(ScriptedJob("a", ends=500.0, project_id="p"))
    history = History()
    history.add_duration(BACKUP, 60.0)
    poller = poller_of(transport, history=history)
    await ended(poller, "a")
    await poller.aclose()
    assert transport.times("list") == []


@on_virtual_clock
async def test_the_request_for_a_history_is_a_look_at_the_job_too() -> None:
    transport = _project(ScriptedJob("a", starts=0.0, project_id="p"))
    poller = poller_of(transport)
    watch = poller.listen(watched("a"))
    await asyncio.sleep(100.0)
    assert len(transport.times("list")) == 1
    assert transport.times("list") > transport.times("job")[:4]
    assert watch.watched.looks == len(transport.requests)
    poller.leave(watch)
    await poller.aclose()


def test_a_child_forked_while_it_saves_does_not_keep_the_lock(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from jobwatch._files.lock import folder_locked
with folder_locked(Path(sys.argv[1]), 1.0):
    if not os.fork():
        signal.pause()
print(flush=True)
signal.pause()
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"\n"
            with folder_locked(tmp_path, 0.1):
                pass
        finally:
            os.killpg(holder.pid, signal.SIGKILL)


def test_a_curve_serves_until_an_eighth_of_its_durations_is_new_or_one_shows_it_wrong() -> None:
    history = LearnedDurations()
    kind = ("capydb", "backup", Phase.RUNNING)

    def learned(*seconds: float) -> list[Curve]:
        curves = []
        for each in seconds:
            history.add_duration(kind, each)
            curves.append(history.curve(*kind))
        return curves

    first = learned(100.0, 110.0, 120.0, 90.0)
    assert len(set(map(id, first))) == 4, "of few durations each counts"
    learned(*(100.0 + number for number in range(KEPT)))
    later = learned(*(100.0 + number for number in range(KEPT)))
    assert 7 <= len(set(map(id, later))) <= 9
    before = learned(120.0)[-1]
    assert learned(1.0)[-1] is not before, "a job that ended far too soon"


def test_a_type_is_told_what_the_other_types_of_its_api_in_its_phase_took() -> None:
    history = LearnedDurations()
    for number in range(40):
        history.add_duration(("capydb", f"type-{number}", Phase.RUNNING), float(number))
        history.add_duration(("capydb", f"type-{number}", Phase.RUNNING), 100.0 + number)
    history.add_duration(("capydb", "other", Phase.PENDING), 1.0)
    history.add_duration(("bedrock", "other", Phase.RUNNING), 2.0)
    history.add_duration(BACKUP, 3.0)
    told = history._others(BACKUP)
    assert told == [(float(number), 100.0 + number) for number in range(39, 7, -1)], "the latest 32 types, not its own"
    assert history.curve(*BACKUP).at(60.0) == curve(
        history.kinds[BACKUP], history.kinds["capydb", "*", Phase.RUNNING], told
    ).at(60.0)
