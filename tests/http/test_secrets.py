"""Canaries in every place that can hold a secret, and a search for them in everything that jobwatch puts out.

What an API says in a job's own record is the caller's data and stays as it came; the command line masks it there too.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import os
import sys
import tomllib
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from aiohttp import web

from jobwatch import ChangeKind, Client, ConfigError, JobwatchError, LookError, Pace, Watcher
from jobwatch._http.secrets import SHORTEST, in_body, in_headers, in_query, masked, spellings
from jobwatch._http.urls import quoted
from jobwatch._table.compile import api_of
from jobwatch.cli import _output
from tests.table_server import TableServer

# None of them looks the same in a URL, in JSON and in base64.
HEADER = "hk/canary+81f3c2/header=="
EXTRA = "xk/canary+6b0e11/extra?"
QUERY = "qk/canary+9d2e77/query&="
BODY = 'bk"canary+4c5a90/body\\'
USER = "uk-canary-2f7d38"
PASSWORD = "pk-canary-e1a64b-userinfo"
GATE = "gk/canary+58d2f4/gate~~"
CANARIES = (HEADER, EXTRA, QUERY, BODY, USER, PASSWORD, GATE)

QUICK = Pace(min_interval=0.01, max_interval=0.02)
TABLE = """
job = "https://a.test/jobs/{job_id}?api_key={key}"
method = "POST"
body = { id = "{job_id}", auth = { password = "{password}" } }
id = "id"
status = "status"
token = "OWN_KEY"
auth = "X-Own-Key: {token}"
headers = { X-Org-Secret = "${OWN_ORG}" }
params = { password = "none" }
"""
PARAMS = {"key": QUERY, "password": BODY}


def looks_of(canary: str) -> Iterator[str]:
    """Return a canary as it would look plain, quoted for URLs, in JSON, and within base64 at any offset."""
    yield from (canary, quote(canary), quote(canary, safe=""), quote_plus(canary), json.dumps(canary)[1:-1])
    for offset in range(3):
        inner = packed("x" * offset + canary).rstrip("=")[
            (0, 2, 3)[offset] : -2
        ]  # without the characters that its neighbours have a part in
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def found_in(*texts: object) -> list[tuple[str, str]]:
    """Return which canary stands in these texts, and around what."""
    found = []
    for text in map(str, texts):
        for canary in CANARIES:
            for word in looks_of(canary):
                at = text.find(word)
                if at >= 0:
                    found.append((word, text[max(0, at - 150) : at + 150]))
    return found


def told(error: BaseException) -> str:
    """Return everything that a crash reporter would send of an error: every frame but the test's, with its locals."""
    texts: list[str] = []
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
        frames = traceback.TracebackException.from_exception(each, capture_locals=True).stack
        texts += [f"{one.filename} {one.name} {one.line} {one.locals}" for one in frames if one.filename != __file__]
        texts += [str(each), repr(each), repr(each.args), repr(vars(each))]
    return "\n".join(texts)


def echo(request: web.BaseRequest, body: str = BODY) -> str:
    """Return what a server says that quotes all it was sent, as it came and as it reads."""
    own = {name: value for name, value in request.headers.items() if name.startswith(("X-O", "X-G", "Auth"))}
    return f"{own} {request.raw_path} {dict(request.query)} {body} {json.dumps(body)} {packed(HEADER)}"


def quoting(status: int, **headers: str) -> Callable[[web.BaseRequest], object]:
    return lambda request: (status, {"code": "X", "message": echo(request), "request_id": HEADER}, headers)


def plainly(status: int) -> Callable[[web.BaseRequest], object]:
    def answer(request: web.BaseRequest) -> object:
        return status, echo(request), {"Content-Type": "text/plain", "X-Request-Id": HEADER}

    return answer


def hang_up(request: web.BaseRequest) -> object:
    assert request.transport is not None
    request.transport.abort()
    return {}


def cut_in_a_secret(_: web.BaseRequest) -> object:
    return 400, "x" * 190 + HEADER, {"Content-Type": "text/plain"}


