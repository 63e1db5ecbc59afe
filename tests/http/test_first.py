"""A first look without aiohttp: when it is made, when it is left, and that its answer is the same."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from jobwatch._http import first
from jobwatch._http.proxies import proxy_for
from jobwatch._http.tls import context_of
from jobwatch._http.transport import Transport
from jobwatch._models import Fault
from jobwatch._reading.reply import Reply

from .first_looks import begin_all_without_aiohttp
from .hostile import GROUPS
from .raw_server import Answer, RawServer, closing, http, silent

JSON = b'{"id":"job_1","status":"running"}'
TOKEN = "sk_canary_0123456789"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(JSON), JSON)


@dataclass
class Looked:
    """What came of one look, and how."""

    answer: Reply | Fault
    requests: list[bytes]
    needed_aiohttp: bool


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The answers that were handed to aiohttp."""
    begin_all_without_aiohttp(monkeypatch)
    seen: list[bool] = []
    hand_on = first.FirstLook._handed_on

    async def noted(look: first.FirstLook) -> first.FirstAnswer:
        seen.append(True)
        return await hand_on(look)

    monkeypatch.setattr(first.FirstLook, "_handed_on", noted)
    return seen


async def look(answer: Answer, body: bytes | None = None) -> Looked:
    async with RawServer(answer) as server:
        transport = Transport(server.url, {"Authorization": f"Bearer {TOKEN}"})
        target = transport.prepared("/jobs/job_1", "a=b", body=body)
        found = await transport.get(target)
        used = transport._connector is not None
        await transport.aclose()
    return Looked(found, server.requests, used)


# --- the plain case -------------------------------------------------------------------------------------------------


async def test_a_plain_answer_is_read_without_aiohttp(handed_on: list[bool]) -> None:
    looked = await look(http(JSON, 'ETag: "a"'))
    assert isinstance(looked.answer, Reply)
    assert (looked.answer.body, looked.answer.etag, looked.answer.http_status) == (JSON, '"a"', 200)
    assert not handed_on
    assert not looked.needed_aiohttp


async def test_it_asks_as_aiohttp_does(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = (await look(http(JSON))).requests
    begin_all_without_aiohttp(monkeypatch)
    begun = (await look(http(JSON))).requests
    heads = [sorted(request[0].split(b"\r\n")) for request in (usual, begun)]
    assert [b"127.0.0.1:" in line for line in heads[0]] == [b"127.0.0.1:" in line for line in heads[1]]
    kept = [[line for line in head if not line.startswith(b"Host:")] for head in heads]
    assert kept[0] == kept[1]
    assert len(usual) == len(begun) == 1


async def test_what_goes_into_the_query_goes_there(handed_on: list[bool]) -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {}, secret_query=("key", "a b"))
        assert isinstance(await transport.get(transport.prepared("/jobs", "x=1")), Reply)
        assert not handed_on
        await transport.aclose()
    assert server.requests[0].startswith((b"GET /jobs?x=1&key=a%20b ", b"GET /jobs?x=1&key=a+b "))


async def test_over_tls(handed_on: list[bool]) -> None:
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    with authority.cert_pem.tempfile() as file:
        client_tls = context_of(None, None, file) or client_tls
    async with RawServer(http(JSON), tls=server_tls) as server:
        transport = Transport(server.url, {}, tls=client_tls)
        assert isinstance(await transport.get(transport.prepared("/jobs")), Reply)
        assert transport._connector is None
        await transport.aclose()
    assert not handed_on


# --- what is not plain ----------------------------------------------------------------------------------------------


