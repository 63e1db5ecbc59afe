"""What is told of an end by requests of its own: once, by two tries at most, and for no longer than there is time."""

from __future__ import annotations

import asyncio
import logging
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from jobwatch import Change, ChangeKind, Client, Fault, FaultKind, Job, JobFailed, Outcome, Pace, Phase, Watcher
from jobwatch._client.access import engine_of
from jobwatch._engine.details import TIME_LIMIT
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.cli import main
from tests.table.test_pages import BASE, MINIMAL, Pages
from tests.virtual import on_virtual_clock

RESULT = 'result = { request = "/jobs/{job_id}/result", path = "data.value" }\n'
ERROR = 'error = { request = "/errors?of={job_id}", path = ["message", "log[-1]"] }\n'
Answer = Callable[[str, bytes | None], object]


def client(answer: Answer, text: str = MINIMAL + RESULT + ERROR, delay: float = 0.0) -> tuple[Client, Pages]:
    """Return a client whose requests are answered by a function, and what it was asked."""
    pages = Pages(answer, delay)
    api = api_of(tomllib.loads(text), "own")
    made = Client(api, pace=Pace(min_interval=0.5))
    made._source = HttpSource(api, Given(None, None, None), transport=pages)  # type: ignore[arg-type]
    return made, pages


def ends(status: str, more: Mapping[str, object], after: int = 2) -> Answer:
    """Return what answers that the job runs, so many times, and then this; and what `more` says of other paths."""
    left = ["running"] * after

    def answer(name: str, _: bytes | None) -> object:
        if name == "/jobs/j1":
            return {"id": "j1", "status": left.pop() if left else status}
        told = more["/" + name.rpartition("/")[2].partition("?")[0].replace("j1", "")]
        return told.pop(0) if isinstance(told, list) else told

    return answer


@on_virtual_clock
async def test_a_result_is_asked_for_once_when_the_job_has_succeeded() -> None:
    made, pages = client(ends("done!", {"/result": {"data": {"value": [1, 2]}}}), MINIMAL + RESULT + ERROR + DONE)
    async with made:
        job = await made.wait_for("j1")
    assert (job.phase, job.result, job.error) == (Phase.SUCCEEDED, [1, 2], None)
    assert pages.asked == ["/jobs/j1"] * 3 + ["/jobs/j1/result"]


DONE = 'words = { succeeded = ["done!"] }\n'


@on_virtual_clock
async def test_what_went_wrong_is_asked_for_when_the_job_has_failed() -> None:
    made, pages = client(ends("failed", {"/errors": {"log": ["fine", "disk full"]}}))
    async with made:
        with pytest.raises(JobFailed, match="disk full"):
            await made.wait_for("j1")
    assert pages.asked == ["/jobs/j1"] * 3 + ["/errors?of=j1"]


@on_virtual_clock
async def test_what_cannot_be_read_is_asked_for_twice_and_the_end_told_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost = Fault(FaultKind.NOT_FOUND, "no such page", 404)
    made, pages = client(ends("completed", {"/result": lost}))
    async with made:
        with caplog.at_level(logging.WARNING, "jobwatch"):
            job = await made.wait_for("j1")
    assert (job.phase, job.result) == (Phase.SUCCEEDED, None)
    assert pages.asked.count("/jobs/j1/result") == 2
    assert [record.getMessage() for record in caplog.records] == [
        "job j1 has ended, and not all of its end could be read: no such page (HTTP 404)"
    ]
    made, pages = client(ends("completed", {"/result": [lost, {"data": {"value": 3}}]}))
    async with made:
        assert (await made.wait_for("j1")).result == 3


@on_virtual_clock
async def test_an_end_is_held_back_for_some_seconds_at_most() -> None:
    made, pages = client(ends("completed", {"/result": {}}, after=0), delay=60.0)
    pages.delay = 0.0

    async def slow(name: str) -> None:
        pages.delay = 0.0 if name == "/jobs/j1" else 60.0

    pages.before = slow
    async with made:
        began = engine_of(made).now()
        assert (await made.wait_for("j1")).result is None
        assert engine_of(made).now() - began == pytest.approx(TIME_LIMIT, abs=0.1)


