"""How long one look may take: said by the table, and before it by the client and on the command line."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from jobwatch import Client, ConfigError, JobAPI, Unreachable
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.cli import main
from jobwatch.cli._arguments import parsed
from jobwatch.cli._clients import client_for

MINIMAL = 'job = "https://a.test/{job_id}"\nid = "id"\nstatus = "s"\n'


def _api(line: str = "", url: str = "https://a.test") -> JobAPI:
    return api_of(tomllib.loads(MINIMAL.replace("https://a.test", url) + line), "own")


@pytest.mark.parametrize(
    ("value", "seconds"), [('"90s"', 90.0), ("90", 90.0), ("0.5", 0.5), ('"1m30s"', 90.0), ('"250ms"', 0.25)]
)
def test_a_table_says_it_as_a_text_or_in_seconds(value: str, seconds: float) -> None:
    assert _api(f"request_timeout = {value}").request_timeout == seconds


def test_it_is_thirty_seconds_else() -> None:
    assert _api().request_timeout == 30.0


@pytest.mark.parametrize("value", ["0", "-1", '"soon"', '""', "nan", "inf", '"2d"', "86401"])
def test_what_is_no_such_time_is_refused_with_the_right_form(value: str) -> None:
    with pytest.raises(TableError, match=r'request_timeout: .*write request_timeout = "30s"'):
        _api(f"request_timeout = {value}")


@pytest.mark.parametrize("value", ["true", "[]", "{}"])
def test_a_value_of_another_type_is_refused(value: str) -> None:
    with pytest.raises(TableError, match="request_timeout"):
        _api(f"request_timeout = {value}")


def test_the_client_goes_before_the_table() -> None:
    def limit(**options: Any) -> float:
        source = HttpSource(_api('request_timeout = "90s"'), Given(None, None, None), **options)
        return source.transport._timeout

    assert limit() == 90.0
    assert limit(request_timeout=5.0) == 5.0


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), "soon"])
def test_a_client_refuses_what_is_no_time(seconds: Any) -> None:
    with pytest.raises(ConfigError, match="request_timeout"):
        Client(_api(), request_timeout=seconds)


async def test_a_look_that_takes_longer_says_the_limit_and_its_key() -> None:
    gone = asyncio.Event()

    async def silent(_request: object) -> web.Response:
        await gone.wait()
        return web.Response()

    runner = web.ServerRunner(web.Server(silent, access_log=None), shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with Client(_api("request_timeout = 60", url), request_timeout=0.03) as client:
            with pytest.raises(Unreachable, match=r"no answer within 0\.03 s \(request_timeout\)"):
                await client.job("j")
        async with Client(_api('request_timeout = "40ms"', url)) as client:
            with pytest.raises(Unreachable, match=r"no answer within 0\.04 s \(request_timeout\)"):
                await client.job("j")
    finally:
        gone.set()
        await runner.cleanup()


def test_the_command_line_has_it_and_check_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    file.write_text(MINIMAL + 'request_timeout = "90s"')
    assert main(["apis", "--check", str(file)]) == 0
    assert "gives each request 90 s" in capsys.readouterr().out
    client = client_for(parsed(["get", "j", "--api", str(file), "--request-timeout", "2m"]))
    assert client._source.transport._timeout == 120.0  # type: ignore[attr-defined]
    with pytest.raises(SystemExit):
        parsed(["get", "j", "--request-timeout", "0"])