ANSWERS: dict[str, Callable[[web.BaseRequest], object]] = {
    **{f"problem {status}": quoting(status) for status in (400, 401, 403, 404, 410, 418, 501, 503)},
    **{f"plain {status}": plainly(status) for status in (400, 401, 404, 500)},
    "429": quoting(429, **{"Retry-After": "9999"}),
    "cut in a secret": cut_in_a_secret,
    "redirect": lambda _: (302, "", {"Location": f"http://{USER}:{PASSWORD}@evil.example/?key={quote(QUERY)}"}),
    "redirect here": lambda _: (307, "", {"Location": f"/else?api_key={quote(QUERY)}", "Set-Cookie": f"a={USER}"}),
    "redirect to a name": lambda _: (307, "", {"Location": f"http://evil.example/{quote(HEADER)}?{quote(QUERY)}"}),
    "not JSON": lambda request: (200, f"{{{echo(request)}", {}),
    "no job": lambda request: {"message": echo(request)},
    "no status": lambda request: {"id": "j1", "status": {"of": echo(request)}},
    "html": lambda request: (200, f"<html>{echo(request)}", {"Content-Type": "text/html"}),
    "coding": lambda _: (200, b"x", {"Content-Encoding": HEADER}),
    "hung up": hang_up,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OWN_KEY", HEADER)
    monkeypatch.setenv("OWN_ORG", EXTRA)
    monkeypatch.setenv("OWN_GATE", GATE)
    monkeypatch.setenv("HTTP_PROXY", f"http://{USER}:{PASSWORD}@127.0.0.1:9")
    gc.freeze()
    yield
    gc.collect()
    _output._secrets.clear()


def client_of(url: str, **options: Any) -> Client:
    kept: dict[str, Any] = {"unreachable_after": 0.0, "appear_within": 0.0, "pace": QUICK, "params": PARAMS}
    kept["headers"] = {"X-Gateway": GATE}
    return Client(api_of(tomllib.loads(TABLE), "own"), base_url=url, **(kept | options))


async def raised_by(calls: Iterable[Callable[[], Awaitable[object]]]) -> list[BaseException]:
    errors: list[BaseException] = []
    for call in calls:
        try:
            await call()
        except (JobwatchError, asyncio.CancelledError) as error:
            errors.append(error)
    return errors


def test_the_search_finds_a_canary_in_every_spelling() -> None:
    for canary in CANARIES:
        within = [packed(f"{'u' * offset}{canary}:x") for offset in range(6)]
        for text in (canary, quote(canary, safe=""), json.dumps({"a": canary}), *within):
            assert found_in(text), (canary, text)
    assert not found_in("nothing of the kind", "***", repr(dict(os.environ).keys()))


# --- what is looked for in what a server says ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret", [HEADER, f"Bearer {HEADER}", f"Key: {HEADER}", "Basic " + packed(f"{USER}:{PASSWORD}")]
)
def test_row_122_every_spelling_of_a_secret_is_masked(secret: str) -> None:
    secrets = in_headers({"X-Own": secret})
    for canary in (USER, PASSWORD) if secret.startswith("Basic") else (HEADER,):
        for text in (canary, quote(canary), quote_plus(canary), json.dumps(canary), packed(canary)):
            assert found_in(masked(f"no, {text} is wrong", secrets)) == []
    assert masked("no, Bearer and Basic are wrong", secrets) == "no, Bearer and Basic are wrong"


@pytest.mark.parametrize(
    "secret", [*CANARIES, "plain-token_81f3c2", "a.b~c-d_e", "tøken-ö", "???>>>word", "plus+token"]
)
def test_row_122_a_secret_is_known_by_every_spelling(secret: str) -> None:
    """Also one of which nothing is quoted in any form, for which fewer are worked out."""
    packed_ways = [way(secret.encode()).decode().rstrip("=") for way in (base64.b64encode, base64.urlsafe_b64encode)]
    in_urls = [quote(secret), quote(secret, safe=""), quote_plus(secret)]
    assert {secret, *in_urls, msgspec.json.encode(secret).decode()[1:-1], *packed_ways} <= spellings(secret)


@pytest.mark.parametrize("text", ["", "plain-token_81f3c2", "a.b~c", "a b", "a/b", "ö", "%41", "a\n", "a+b&c=d"])
@pytest.mark.parametrize("safe", ["", "/", " ", "!$&'()*+,;=:@"])
def test_a_text_is_quoted_as_the_standard_library_does(text: str, safe: str) -> None:
    assert quoted(text, safe) == quote(text, safe=safe)


@pytest.mark.parametrize("length", range(len(HEADER) + 1))
def test_row_122_a_secret_that_is_cut_off_is_masked_too(length: int) -> None:
    cut = masked(f"it was {HEADER[:length]}", spellings(HEADER))
    assert cut == ("it was ***" if length >= SHORTEST else f"it was {HEADER[:length]}")