NOT_PLAIN: dict[str, Answer] = {
    "chunks": CHUNKED,
    "no length": closing(b"HTTP/1.1 200 OK\r\n\r\n" + JSON),
    "another status": http(JSON, status="201 Created"),
    "an error": http(b"{}", status="404 Not Found"),
    "no new body": http(b"", status="304 Not Modified"),
    "two lengths": http(JSON, f"Content-Length: {len(JSON)}"),
    "a length with a sign": http(JSON).replace(b"Length: ", b"Length: +"),
    "a coding": http(JSON, "Content-Encoding: identity"),
    "HTTP/1.0": http(JSON).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a header over two lines": http(JSON, "X-A: b\r\n c"),
    "a line that is none": http(JSON, "nothing"),
    "a bare line feed": http(JSON, "X-A: b\nX-B: c"),
    "a space before the colon": http(JSON, "X-A : b"),
    "bytes that are not ASCII": http(JSON, "X-A: \u00e9"),
    "a control character": http(JSON, "X-A: b\x01c"),
    "an odd name": http(JSON, "X(A: b"),
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(JSON),
    "go on": b"HTTP/1.1 100 Continue\r\n\r\n" + http(JSON),
    "more than was asked for": http(JSON) + b"HTTP/1.1",
    "cut off": closing(http(JSON)[:-1]),
    "a head cut off": closing(http(JSON)[:20]),
    "nothing": closing(b""),
    "no HTTP": b"SSH-2.0-OpenSSH_9.7\r\n\r\n",
    "a long head": http(JSON, "X-A: " + "b" * 8192),
    "an endless head": closing(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 20_000),
    "a large body": closing(http(b"{}", length=2 * 1024 * 1024)),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
async def test_aiohttp_reads_what_is_not_plain_and_it_is_not_asked_for_again(name: str, handed_on: list[bool]) -> None:
    looked = await look(NOT_PLAIN[name])
    assert handed_on == [True]
    assert len(looked.requests) == 1


@pytest.mark.parametrize("name", NOT_PLAIN)
async def test_it_says_the_same_of_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = await look(NOT_PLAIN[name])
    begin_all_without_aiohttp(monkeypatch)
    assert told(await look(NOT_PLAIN[name])) == told(usual)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
async def test_it_says_the_same_of_whatever_the_server_sends(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = GROUPS[group]
    usual = await asyncio.gather(*map(look, cases.values()))
    begin_all_without_aiohttp(monkeypatch)
    begun = await asyncio.gather(*map(look, cases.values()))
    assert dict(zip(cases, map(told, begun), strict=True)) == dict(zip(cases, map(told, usual), strict=True))


def told(looked: Looked) -> str:
    """Return what a look brought, without the port, which is another one each time."""
    answer = looked.answer
    if isinstance(answer, Fault):
        port = looked.requests[0].partition(b"Host: ")[2].partition(b"\r")[0].decode() if looked.requests else ""
        return repr(answer).replace(port or "\0", "HOST")
    return repr((answer.http_status, answer.body, answer.etag, answer.headers, answer.looks, answer.rate))


async def test_a_redirect_is_followed_by_aiohttp(handed_on: list[bool]) -> None:
    async with RawServer(http(b"", "Location: /other", status="307 Temporary Redirect"), http(JSON)) as server:
        transport = Transport(server.url, {})
        assert isinstance(await transport.get(transport.prepared("/jobs")), Reply)
        assert (transport.requests, [each.split()[1] for each in server.requests]) == (2, [b"/jobs", b"/other"])
        await transport.aclose()
    assert handed_on


async def test_a_post_is_aiohttps(handed_on: list[bool]) -> None:
    looked = await look(http(JSON), body=b"{}")
    assert (looked.needed_aiohttp, handed_on) == (True, [])


async def test_the_second_look_is_aiohttps_and_so_is_one_beside_the_first(handed_on: list[bool]) -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {})
        target = transport.prepared("/jobs")
        both = await asyncio.gather(transport.get(target), transport.get(target))
        assert all(isinstance(each, Reply) for each in both)
        assert transport._connector is not None
        assert (transport.requests, len(server.requests)) == (2, 2)
        await transport.aclose()


async def test_a_look_with_a_validator_is_aiohttps(handed_on: list[bool]) -> None:
    async with RawServer(http(JSON)) as server:
        transport = Transport(server.url, {})
        await transport.get(transport.prepared("/jobs"), etag='"a"')
        assert transport._connector is not None
        await transport.aclose()
    assert b'If-None-Match: "a"' in server.requests[0]


def test_a_proxy_and_a_client_certificate_are_aiohttps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "is_worth_it", lambda: True)
    proxy = proxy_for("http://api.example.com", "http://127.0.0.1:9", {})
    assert not Transport("http://api.example.com", {}, proxy=proxy).begin_without_aiohttp()
    assert not Transport("https://api.example.com", {}, tls=ssl.create_default_context()).begin_without_aiohttp()
    assert Transport("https://api.example.com", {}).begin_without_aiohttp()


