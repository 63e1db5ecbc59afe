"""The client: what it refuses before any request, what it sends, what it keeps to itself, and the seam under it."""

from __future__ import annotations

import asyncio
import gc
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

import jobwatch
from jobwatch import (
    AuthError,
    Client,
    ConfigError,
    FaultKind,
    Job,
    JobAPI,
    JobNotFound,
    JobwatchError,
    LookError,
    Outcome,
    Pace,
    Phase,
    Transition,
    Unreachable,
    UnreadableReply,
    WaitTimeout,
    Watched,
)
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch.apis import BEDROCK, CAPYDB
from jobwatch.testing import FakeSource, JobServer, Trouble

from .conftest import client_of, in_time, own_tasks, soon

ID = "job_01"
PACKAGE = str(Path(jobwatch.__file__).parent)
CANARY = "sk_canary_5ecr3t"
VARIABLES = ("BEDROCK_API_KEY", "BEDROCK_API_URL", "CAPYDB_API_KEY", "CAPYDB_API_URL")


@pytest.fixture(autouse=True)
def a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the machine's own tokens away, and have what is dropped come down in its own test."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    gc.freeze()
    yield
    gc.collect()


# --- what is refused before any request ------------------------------------------------------------------------


def test_a_token_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"no token for bedrock: set BEDROCK_API_KEY, or pass token="):
        Client("bedrock")
    with pytest.raises(ConfigError, match=r"CAPYDB_API_KEY"):
        Client("capydb", token="")


def test_an_unknown_api() -> None:
    with pytest.raises(
        ConfigError, match=r"no API is called 'bedrok' \(did you mean bedrock\?\); there are: bedrock, capydb"
    ):
        Client("bedrok", token="t")


@pytest.mark.parametrize("token", ["a\nb", "a\r\nX-Evil: 1", "\x00", "t\u00f6ken", "\u202e", " ", "\t"])
def test_a_token_that_no_header_can_hold(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Client("bedrock", token=token)
    assert token.strip() not in str(caught.value) or not token.strip()


@pytest.mark.parametrize(
    "url",
    [
        "api.bedrock.cv",
        "ftp://api.test",
        "file:///etc/passwd",
        "http://",
        "https://user:password@api.test",
        "https://api.test/?key=1",
        "https://api.test/#x",
        "https://api.test/../x",
        "https://api.test:99999",
        "https://api.test/a b",
        "https://api.test\n",
        "https://[::1",
        "javascript:alert(1)",
        "http://" + "x" * 64 + ".test",
    ],
)
def test_row_13_a_base_url_that_cannot_be_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError):
        Client("bedrock", token="t", base_url=url)
    monkeypatch.setenv("BEDROCK_API_URL", url)
    with pytest.raises(ConfigError) as caught:
        Client("bedrock", token="t")
    assert "password" not in str(caught.value).replace("a password", "")


IDS = ["", ".", "..", "a\x00b", "a\nb", "\u202egnp", "a\u200bb", "\ud800", "\x1b[2J", "\x7f", "x" * 1025]


@pytest.mark.parametrize("job_id", IDS, ids=lambda job_id: ascii(job_id)[:12])
async def test_row_122_ids_that_cannot_stand_in_a_url(bedrock: Client, job_server: JobServer, job_id: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: bedrock.wait_for(job_id),
        lambda: bedrock.watched(job_id),
        lambda: bedrock.as_completed([ID, job_id]),
    ]
    for call in calls:
        with pytest.raises(ConfigError) as caught:
            call()
        assert str(caught.value).isascii()
        assert len(str(caught.value)) < 200
    for waiting in (
        lambda: bedrock.job(job_id),
        lambda: bedrock.wait_all([ID, job_id]),
        lambda: bedrock.look(Watched(job_id=job_id, api="bedrock")),
    ):
        with pytest.raises(ConfigError):
            await waiting()
    assert job_server.requests == []