def test_row_122_only_what_names_itself_a_secret_is_one_in_a_query_or_a_body() -> None:
    assert in_headers({"Accept": "application/json", "X-API-Version": "2026-01-01", "User-Agent": "someone"}) == set()
    assert in_query("region=europe&api_key=abc%2Fdefgh") >= {"abc/defgh", "abc%2Fdefgh"}
    assert "europe" not in in_query("region=europe&api_key=abc%2Fdefgh")
    body = b'{"id": "job_00001", "auth": {"user": ["somebody"]}, "password": "opensesame"}'
    assert in_body(body) >= {"somebody", "opensesame"}
    assert "job_00001" not in in_body(body)
    assert in_body(b"id=job_00001&password=open%2Fsesame") >= {"open/sesame", "open%2Fsesame"}
    assert in_body(b"id=1&password=x") == in_body(b"[" * 100_000) == in_body(b"\xff") == set()


# --- the client and the watcher -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
async def test_row_122_no_secret_in_what_a_client_says(name: str, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    said: list[object] = []
    async with TableServer(ANSWERS[name]) as server, client_of(server.url) as client:
        wait = client.wait_for("j1")
        errors = await raised_by(
            [
                lambda: client.job("j1"),
                lambda: wait,
                lambda: anext(client.wait_for("j1")),
                lambda: client.wait_all(["j1", "j2"]),
                lambda: client.wait_for("j1", timeout=0.02),
            ]
        )
        looked = await client.look(client.watched("j1"))
        said += [wait, wait.watched, wait.outcome, looked, msgspec.json.encode(looked.watched).decode()]
        said += [client, *vars(client).values()]
        _, path, headers, body = server.requests[0]
    assert len(errors) == 5
    assert all(isinstance(error, LookError) for error in errors)
    assert [headers[name] for name in ("X-Own-Key", "X-Org-Secret", "X-Gateway")] == [HEADER, EXTRA, GATE]
    assert path == f"/jobs/j1?api_key={quote(QUERY, safe='')}"
    assert json.loads(body)["auth"]["password"] == BODY
    assert found_in(*said, *map(told, errors), *(error.fault for error in errors if isinstance(error, LookError))) == []
    assert found_in(caplog.text, *(vars(record) for record in caplog.records)) == []


async def test_row_122_no_secret_in_a_cancelled_wait_or_one_that_timed_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    came = asyncio.Event()
    go_on = asyncio.Event()

    async def hang(_: web.BaseRequest) -> web.Response:
        came.set()
        await go_on.wait()
        return web.Response(status=500)

    runner = web.ServerRunner(web.Server(hang, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with client_of(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
        for make in (client.job, client.wait_for):
            came.clear()
            task = asyncio.ensure_future(make("j1"))
            await came.wait()
            assert found_in(task) == []
            task.cancel()
            (error,) = await raised_by([lambda task=task: task])  # type: ignore[misc]
            assert isinstance(error, asyncio.CancelledError)
            assert found_in(told(error)) == []
        go_on.set()
        (error,) = await raised_by([lambda: client.wait_for("j1", timeout=0.01)])
        assert found_in(told(error)) == []
    await runner.cleanup()
    assert found_in(caplog.text) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": f"https://{USER}:{PASSWORD}@api.test"},
        {"base_url": f"https://{USER}:{PASSWORD}@api.test:x/"},
        {"base_url": f"https://api.test/?api_key={QUERY}"},
        {"base_url": f"ftp://{PASSWORD}:x@api.test"},
        {"base_url": "nonsense"},
        {"token": f"{HEADER}\nX-Evil: 1"},
        {"token": f"{HEADER}\u202e"},
        {"params": {"password": BODY}},
        {"params": {"key": f"{QUERY}\u202e", "password": BODY}},
        {"params": {"key": QUERY, "password": BODY, "unheard_of": QUERY}},
        {"api_version": "1"},
        {"headers": {"X-Gateway": f"{GATE}\r\nX-Evil: 1"}},
        {"headers": {"Authorization": GATE, "accept": GATE}},
        {"headers": [("X-Gateway", GATE)]},
        {"headers": {"X-Gateway": GATE.encode()}},
        {"max_in_flight": 0},
        {"max_rate": -1.0},
        {"unreachable_after": float("nan")},
    ],
    ids=range(18),
)
def test_row_122_no_secret_in_an_error_of_configuration(wrong: dict[str, Any]) -> None:
    options: dict[str, Any] = {"base_url": "https://api.test", "params": PARAMS, "headers": {"X-G": GATE}} | wrong
    with pytest.raises(ConfigError) as caught:
        Client(api_of(tomllib.loads(TABLE), "own"), **options)
    shown = told(caught.value)
    assert str(Path("_client", "client.py")) in shown
    assert found_in(shown) == []


async def test_row_122_no_secret_in_an_error_of_a_call() -> None:
    async with client_of("http://127.0.0.1:9") as client:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: client.job(".."),
            lambda: client.job("a\x00"),
            lambda: client.jobs("p"),
            lambda: client.wait_all(["j1", ""]),
        ]
        errors = await raised_by(calls)
    assert len(errors) == len(calls)
    assert found_in(*map(told, errors)) == []


@pytest.mark.slow
async def test_row_122_no_secret_in_the_files_of_a_watcher(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    last = {"404", "410", "429"}  # which end a watch, or put it off
    troubles = [answer for name, answer in ANSWERS.items() if name.split()[-1] not in last]
    turns = Counter[str]()

    def answer(request: web.BaseRequest) -> object:
        job_id = request.path.rsplit("/", 1)[1]
        turns[job_id] += 1
        if turns[job_id] <= len(troubles):
            return troubles[turns[job_id] - 1](request)
        return {"id": job_id, "status": "running" if turns[job_id] <= len(troubles) + 2 else "completed"}

    said: list[object] = []
    async with (
        TableServer(answer) as server,
        client_of(server.url, history=tmp_path / "history.json", unreachable_after=1e-3) as client,
        Watcher(client, journal=tmp_path / "watch.db") as watcher,
    ):
        await watcher.add("j1", "j2")
        ends = 0
        async with asyncio.timeout(30):
            async for change in watcher:
                said += [change, repr(change), *watcher.jobs(), watcher.health()]
                ends += change.kind is ChangeKind.END
                if ends == 2:
                    break
        said += [each.read_bytes().decode("latin-1") for each in tmp_path.iterdir()]
    files = {each.name: each.read_bytes().decode("latin-1") for each in tmp_path.iterdir() if each.is_file()}
    assert {"watch.db", "history.json"} <= files.keys()
    assert "REFUSED" in str(said).upper(), "what the server said was told of"
    assert found_in(*said, *files.values(), caplog.text) == []


# --- the command line -----------------------------------------------------------------------------------------------


CLI_TABLE = """
job = "https://a.test/jobs/{job_id}"
id = "id"
status = "status"
error = "error"
token = "OWN_KEY"
headers = { X-Org-Secret = "${OWN_ORG}" }
"""


@asynccontextmanager
async def command(*argv: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command as a process, in which all that Python can say of itself is said."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-m", "jobwatch", *argv, "--debug"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("lines", [[], ["--json"]], ids=["plain", "json"])
async def test_row_122_no_secret_in_what_the_command_line_says(
    lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "own.toml").write_text(CLI_TABLE)
    came, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        came.set()
        await go_on.wait()
        job_id, echoed = request.path.rsplit("/", 1)[1], echo(request, body="")
        if job_id == "refused":
            return web.json_response({"message": echoed}, status=400)
        if job_id == "troubled":
            return web.Response(text=echoed, status=503)
        # And a record that quotes them, which the command line shows: there they are no data.
        return web.json_response({"id": job_id, "status": "failed", "error": {"message": echoed, "code": HEADER}})

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    options = ("--api", str(tmp_path / "own.toml"), "--base-url", url, "--unreachable-after", "0.1", *lines)
    options += ("--header-env", "X-Gateway=OWN_GATE", "-vv")
    async with command("wait", "refused", "troubled", "failed", *options) as child:
        await came.wait()
        argv = Path(f"/proc/{child.pid}/cmdline")
        shown = argv.read_text() if argv.exists() else ""
        go_on.set()
        out, err = await child.communicate()
        assert child.returncode not in {0, None, 70}
    async with command("wait", "a", *options[:2], "--base-url", f"http://{USER}:{PASSWORD}@127.0.0.1:9") as child:
        wrong = await child.communicate()
        assert child.returncode == 2
    await runner.cleanup()
    assert b"***" in out
    assert b"jobwatch: GET http://127.0.0.1:" in err
    assert b"next look in" in err
    files = [each.read_bytes().decode("latin-1") for each in tmp_path.rglob("*") if each.is_file()]
    assert found_in(out.decode(), err.decode(), *(text.decode() for text in wrong), shown, *files) == []