@on_virtual_clock
async def test_whose_time_is_up_has_the_end_without_waiting_for_more() -> None:
    made, pages = client(ends("completed", {"/result": {}}, after=0))

    async def slow(name: str) -> None:
        pages.delay = 0.0 if name == "/jobs/j1" else 60.0

    pages.before = slow
    async with made:
        began = engine_of(made).now()
        job = await made.wait_for("j1", timeout=2.0)
        assert (job.phase, job.result) == (Phase.SUCCEEDED, None)
        assert engine_of(made).now() - began == pytest.approx(2.0, abs=0.1)


@on_virtual_clock
async def test_one_look_tells_all_of_an_end() -> None:
    made, _ = client(ends("completed", {"/result": {"data": {"value": "x"}}}, after=0))
    async with made:
        assert (await made.job("j1")).result == "x"
        looked = await made.look(made.watched("j1"))
        assert looked.job is not None
        assert looked.job.result == "x"


@on_virtual_clock
async def test_an_end_that_a_list_shows_is_asked_for_by_itself() -> None:
    text = MINIMAL + 'project = "in"\nlist = { request = "/all?n={limit}", root = "jobs" }\n' + RESULT

    def answer(name: str, _: bytes | None) -> object:
        status = "completed" if engine_of(made).now() > 20.0 else "running"
        jobs = [{"id": each, "status": status, "in": "p"} for each in ("j1", "j2")]
        if name.startswith("/all"):
            return {"jobs": jobs}
        return (
            {"data": {"value": name}} if name.endswith("/result") else next(j for j in jobs if name.endswith(j["id"]))
        )

    made, pages = client(answer, text)
    async with made:
        one, two = await made.wait_all(["j1", "j2"])
    assert [one.result, two.result] == ["/jobs/j1/result", "/jobs/j2/result"]
    assert any(name.startswith("/all") for name in pages.asked)
    assert len([name for name in pages.asked if name.endswith("/result")]) == 2


@on_virtual_clock
async def test_a_post_sends_a_body_and_a_log_is_a_text() -> None:
    text = MINIMAL + 'result = { request = "/logs", method = "POST", body = { of = "{job_id}" } }\n'
    made, pages = client(ends("completed", {"/logs": b"one\ntwo\n"}, after=0), text)
    async with made:
        assert (await made.wait_for("j1")).result == "one\ntwo\n"
    assert msgspec.json.decode(pages.bodies[-1] or b"") == {"of": "j1"}


async def test_a_history_may_be_asked_for_by_post() -> None:
    events = 'events = { request = "/log", method = "POST", body = { job = "{job_id}" }, path = "log", status = "to", '
    text = MINIMAL + events + 'next_page = { token = "next", body = "after" } }\n'

    def answer(name: str, body: bytes | None) -> object:
        if body is None:
            return {"id": "j1", "status": "running"}
        after = msgspec.json.decode(body)
        return {"log": [{"to": "queued"}], "next": "n1"} if after == {"job": "j1"} else {"log": [{"to": "running"}]}

    pages = Pages(answer)
    api = api_of(tomllib.loads(text), "own")
    seen = await HttpSource(api, Given(None, None, None), transport=pages).job("j1")  # type: ignore[arg-type]
    assert isinstance(seen.what, Job)
    assert [event.status for event in seen.what.events or ()] == ["queued", "running"]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ('result = { request = "/x", body = "a" }', "result.body", 'add method = "POST"'),
        ('error = { requst = "/x" }', "error.requst", "did you mean request?"),
        ('result = { request = "x" }', "result.request", "must start with /"),
        ('events = { status = "a", method = "POST" }', "events", "request of its own"),
        ('events = { status = "a", request = "/x", body = "a" }', "events.body", 'add method = "POST"'),
        ('result = { request = "/x", path = "a[" }', "result.path", "a["),
        ('result = { request = "/x/${TOKEN}" }', "result", "a secret"),
    ],
)
def test_a_request_that_is_none_is_refused(text: str, key: str, said: str) -> None:
    with pytest.raises(TableError) as refused:
        api_of(tomllib.loads(MINIMAL + text), "own")
    assert ".".join(refused.value.keys) == key
    assert said in refused.value.trouble


def test_check_tells_what_is_asked_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    error = 'error = { request = "/logs", method = "POST", body = "{job_id}" }\n'
    file.write_text(MINIMAL + RESULT + error + 'items = "checks"\npages = 7\n', "utf-8")
    assert main(["apis", "--check", str(file)]) == 0
    told = capsys.readouterr().out
    assert "asks for what went wrong once, at the end: POST /logs" in told
    assert "asks for what it made once, at the end: GET /jobs/{job_id}/result" in told
    assert "joins its list of all pages, 7 at most" in told