@pytest.mark.parametrize(
    "job_id",
    [
        "a/b",
        "../../admin",
        "a?b=c",
        "a#b",
        "%2e%2e",
        "a%2Fb",
        "//evil.test/x",
        "a;b",
        "a\\b",
        "...",
        "a:b@c",
        "{job_id}",
        "{0}",
        "&",
        "+",
        "ü",
        "a b",
        "x" * 1024,
    ],
    ids=lambda job_id: ascii(job_id)[:12],
)
async def test_row_122_other_ids_keep_to_their_place_in_the_path(job_server: JobServer, job_id: str) -> None:
    for api in ("bedrock", "capydb"):
        job_server.add(api, job_id, ["completed"])
        async with client_of(job_server, api) as client:
            assert (await client.job(job_id)).id == job_id
            assert (await client.wait_for(job_id)).id == job_id
    for request in job_server.requests:
        assert request.job_id == job_id
        assert request.path.startswith(("/jobs/", "/api/capydb/v1/jobs/"))
        assert request.query == {}


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), -0.001])
async def test_a_timeout_that_is_no_duration(bedrock: Client, timeout: float) -> None:
    with pytest.raises(ConfigError, match="timeout must be a finite duration, 0 or more"):
        bedrock.wait_for(ID, timeout=timeout)
    with pytest.raises(ConfigError):
        bedrock.as_completed([ID], timeout=timeout)