def test_where_aiohttp_is_there_already_it_asks_and_so_do_mocks_of_it() -> None:
    assert "aiohttp" in sys.modules
    transport = Transport("https://api.example.com", {})
    assert not transport.begin_without_aiohttp()
    assert not transport.begins_without_aiohttp


@pytest.mark.parametrize("host", ["api.example.com.", "[fe80::1%25eth0]"])
async def test_a_host_whose_name_needs_thought_is_aiohttps(host: str) -> None:
    from yarl import URL

    assert not first.is_plain_url(URL(f"http://{host}/"))
    assert first.is_plain_url(URL("http://[::1]/"))


async def test_nobody_is_asked_twice_where_no_connection_can_be_opened(handed_on: list[bool]) -> None:
    async with RawServer(http(JSON)) as server:
        port = server.port
    transport = Transport(f"http://127.0.0.1:{port}", {})
    fault = await transport.get(transport.prepared("/jobs"))
    assert fault == Fault(kind=fault.kind, message="no connection to 127.0.0.1: Connection refused")  # type: ignore[union-attr]
    assert transport.requests == 1
    await transport.aclose()


# --- the end --------------------------------------------------------------------------------------------------------


async def test_closing_ends_it_and_nothing_is_left(handed_on: list[bool]) -> None:
    async with RawServer(silent()) as server:
        transport = Transport(server.url, {})
        looking = asyncio.ensure_future(transport.get(transport.prepared("/jobs")))
        await server.asked()
        await transport.aclose()
        assert await looking == Fault(kind=(await looking).kind, message="the client is closed")  # type: ignore[union-attr]
        await asyncio.wait_for(server.gone.wait(), 2.0)


async def test_no_secret_is_in_what_it_is_made_of(handed_on: list[bool]) -> None:
    transport = Transport("https://api.example.com", {"Authorization": f"Bearer {TOKEN}"})
    transport.begin_without_aiohttp()
    assert TOKEN not in repr(transport._first)
    assert TOKEN not in str(vars(transport._first))


# --- the command line -----------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from jobwatch.cli import main
code = main(sys.argv[1:])
print("aiohttp" in sys.modules, "anyio._backends._asyncio" in sys.modules, "http.client" in sys.modules)
sys.exit(code)
"""


def body(status: str) -> bytes:
    return json.dumps({"data": {"id": "job_1", "status": status}}).encode()


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize(
    ("answers", "code", "loaded"),
    [
        ([http(body("COMPLETED"))], 0, "False False True"),
        ([http(body("FAILED"))], 1, "False False True"),
        ([http(body("RUNNING")), http(body("COMPLETED"))], 0, "True True True"),
        ([http(b"", status="401 Unauthorized")], 3, "True True True"),
    ],
    ids=["success", "failure", "goes on", "refused"],
)
async def test_a_command_imports_aiohttp_only_if_the_job_goes_on(
    answers: list[bytes], code: int, loaded: str, tmp_path: Path
) -> None:
    async with RawServer(*answers) as server:
        arguments = ["wait", "job_1", "--api", "bedrock", "--base-url", server.url, "--no-streams", "--timeout", "30"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", PROGRAM, *arguments, "--min-interval", "0.5"),
            env={"BEDROCK_API_KEY": TOKEN, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, error = await process.communicate()
    assert (process.returncode, out.decode().splitlines()[-1]) == (code, loaded), error.decode()
    if code in (0, 1):
        assert len(server.requests) == len(answers)