def test_parameters_may_stand_in_those_requests() -> None:
    text = MINIMAL + 'result = { request = "/{team}/{job_id}", method = "POST", body = { q = "{queue}" } }\n'
    api = api_of(tomllib.loads(text + 'params = { queue = "day" }'), "own")
    assert api.params == {"team": None, "queue": "day"}
    given = Given(None, None, {"team": "a b"})
    asked = HttpSource(api, given)._requests.detail(api.result, "j1")  # type: ignore[arg-type]
    assert (asked.path, asked.body) == ("/a%20b/j1", b'{"q":"day"}')
    assert BASE in HttpSource(api, given).key


def test_a_table_may_name_the_header_of_a_version() -> None:
    api = api_of(tomllib.loads(MINIMAL + 'version_header = "X-API-Version"\n'), "own")
    source = HttpSource(api, Given(None, None, None), "2024-06")
    assert source._requests.headers()["X-API-Version"] == "2024-06"
    with pytest.raises(TableError, match="name of a header"):
        api_of(tomllib.loads(MINIMAL + 'version_header = "X API"\n'), "own")


@on_virtual_clock
async def test_an_end_that_has_to_stand_is_asked_for_when_it_is_seen_and_when_it_is_believed() -> None:
    told = [{"message": "disk full"}, {"message": "disk full still"}, {"message": "never asked for"}]
    made, pages = client(ends("failed", {"/errors": told}), MINIMAL + RESULT + ERROR + 'stable_for = "300s"\n')
    async with made:
        with pytest.raises(JobFailed, match="disk full still"):
            await made.wait_for("j1")
    assert pages.asked.count("/errors?of=j1") == 2
    assert pages.asked.count("/jobs/j1") >= 6  # the longest interval is shorter than that


@on_virtual_clock
async def test_what_a_job_that_has_gone_said_of_its_end_was_asked_for_when_that_was_seen() -> None:
    text = MINIMAL + RESULT + ERROR + 'stable_for = "100s"\n'

    def answer(name: str, _: bytes | None) -> object:
        if name != "/jobs/j1":
            return {"message": "disk full"}
        gone = Fault(FaultKind.NOT_FOUND, "no such job", 404)
        return gone if engine_of(made).now() > 30.0 else {"id": "j1", "status": "failed"}

    made, _ = client(answer, text)
    changes: list[Change] = []
    async with made, Watcher(made, on_change=changes.append) as watcher:
        await watcher.add("j1")
        await asyncio.sleep(100.0)
    assert (changes[-1].kind, changes[-1].outcome) == (ChangeKind.END, Outcome.FAILED)
    assert changes[-1].error is not None
    assert changes[-1].error.message == "disk full"


async def _waited(made: Client) -> Job:
    return await made.wait_for("j1", check=False)


@on_virtual_clock
async def test_a_list_that_shows_an_end_known_and_held_back_brings_no_look() -> None:
    text = MINIMAL + 'stable_for = "40s"\nlist = { request = "/all?n={limit}", root = "jobs" }\n' + ERROR

    def answer(name: str, _: bytes | None) -> object:
        job = {"id": "j1", "status": "failed"}
        return {"jobs": [job]} if name.startswith("/all") else job if name == "/jobs/j1" else {"message": "x"}

    made, pages = client(answer, text)
    async with made:
        waiting = asyncio.create_task(_waited(made))
        for _ in range(20):
            await asyncio.sleep(1.0)
            engine_of(made).shown(await made.jobs("p"))
        before = pages.asked.count("/jobs/j1")
        await waiting
    assert before <= 2


@on_virtual_clock
async def test_who_looks_by_oneself_has_it_asked_for_no_more_often() -> None:
    answer = ends("failed", {"/errors": [{"message": "one"}, {"message": "two"}]}, after=0)
    made, pages = client(answer, MINIMAL + ERROR + 'stable_for = "300s"\n')
    async with made:
        looked = await made.look(made.watched("j1"))
        while looked.next_look is not None:
            await asyncio.sleep(looked.next_look)
            looked = await made.look(looked.watched)
    assert looked.outcome is Outcome.FAILED
    assert looked.job is not None
    assert looked.job.error is not None
    assert (looked.job.error.message, pages.asked.count("/errors?of=j1")) == ("two", 2)