@pytest.mark.parametrize(
    "options",
    [
        {"max_in_flight": 0},
        {"max_in_flight": -1},
        {"unreachable_after": -1.0},
        {"unreachable_after": float("nan")},
        {"appear_within": float("inf")},
        {"max_rate": 0.0},
        {"max_rate": -1.0},
        {"max_rate": float("nan")},
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Client("bedrock", token="t", **options)


async def test_a_string_is_not_several_ids(bedrock: Client) -> None:
    with pytest.raises(ConfigError, match="expected several job ids, not the string 'job_01'"):
        bedrock.as_completed(ID)
    with pytest.raises(ConfigError):
        await bedrock.wait_all(ID)


async def test_only_bedrock_has_versions_and_only_capydb_lists(bedrock: Client, capydb: Client) -> None:
    with pytest.raises(ConfigError, match="capydb has no API version"):
        Client("capydb", token="t", api_version="1")
    with pytest.raises(ConfigError, match=r"bedrock documents no list of jobs; ask for each by its id"):
        await bedrock.jobs("prj_1")
    with pytest.raises(ConfigError, match="limit must be at least 1, not 0"):
        await capydb.jobs("prj_1", limit=0)
    for project in ("..", "", "a\x00"):
        with pytest.raises(ConfigError):
            await capydb.jobs(project)


# --- what is sent ------------------------------------------------------------------------------------------------


async def test_token_and_version_go_into_headers(job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["COMPLETED"])
    async with client_of(job_server, api_version="2026-01-01") as client:
        await client.job(ID)
    async with client_of(job_server, token=" sk_test\n") as client:
        await client.job(ID)
    first, second = job_server.requests
    assert first.headers["Authorization"] == second.headers["Authorization"] == "Bearer sk_test"
    assert first.headers["X-API-Version"] == "2026-01-01"
    assert "X-API-Version" not in second.headers
    assert first.headers["Accept"] == "application/json"
    assert (first.method, first.path, first.query) == ("GET", "/jobs/job_01", {})


async def test_an_unsupported_version_is_the_users_to_mend(job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["COMPLETED"])
    async with client_of(job_server, api_version="99") as client:
        with pytest.raises(UnreadableReply, match=r"Unsupported API version: 99\. Supported versions: 1"):
            await client.job(ID)


async def test_token_and_url_come_from_the_environment(job_server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for api in ("bedrock", "capydb"):
        job_server.add(api, ID, ["completed"])
        monkeypatch.setenv(f"{api.upper()}_API_KEY", "sk_test")
        monkeypatch.setenv(f"{api.upper()}_API_URL", job_server.url_of(api) + "/")
        async with Client(api) as client:
            assert (await client.job(ID)).phase is Phase.SUCCEEDED
        async with Client(api, token="other") as client:
            with pytest.raises(AuthError):
                await client.job(ID)
        monkeypatch.setenv(f"{api.upper()}_API_URL", "http://nowhere.invalid")
        async with Client(api, base_url=job_server.url_of(api)) as client:
            assert (await client.job(ID)).phase is Phase.SUCCEEDED


async def test_an_api_of_ones_own(job_server: JobServer) -> None:
    own = JobAPI(
        name="own",
        docs="https://docs.test",
        base_url=job_server.url_of("bedrock"),
        base_url_variable="OWN_URL",
        token_variable="OWN_KEY",
        token_header="X-API-Key",
        token_prefix="",
        job_path="/jobs/{job_id}",
        read_job=BEDROCK.read_job,
        read_problem=BEDROCK.read_problem,
    )
    job_server.add("bedrock", ID, ["COMPLETED"])
    async with Client(own, token="sk_test") as client:
        assert (await client.wait_for(ID)).status == "COMPLETED"
    assert job_server.requests[0].headers["X-API-Key"] == "sk_test"
    assert "Authorization" not in job_server.requests[0].headers


# --- one look ----------------------------------------------------------------------------------------------------


async def test_a_job_is_read_once_whatever_its_state(bedrock: Client, job_server: JobServer) -> None:
    served = job_server.add("bedrock", ID, ["PENDING", "FAILED"], shape="vision")
    job = await bedrock.job(ID)
    assert isinstance(job, Job)
    assert (job.status, job.phase) == ("FAILED", Phase.FAILED)
    assert served.looks == 1


@pytest.mark.slow
async def test_a_look_that_fails_raises_and_is_repeated_where_a_kept_connection_is_lost(
    bedrock: Client, job_server: JobServer
) -> None:
    for trouble in (Trouble.status(503), Trouble.disconnect(), Trouble.html(), Trouble.status(429)):
        job_server.trouble(trouble)
        with pytest.raises(LookError) as caught:
            await bedrock.job(ID)
        assert caught.value.job_id == ID
    with pytest.raises(JobNotFound, match=r"job job_01: the API knows no such job"):
        await bedrock.job(ID)
    assert len(job_server.requests) == 6, "the connection that was lost had been kept, so that look was made again"


async def test_a_projects_jobs(capydb: Client, job_server: JobServer) -> None:
    assert await capydb.jobs("prj_1") == ()
    for number in range(30):
        job_server.add("capydb", f"job_{number}", ["running"], project_id="prj_1")
    assert len(await capydb.jobs("prj_1")) == 25
    jobs = await capydb.jobs("prj_1", limit=2)
    assert [(job.status, job.project_id) for job in jobs] == [("running", "prj_1")] * 2
    assert job_server.requests[-1].query == {"limit": "2"}
    job_server.trouble(Trouble.html())
    with pytest.raises(UnreadableReply):
        await capydb.jobs("a/../b")
    assert job_server.requests[-1].project_id == "a/../b"


# --- opened and closed -------------------------------------------------------------------------------------------


def test_a_client_that_was_never_opened_leaves_no_warning() -> None:
    Client("bedrock", token="t")
    gc.collect()


async def test_a_client_closed_unused_and_closed_twice(job_server: JobServer) -> None:
    client = client_of(job_server)
    await client.aclose()
    await client.aclose()


async def test_closing_tells_those_who_wait(job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["RUNNING"])
    client = client_of(job_server)
    awaited = asyncio.create_task(client.wait_for(ID))
    iterated = client.wait_for(ID)
    assert (await anext(iterated)).status == "RUNNING"
    several = asyncio.create_task(client.wait_all([ID]))
    await in_time(job.looked(2))
    await in_time(client.aclose())
    for waiting in (awaited, anext(iterated), several, iterated):
        with pytest.raises(JobwatchError, match="the client is closed"):
            await in_time(waiting)
    looks = job.looks
    await asyncio.sleep(0.03)
    assert job.looks == looks
    assert not own_tasks()


async def test_closing_while_a_look_is_under_way(job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["RUNNING"])
    job_server.trouble(Trouble.hang(), None)
    client = client_of(job_server)
    task = asyncio.create_task(client.wait_for(ID))
    await in_time(job.looked(1))
    await in_time(client.aclose())
    with pytest.raises(JobwatchError, match="the client is closed"):
        await in_time(task)
    assert not own_tasks()


async def test_closing_is_no_sign_of_trouble_to_a_look_that_is_under_way(job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["RUNNING"])
    job_server.trouble(Trouble.hang(), None)
    client = client_of(job_server, unreachable_after=0.0)
    looking = asyncio.create_task(client.look(client.watched(ID)))
    await in_time(job.looked(1))
    await in_time(client.aclose())
    with pytest.raises(JobwatchError, match="the client is closed"):
        await in_time(looking)
    with pytest.raises(JobwatchError, match="the client is closed"):
        await in_time(client.look(client.watched(ID)))


@pytest.mark.parametrize("used", [False, True])
async def test_a_closed_client_says_so(job_server: JobServer, used: bool) -> None:
    job_server.add("bedrock", ID, ["COMPLETED"])
    client = client_of(job_server, unreachable_after=60.0)
    if used:
        await client.job(ID)
    await client.aclose()
    requests = len(job_server.requests)
    for make in (client.wait_for, client.job):
        with pytest.raises(JobwatchError, match="the client is closed"):
            await in_time(make(ID))
    with pytest.raises(JobwatchError, match="the client is closed"):
        await in_time(anext(client.wait_for(ID)))
    with pytest.raises(JobwatchError, match="the client is closed"):
        await in_time(client.wait_all([ID]))
    assert len(job_server.requests) == requests


async def test_opened_in_one_task_and_closed_in_another(job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["RUNNING"])
    client = client_of(job_server)

    async def open_and_wait() -> None:
        await client.__aenter__()
        with pytest.raises(WaitTimeout):
            await client.wait_for(ID, timeout=0.02)

    await asyncio.create_task(open_and_wait())
    waiting = asyncio.create_task(client.wait_for(ID))
    await asyncio.sleep(0.02)
    await asyncio.create_task(client.aclose())
    with pytest.raises(JobwatchError):
        await waiting


async def test_closing_can_be_cancelled_and_still_closes(job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["RUNNING"])
    for steps in range(6):
        client = client_of(job_server)
        waiting = asyncio.create_task(client.wait_for(ID))
        await in_time(job.looked(job.looks + 1))
        closing = asyncio.create_task(client.aclose())
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        if not closing.cancelled() or steps:
            with pytest.raises(JobwatchError):
                await in_time(waiting)
        else:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await client.aclose()
    await soon(lambda: not own_tasks())


async def test_a_client_can_be_used_after_a_wait_and_again(bedrock: Client, job_server: JobServer) -> None:
    for number in range(3):
        job_server.add("bedrock", f"job_{number}", ["PENDING", ("COMPLETED", 0.02)])
        assert (await bedrock.wait_for(f"job_{number}")).status == "COMPLETED"
        await soon(lambda: not own_tasks())


# --- the seam ------------------------------------------------------------------------------------------------------


def carried(watched: Watched) -> Watched:
    through = msgspec.json.decode(msgspec.json.encode(watched), type=Watched)
    assert through == watched
    return msgspec.msgpack.decode(msgspec.msgpack.encode(through), type=Watched)


async def test_a_look_is_exactly_one_request(bedrock: Client, job_server: JobServer) -> None:
    job = job_server.add("bedrock", ID, ["PENDING"])
    watched = bedrock.watched(ID)
    assert (watched.job_id, watched.api, watched.seq, watched.outcome) == (ID, "bedrock", 0, None)
    first = await bedrock.look(watched)
    assert len(job_server.requests) == 1
    assert [change.status for change in first.transitions] == ["PENDING"]
    assert first.outcome is None
    assert first.next_look is not None
    assert 0.005 <= first.next_look <= 0.04
    assert first.job is not None
    second = await bedrock.look(first.watched)
    assert len(job_server.requests) == 2
    assert second.transitions == ()
    job.advance("COMPLETED")
    third = await bedrock.look(second.watched)
    assert [change.status for change in third.transitions] == ["COMPLETED"]
    assert (third.outcome, third.next_look) == (Outcome.SUCCEEDED, None)
    fourth = await bedrock.look(third.watched)
    assert (fourth.outcome, fourth.transitions, fourth.next_look) == (Outcome.SUCCEEDED, (), None)
    assert len(job_server.requests) == 3
    assert not own_tasks()


async def test_a_look_that_fails_is_a_value(bedrock: Client, job_server: JobServer) -> None:
    job_server.add("bedrock", ID, ["RUNNING"])
    job_server.trouble(Trouble.throttled("0", 503))
    looked = await bedrock.look(bedrock.watched(ID))
    assert looked.watched.fault is not None
    assert looked.watched.fault.kind is FaultKind.UNREACHABLE
    assert (looked.transitions, looked.outcome, looked.job) == ((), None, None)
    job_server.trouble(Trouble.status(401))
    looked = await bedrock.look(carried(looked.watched))
    assert (looked.outcome, looked.next_look) == (Outcome.AUTH, None)


async def test_a_watch_belongs_to_its_api(bedrock: Client, capydb: Client, job_server: JobServer) -> None:
    with pytest.raises(ConfigError, match="job job_01 belongs to bedrock, and this client reads capydb"):
        await capydb.look(bedrock.watched(ID))
    assert job_server.requests == []


STORIES = {
    "bedrock": ["PENDING", "RUNNING", "PAUSED", "RUNNING", "FAILED"],
    "capydb": ["pending", "running", "pending", "running", "completed"],
}


@pytest.mark.parametrize("api", STORIES)
@pytest.mark.parametrize("every", [1, 2, 5])
async def test_a_wait_cut_after_every_look_delivers_the_same_stream(
    job_server: JobServer, api: str, every: int
) -> None:
    job = job_server.add(api, ID, STORIES[api][:1])
    uncut: list[Transition] = []
    cut: list[Transition] = []
    async with client_of(job_server, api) as whole:
        kept = whole.watched(ID)
        carried_on = kept
        for number in range(len(STORIES[api]) * 3):
            if number and number % 3 == 0:
                job.advance(STORIES[api][number // 3])
            if number % every and number < len(STORIES[api]) * 3 - 1:
                continue
            looked = await whole.look(kept)
            kept = looked.watched
            uncut += looked.transitions
            async with client_of(job_server, api) as elsewhere:
                looked = await elsewhere.look(carried(carried_on))
            carried_on = looked.watched
            cut += looked.transitions
    assert kept.outcome is carried_on.outcome
    assert kept.outcome is not None

    def bare(stream: list[Transition]) -> list[tuple[object, ...]]:
        return [(one.seq, one.status, one.phase, one.at, one.gap) for one in stream]

    assert bare(cut) == bare(uncut)
    assert cut[-1].status == STORIES[api][-1]
    if every == 1:
        assert [one.status for one in cut] == STORIES[api]
        assert not any(one.gap for one in cut)


async def test_a_wait_can_be_taken_from_the_handle_and_carried_on_by_looks(
    bedrock: Client, job_server: JobServer
) -> None:
    job = job_server.add("bedrock", ID, ["PENDING", "RUNNING"])
    wait = bedrock.wait_for(ID)
    assert [(await anext(wait)).seq, (await anext(wait)).seq] == [1, 2]
    watched = wait.watched
    await wait.aclose()
    assert watched is not None
    job.advance("COMPLETED")
    looked = await bedrock.look(carried(watched))
    assert [(one.seq, one.status) for one in looked.transitions] == [(3, "COMPLETED")]


# --- what it keeps to itself ---------------------------------------------------------------------------------------


def told(error: BaseException) -> str:
    """Return everything a crash report could show of an error: words, causes, and our frames' local variables."""
    while error.__traceback__ and not error.__traceback__.tb_frame.f_code.co_filename.startswith(PACKAGE):
        error.__traceback__ = error.__traceback__.tb_next
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join([*shown.format(), repr(error), str(error), repr(vars(error)), repr(error.args)])


def test_row_122_no_repr_shows_the_token() -> None:
    client = Client("bedrock", token=CANARY)
    assert repr(client) == "Client(HttpSource(Transport('https://api.bedrock.cv')))"
    for value in vars(client).values():
        assert CANARY not in repr(value)
    assert CANARY not in repr(client.wait_for(ID))


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.status(401),
        Trouble.status(404),
        Trouble.status(503),
        Trouble.html(),
        Trouble.truncated(),
        Trouble.disconnect(),
        Trouble.reset(),
        Trouble.wrong_job(),
        Trouble.raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
        Trouble.redirect("http://evil.test/"),
        Trouble.body(f'{{"title": "bad key Bearer {CANARY}", "code": "{CANARY}"}}'.encode(), status=400),
        Trouble.body(CANARY.encode(), "text/plain", status=500),
    ],
    ids=lambda trouble: f"{trouble.kind.name}-{trouble.code}",
)
async def test_row_122_no_error_shows_the_token_not_even_in_its_frames(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with JobServer(token=CANARY) as server:
        job = server.add("bedrock", ID, ["RUNNING"])
        server.trouble(trouble, None)
        async with client_of(server, token=CANARY, unreachable_after=0.0, appear_within=0.0) as client:
            for make in (client.job, client.wait_for, lambda job_id: anext(client.wait_for(job_id))):
                with pytest.raises(LookError) as caught:
                    await make(ID)
                assert CANARY not in told(caught.value)
            with pytest.raises(LookError) as caught:
                await client.wait_all([ID])
            assert CANARY not in told(caught.value)
            looked = await client.look(client.watched(ID))
            assert CANARY not in repr(looked)
            assert CANARY.encode() not in msgspec.json.encode(looked.watched)
        assert job.looks >= 4
        assert server.requests[0].headers["Authorization"] == f"Bearer {CANARY}"
    assert CANARY not in caplog.text


async def test_row_122_no_time_out_and_no_cancelling_shows_the_token() -> None:
    async with JobServer(token=CANARY) as server:
        job = server.add("bedrock", ID, ["RUNNING"])
        server.trouble(Trouble.hang(), None)
        async with client_of(server, token=CANARY) as client:
            for make in (client.job, client.wait_for):
                task = asyncio.ensure_future(make(ID))
                await in_time(job.looked(job.looks + 1))
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as cancelled:
                    await task
                assert CANARY not in told(cancelled.value)
                assert CANARY not in repr(task)
            server.calm()
        async with client_of(server, token=CANARY) as client:
            with pytest.raises(WaitTimeout) as caught:
                await client.wait_for(ID, timeout=0.01)
            assert CANARY not in told(caught.value)
            with pytest.raises(ConfigError) as refused:
                await client.job("..")
            assert CANARY not in told(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": f"{CANARY}\nX-Evil: 1"},
        {"token": f"{CANARY}\u202e"},
        {"token": CANARY, "base_url": f"https://user:{CANARY}@api.test"},
        {"token": CANARY, "base_url": f"https://api.test/?key={CANARY}"},
        {"token": CANARY, "base_url": "nonsense"},
        {"token": CANARY, "max_in_flight": 0},
        {"token": CANARY, "unreachable_after": -1.0},
    ],
    ids=range(7),
)
def test_row_122_no_configuration_error_shows_the_token(
    wrong: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown_by(options: dict[str, Any]) -> str:
        with pytest.raises(ConfigError) as caught:
            Client("bedrock", **options)
        assert caught.value.__traceback__
        shown = told(caught.value)
        assert str(Path("_client", "client.py")) in shown
        return shown

    assert CANARY not in shown_by(wrong)
    monkeypatch.setenv("BEDROCK_API_KEY", str(wrong["token"]))
    assert CANARY not in shown_by({name: value for name, value in wrong.items() if name != "token"})


def test_the_pace_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="min_interval"):
        Client("bedrock", token="t", pace=Pace(min_interval=5.0, max_interval=1.0))


# --- one loop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["wait", "iterate", "job", "look", "list"])
def test_a_client_in_a_second_loop_says_what_to_do(use: str) -> None:
    source = HttpSource(CAPYDB, Given("t", "http://127.0.0.1:9", None))
    client = Client(source=source, unreachable_after=0.0)

    async def used() -> None:
        match use:
            case "wait":
                await client.wait_for("job_1", timeout=1)
            case "iterate":
                await anext(client.wait_for("job_1", timeout=1))
            case "job":
                await client.job("job_1")
            case "look":
                await client.look(client.watched("job_1"))
            case _:
                await client.jobs("prj_1")

    async def first() -> None:
        with pytest.raises(Unreachable):
            await client.job("job_1")
        await source.aclose()

    asyncio.run(first())
    with pytest.raises(JobwatchError, match=r"belongs to another event loop: make one within each asyncio\.run"):
        asyncio.run(used())


@pytest.mark.parametrize("bad", [True, None, ["job_1"], 1.5])
@pytest.mark.parametrize("source", [None, FakeSource()])
async def test_an_id_that_is_neither_text_nor_number_is_refused_wherever_it_is_given(
    source: FakeSource | None, bad: Any
) -> None:
    client = Client(source=source) if source else Client("capydb", token="t", base_url="http://127.0.0.1:9")
    async with client:
        for refused in (client.wait_for, client.watched):
            with pytest.raises(
                ConfigError, match=r"a job's id is a text or a whole number, and not of type (bool|NoneType|list|float)"
            ):
                refused(bad)
        with pytest.raises(ConfigError, match="a job's id is a text"):
            await client.job(bad)
        with pytest.raises(ConfigError, match="a project's id is a text"):
            await client.jobs(bad)
        with pytest.raises(ConfigError, match="a job's id is a text"):
            await client.wait_all([bad])


@pytest.mark.parametrize("bad", [5, None])
async def test_what_is_no_several_ids_and_no_seconds_is_refused(bad: Any) -> None:
    async with Client(source=FakeSource()) as client:
        with pytest.raises(ConfigError, match="expected several job ids, and not something of type"):
            await client.wait_all(bad)
        with pytest.raises(ConfigError, match="timeout: a value of type list is no duration: give seconds, a text"):
            client.wait_for("job_1", timeout=cast("Any", ["10"]))


@pytest.mark.parametrize("use", ["job", "jobs"])
async def test_a_closed_client_says_so_whatever_is_asked(use: str) -> None:
    client = Client("capydb", token="t", base_url="http://127.0.0.1:9")
    await client.aclose()
    with pytest.raises(JobwatchError, match="the client is closed") as raised:
        await (client.job("job_1") if use == "job" else client.jobs("prj_1"))
    assert not isinstance(raised.value, LookError)
