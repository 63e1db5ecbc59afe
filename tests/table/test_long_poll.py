"""How long a server may hold a request: where it is told so, what is refused, and how long such a look may take."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from jobwatch import Client, Fault, FaultKind, JobAPI, Pace, Unreachable
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.cli import main
from tests.table_server import TableServer, in_order

MINIMAL = 'id = "id"\nstatus = "s"\nwords = { succeeded = ["done"] }\n'
HELD = f'job = "https://a.test/{{job_id}}?wait={{long_poll}}"\n{MINIMAL}long_poll = "60s"\n'


def _api(text: str, url: str = "https://a.test") -> JobAPI:
    return api_of(tomllib.loads(text.replace("https://a.test", url)), "own")


async def _asked(text: str, hold: float, **options: Any) -> tuple[str, str, dict[str, str], bytes]:
    """Return what is sent with one look that may be held for so many seconds."""
    async with TableServer(in_order({"id": "j", "s": "running"})) as server:
        source = HttpSource(_api(text, server.url), Given(None, None, options.get("params")))
        seen = await source.job("j", hold=hold)
        await source.aclose()
        assert not isinstance(seen.what, Fault), seen
    return server.requests[0]


async def test_it_is_told_in_the_url() -> None:
    assert (await _asked(HELD, 29.0))[1] == "/j?wait=29"
    assert (await _asked(HELD, 0.0))[1] == "/j?wait=0"


async def test_it_is_told_in_a_header_beside_those_of_every_request() -> None:
    text = f'job = "https://a.test/{{job_id}}"\n{MINIMAL}long_poll = 60\n'
    text += 'headers = { Prefer = "wait={long_poll}, {mode}", X-Same = "x" }\nparams = { mode = "fast" }\n'
    for hold in (29, 0):
        _, path, headers, _ = await _asked(text, hold)
        assert (path, headers["Prefer"], headers["X-Same"]) == ("/j", f"wait={hold}, fast", "x")
        assert headers["Accept"] == "application/json"


async def test_it_is_told_in_a_body_as_a_number_or_within_a_text() -> None:
    text = f'job = "https://a.test/jobs"\n{MINIMAL}long_poll = 60\nmethod = "POST"\n'
    text += 'body = { id = "{job_id}", wait = "{long_poll}", text = "{long_poll}s" }\n'
    method, _, headers, body = await _asked(text, 29.0)
    assert (method, body) == ("POST", b'{"id":"j","wait":29,"text":"29s"}')
    assert headers["Content-Type"] == "application/json"
    form = text.partition("body")[0] + 'body = "id={job_id}&wait={long_poll}"\n'
    form += 'headers = { Content-Type = "application/x-www-form-urlencoded", Prefer = "wait={long_poll}" }\n'
    _, _, headers, body = await _asked(form, 29.0)
    assert (body, headers["Prefer"]) == (b"id=j&wait=29", "wait=29")


async def test_get_is_told_that_it_is_not_to_be_held() -> None:
    server = TableServer(in_order({"id": "j", "s": "running"}))
    async with server:
        client = Client(_api(HELD, server.url))
        await client.job("j")
        await client.aclose()
    assert server.requests[0][1] == "/j?wait=0"


async def test_a_wait_of_a_job_that_is_held_asks_few_times() -> None:
    begun = asyncio.get_running_loop().time()
    waits: list[str] = []

    async def held(request: web.BaseRequest) -> web.Response:
        waits.append(request.query_string)
        is_held = request.query_string != "wait=0"
        if is_held:
            await asyncio.sleep(0.04)
        return web.json_response({"id": "j", "s": "done" if is_held else "running"})

    async with _served(held) as url, Client(_api(HELD, url), pace=Pace(min_interval=0.01)) as client:
        assert (await client.wait_for("j")).status == "done"
    assert waits == ["wait=0", "wait=60"]
    assert asyncio.get_running_loop().time() - begun < 5.0


class _served:  # noqa: N801 - a context, as a function would be
    def __init__(self, handler: Any) -> None:
        self._handler = handler

    async def __aenter__(self) -> str:
        self._runner = web.ServerRunner(web.Server(self._handler, access_log=None), shutdown_timeout=0.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


# --- how long it may take --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "hold", "limit"),
    [
        ("", 60.0, 90.0),
        ("", 29.0, 59.0),
        ("", 0.0, 0.0),
        ('request_timeout = "2m"', 60.0, 120.0),
        ('request_timeout = "5s"', 60.0, 90.0),
        ('request_timeout = "5s"', 0.0, 0.0),
    ],
)
def test_a_look_may_take_as_long_as_it_is_held_and_half_a_minute_more(line: str, hold: float, limit: float) -> None:
    source = HttpSource(_api(HELD + line), Given(None, None, None))
    assert source._target_of("j", hold).limit == limit


def test_where_the_server_is_told_nothing_any_look_may_be_held() -> None:
    text = f'job = "https://a.test/{{job_id}}?timeout=30"\n{MINIMAL}long_poll = "31s"'
    source = HttpSource(_api(text), Given(None, None, None))
    assert (source.tells_hold, source.long_poll) == (False, 31.0)
    assert source._target_of("j", 0.0).limit == 61.0


async def test_a_look_that_takes_longer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._http.source._BEYOND_HOLD", -0.97)

    gone = asyncio.Event()

    async def silent(_request: object) -> web.Response:
        await gone.wait()
        return web.Response()

    text = HELD.replace("?wait={long_poll}", "").replace("60s", "1s") + 'request_timeout = "10ms"'
    async with _served(silent) as url, Client(_api(text, url)) as client:
        with pytest.raises(Unreachable, match=r"no answer within 0\.03 s \(long_poll\)") as caught:
            await client.job("j")
        gone.set()
    assert caught.value.fault.kind is FaultKind.UNREACHABLE


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0", "-1", "0.5", '"500ms"', '"soon"', '"2d"', "nan", "true", "[]"])
def test_what_is_no_time_of_a_second_and_more_is_refused(value: str) -> None:
    with pytest.raises(TableError, match="long_poll"):
        _api(HELD.replace('"60s"', value))


@pytest.mark.parametrize(
    ("text", "key", "form"),
    [
        (HELD.replace('long_poll = "60s"', ""), "job", 'long_poll = "60s"'),
        (f'job = "https://a.test/{{job_id}}"\n{MINIMAL}headers = {{ P = "wait={{long_poll}}" }}', "headers.P", "60s"),
        (
            f'job = "https://a.test/{{job_id}}"\n{MINIMAL}method = "POST"\nbody = {{ w = "{{long_poll}}" }}',
            "body",
            'long_poll = "60s"',
        ),
        (HELD + 'headers = { P = "${V} {long_poll}" }', "headers.P", "two headers"),
        (HELD + '[list]\nrequest = "/p/{project_id}?w={long_poll}"', "list.request", "one job only"),
        (HELD + '[batch]\nrequest = "/p?id={job_id}&w={long_poll}"', "batch.request", "one job only"),
        (HELD + '[events]\nstatus = "s"\nrequest = "/p/{job_id}?w={long_poll}"', "events.request", "one job only"),
        (HELD + 'items = "jobs"', "long_poll", "which none holds"),
        (HELD + 'params = { long_poll = "5" }', "params.long_poll", "cannot be a parameter"),
        (HELD + 'failed_if = "{long_poll}"', "failed_if", "{long_poll} stands in requests only"),
    ],
)
def test_where_it_cannot_stand_it_is_refused(text: str, key: str, form: str) -> None:
    with pytest.raises(TableError) as refused:
        _api(text)
    assert str(refused.value).startswith(f"{key}: ")
    assert form in str(refused.value)


def test_check_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    file.write_text(HELD)
    assert main(["apis", "--check", str(file)]) == 0
    assert "lets the server hold each request for 60 s" in capsys.readouterr().out
