"""Headers of the caller's own: sent to the API's origin, shown nowhere, and none that is somebody else's to set."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiohttp import web

import jobwatch
from jobwatch import Client, ConfigError, JobFailed, LookError, Pace
from jobwatch._http.extra_headers import ExtraHeaders
from jobwatch._table.compile import api_of
from jobwatch.cli import _output, main
from jobwatch.testing import FakeSource
from tests.table_server import TableServer, in_order

CANARY = "gk_canary_77c1d0"
QUICK = Pace(min_interval=0.001, max_interval=0.002)
TABLE = """
job = "{url}/jobs/{job_id}"
id = "id"
status = "s"
error = "error"
token = "EXTRA_TOKEN"
auth = "X-Own-Key: {token}"
headers = { X-Org = "octo" }
"""
DONE = {"id": "j", "s": "succeeded"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EXTRA_TOKEN", "tk_canary_1")
    monkeypatch.setenv("EXTRA_GATE", CANARY)
    yield
    _output._secrets.clear()


@pytest.fixture(params=["fast", "session"])
def _any_client(request: pytest.FixtureRequest) -> Iterator[None]:
    with mock.patch("jobwatch._http.fast.is_stock", return_value=request.param == "fast"):
        yield


def api(url: str = "https://a.test", **keys: Any) -> Any:
    return api_of(tomllib.loads(TABLE.replace("{url}", url)) | keys, "own")


@pytest.mark.usefixtures("_any_client")
async def test_they_go_with_each_request_and_the_user_agent_may_be_ones_own() -> None:
    async with TableServer(in_order({"id": "j", "s": "running"}, DONE)) as server:
        given = {"X-Gateway": CANARY, "User-Agent": "deploys/3 (ops@example.com)"}
        async with Client(api(server.url), headers=given, pace=QUICK) as client:
            await client.wait_for("j", 20)
        async with Client(api(server.url)) as client:
            await client.job("j")
    first, second, third = (headers for _, _, headers, _ in server.requests)
    for sent in (first, second):
        assert {name: sent[name] for name in given} == given
        assert (sent["X-Own-Key"], sent["X-Org"], sent["Accept"]) == ("tk_canary_1", "octo", "application/json")
    assert third["User-Agent"] == f"jobwatch/{jobwatch.__version__}"


async def test_they_go_to_no_other_origin() -> None:
    def answer(request: web.BaseRequest) -> object:
        return {"s": "queued", "to": f"{away.url}/jobs/9"} if request.path == "/jobs/j" else DONE

    async with TableServer(in_order(DONE)) as away, TableServer(answer) as home:
        moving = api(home.url, continues_as="to", allowed_origins=[away.url])
        async with Client(moving, headers={"X-Gateway": CANARY}, pace=QUICK) as client:
            assert (await client.wait_for("j", 20)).status == "succeeded"
    assert [headers["X-Gateway"] for _, _, headers, _ in home.requests] == [CANARY]
    assert ["X-Gateway" in headers for _, _, headers, _ in away.requests] == [False]


async def test_they_go_to_the_same_origin_wherever_the_job_is() -> None:
    answer = in_order({"s": "queued", "to": "/jobs/9"}, DONE)
    async with TableServer(answer) as home:
        moving = api(home.url, continues_as="to")
        async with Client(moving, headers={"X-Gateway": CANARY}, pace=QUICK) as client:
            await client.wait_for("j", 20)
    assert [headers["X-Gateway"] for _, _, headers, _ in home.requests] == [CANARY, CANARY]


@pytest.mark.parametrize(
    ("given", "trouble"),
    [
        ({"x-own-KEY": CANARY}, "the header x-own-KEY carries the token of own: give that as the token"),
        ({"x-org": CANARY}, "the header x-org is one that own sends by itself"),
        ({"If-None-Match": CANARY}, "the header If-None-Match is jobwatch's own"),
        ({"accept": CANARY}, "the header accept is jobwatch's own"),
        ({"Content-Length": CANARY}, "the header Content-Length is jobwatch's own"),
        ({"Proxy-Authorization": CANARY}, "the user and password of a proxy go into its URL"),
        ({"X-A": CANARY, "x-a": CANARY}, "the header x-a is given twice"),
        ({"X-A": f"{CANARY}\r\nX-B: 1"}, "the value of the header X-A is empty or not printable ASCII"),
        ({"X-A": f"{CANARY}é"}, "the value of the header X-A is empty or not printable ASCII"),
        ({"X-A": ""}, "the value of the header X-A is empty or not printable ASCII"),
        ({"X A": CANARY}, "not a header name: X A"),
        ({"X-A": 1}, "the names and values of headers= are texts"),
        ([("X-A", CANARY)], "headers= is a mapping of names to values"),
    ],
)
def test_what_cannot_be_sent_is_named_and_its_value_is_not(given: Any, trouble: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Client(api(), headers=given)
    assert trouble in str(caught.value)
    assert CANARY not in str(caught.value)
    assert "_canary_" not in repr(ExtraHeaders(given))


async def test_the_version_header_of_an_api_is_its_own_and_authorization_is_free_where_no_token_goes() -> None:
    with pytest.raises(ConfigError, match="the header x-api-version is one that bedrock sends by itself"):
        Client("bedrock", token="t", headers={"x-api-version": "1"})
    for name in ("bedrock", "capydb"):
        with pytest.raises(ConfigError, match=f"the header Authorization carries the token of {name}"):
            Client(name, token="t", headers={"Authorization": "Bearer x"})
    async with TableServer(in_order(DONE)) as server:
        own = api_of({"job": f"{server.url}/jobs/{{job_id}}", "id": "id", "status": "s"}, "own")
        async with Client(own, headers={"Authorization": f"Custom {CANARY}"}) as client:
            await client.job("j")
        assert server.requests[0][2]["Authorization"] == f"Custom {CANARY}"
        with pytest.raises(ConfigError, match="carries the token of own"):
            Client(own, token="t", headers={"Authorization": "x"})


def test_a_source_has_none() -> None:
    with pytest.raises(ConfigError, match="a source has its own address and token"):
        Client(source=FakeSource(), headers={"X-A": "1"})


async def test_what_a_server_quotes_is_masked_but_a_record_keeps_its_words() -> None:
    def answer(request: web.BaseRequest) -> object:
        sent = request.headers["X-Team"]
        if request.path.endswith("refused"):
            return 400, {"message": f"{sent} is not welcome"}, {}
        return {"id": "j", "s": "failed", "error": f"no room for {sent}"}

    async with TableServer(answer) as server, Client(api(server.url), headers={"X-Team": "platform"}) as client:
        with pytest.raises(LookError, match=r"\*\*\* is not welcome"):
            await client.job("refused")
        with pytest.raises(JobFailed, match="no room for platform"):
            await client.wait_for("j", 20)


# --- the command line ------------------------------------------------------------------------------------------


async def test_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"

    def answer(request: web.BaseRequest) -> object:
        told = [request.headers[name] for name in ("X-Team", "X-Gateway", "X-Gate-Key")]
        return {"id": "j", "s": "failed", "error": " ".join(told)}

    async with TableServer(answer) as server:
        file.write_text(TABLE.replace("{url}", server.url), "utf-8")
        given = ["--header", "X-Team: platform: one", "--header-env", "X-Gateway=EXTRA_GATE"]
        given += ["--header", "X-Gate-Key:kk_canary_2"]
        assert await asyncio.to_thread(main, ["get", "j", "--api", str(file), *given]) == 0
    sent = server.requests[0][2]
    names = ("X-Team", "X-Gateway", "X-Gate-Key")
    assert [sent[name] for name in names] == ["platform: one", CANARY, "kk_canary_2"]
    out, err = capsys.readouterr()
    assert "platform: one *** ***" in out
    assert "others on this machine can read the value of --header X-Gate-Key: --header-env hides it" in err
    assert "canary" not in out + err


@pytest.mark.parametrize(
    ("given", "trouble"),
    [
        (["--header", CANARY], "--header takes 'NAME: VALUE', and each name once"),
        (["--header", f"X-A: {CANARY}", "--header", f"X-A: {CANARY}"], "--header takes 'NAME: VALUE'"),
        (["--header-env", "X-A"], "--header-env takes NAME=VARIABLE"),
        (["--header-env", "X-A=NOT_SET_AT_ALL"], "the environment variable it names is not set, or empty"),
        (["--header", f"X-Own-Key: {CANARY}"], "the header X-Own-Key carries the token of own"),
        (["--source", "a:b", "--header", f"X-A: {CANARY}"], "leave out --header"),
        (["--source", "a:b", "--header-env", "X-A=EXTRA_GATE"], "leave out --header-env"),
    ],
)
def test_an_option_that_is_wrong(
    given: list[str], trouble: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text(TABLE.replace("{url}", "https://a.test"), "utf-8")
    own = [] if "--source" in given else ["--api", str(tmp_path / "own.toml")]
    assert main(["get", "j", *own, *given]) == 2
    err = capsys.readouterr().err
    assert trouble in err
    assert "canary" not in err
