"""Through a proxy: requests in absolute form and tunnels, which is chosen, what it says itself, and its password."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import traceback
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey

from jobwatch import Client, ConfigError, LookError, Pace
from jobwatch._client.access import secrets_of
from jobwatch._http.errors import CertificateRefused
from jobwatch._http.faults import fault_of, fault_of_proxy
from jobwatch._http.proxies import proxy_for, refused_by
from jobwatch._http.source import HttpSource
from jobwatch._table.compile import api_of
from jobwatch.cli import main
from tests.http.proxy_server import ProxyServer
from tests.http.raw_server import RawServer, closing, http
from tests.table_server import TableServer

HOST = "jobs.example.invalid"
USER = "caroline:pw_canary/12@34"
QUOTED = "caroline:pw_canary%2F12%4034"
SUCCEEDED = b'{"id":"j","status":"succeeded"}'
QUICK = Pace(min_interval=0.005, max_interval=0.02)
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def api(url: str, **more: Any) -> Any:
    return api_of({"job": f"{url}/jobs/{{job_id}}", "id": "id", "status": "status", **more}, "own")


def states(*words: str) -> Any:
    left = list(words)
    return lambda _: {"id": "j", "status": left.pop(0) if len(left) > 1 else left[0]}


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


# --- through it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", None])
async def test_a_job_is_waited_for_through_a_proxy(
    variable: str | None, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"method": "POST", "body": {"id": "{job_id}"}} if method == "POST" else {}
    async with TableServer(states("running", "succeeded")) as server, ProxyServer({HOST: port_of(server.url)}) as proxy:
        if variable:
            monkeypatch.setenv(variable, proxy.url)
        given = None if variable else proxy.url
        async with Client(api(f"http://{HOST}", **more), pace=QUICK, proxy=given) as client:
            assert [change.status async for change in client.wait_for("j", 5)] == ["running", "succeeded"]
    assert set(proxy.asked) == {f"{method} http://{HOST}/jobs/j"}
    assert [request[0] for request in server.requests] == [method] * len(proxy.asked)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def proving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[RawServer]:
    async with RawServer(http(SUCCEEDED), tls=proving(authority, HOST)) as server:
        yield server


@pytest.mark.parametrize("proxy_speaks_tls", [False, True])
async def test_https_goes_through_a_tunnel_that_is_kept_and_that_no_password_goes_into(
    secure: RawServer, authority: trustme.CA, proxy_speaks_tls: bool
) -> None:
    tls = proving(authority, "127.0.0.1") if proxy_speaks_tls else None
    async with ProxyServer({HOST: secure.port}, user=USER, tls=tls) as proxy:
        url = proxy.url.replace("://", f"://{QUOTED}@")
        async with Client(api(f"https://{HOST}"), proxy=url, ssl=trusting(authority)) as client:
            assert [(await client.job("j")).status for _ in range(3)] == ["succeeded"] * 3
    assert proxy.asked == [f"CONNECT {HOST}:443"]
    assert len(secure.requests) == 3
    assert not any(b"proxy-auth" in head.lower() for head in secure.requests)


async def test_the_user_and_password_go_to_the_proxy_and_are_shown_nowhere() -> None:
    server = TableServer(lambda _: (500, {"message": f"from {USER} or {QUOTED}"}, {}))
    async with server, ProxyServer({HOST: port_of(server.url)}, user=USER) as proxy:
        url = proxy.url.replace("://", f"://{QUOTED}@")
        async with Client(api(f"http://{HOST}"), proxy=url) as client:
            with pytest.raises(LookError) as caught:
                await client.job("j")
            assert secrets_of(client) >= {"pw_canary/12@34", "caroline"}
            shown = [repr(client), str(caught.value), *traceback.format_exception(caught.value)]
    assert len(server.requests) == 1
    assert "proxy-authorization" not in {name.lower() for name in server.requests[0][2]}
    assert "canary" not in " ".join(shown)
    assert "caroline" not in " ".join(shown)


async def test_a_stream_goes_the_same_way() -> None:
    stream = http(b"data: 1\n\n", "Content-Type: text/event-stream", "Connection: close")
    told = bytearray()

    def hear(piece: bytes) -> bool:
        told.extend(piece)
        return True

    async with (
        RawServer(closing(stream)) as server,
        ProxyServer({HOST: server.port}) as proxy,
        Client(api(f"http://{HOST}"), proxy=proxy.url) as client,
    ):
        assert isinstance(client._source, HttpSource)
        transport = client._source.transport
        assert await transport.follow(transport.prepared("/events"), hear, silence=1.0) is None
    assert told == b"data: 1\n\n"
    assert proxy.asked == [f"GET http://{HOST}/events"]


async def test_a_token_that_expires_and_one_in_the_query_go_through_it_too() -> None:
    tokens = iter(["sk_old_canary", "sk_new_canary"])

    def answer(request: web.BaseRequest) -> object:
        return (401, {}, {}) if request.query["key"] == "sk_old_canary" else {"id": "j", "status": "succeeded"}

    async with TableServer(answer) as server, ProxyServer({HOST: port_of(server.url)}) as proxy:
        own = api(f"http://{HOST}", auth="?key={token}", token="KEY")
        async with Client(own, proxy=proxy.url, token=lambda: next(tokens)) as client:
            assert (await client.job("j")).status == "succeeded"
    assert proxy.asked[1] == f"GET http://{HOST}/jobs/j?key=sk_new_canary"


# --- which one -------------------------------------------------------------------------------------------------

P, Q = "http://p.example:3128", "http://q.example:3129"


@pytest.mark.parametrize(
    ("url", "environ", "name"),
    [
        ("http://a.test", {"HTTP_PROXY": P}, "p.example:3128"),
        ("https://a.test", {"HTTP_PROXY": P}, None),
        ("https://a.test", {"HTTPS_PROXY": P}, "p.example:3128"),
        ("https://a.test", {"HTTPS_PROXY": P, "https_proxy": Q}, "q.example:3129"),
        ("https://a.test", {"HTTPS_PROXY": P, "https_proxy": ""}, None),
        ("https://a.test", {"https_proxy": "", "ALL_PROXY": P}, None),
        ("https://a.test", {"ALL_PROXY": P}, "p.example:3128"),
        ("https://a.test", {"ALL_PROXY": P, "HTTPS_PROXY": Q}, "q.example:3129"),
        ("http://a.test", {"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, None),
        ("http://a.test", {"http_proxy": P, "REQUEST_METHOD": "GET"}, "p.example:3128"),
        ("http://a.test", {"HTTP_PROXY": "p.example:3128"}, "p.example:3128"),
        ("http://a.test", {"HTTP_PROXY": "p.example"}, "p.example:80"),
        ("http://a.test", {"HTTP_PROXY": "https://p.example/"}, "p.example:443"),
        ("http://a.test", {"HTTP_PROXY": "http://[2001:db8::1]:3128"}, "[2001:db8::1]:3128"),
        ("http://localhost:80", {"HTTP_PROXY": P}, None),
        ("http://x.localhost", {"HTTP_PROXY": P}, None),
        ("http://127.0.0.1:8", {"ALL_PROXY": P}, None),
        ("http://127.9.9.9", {"ALL_PROXY": P}, None),
        ("https://[::1]:8", {"ALL_PROXY": P}, None),
        ("http://localhost.example", {"ALL_PROXY": P}, "p.example:3128"),
    ],
)
def test_the_environment_says_which(url: str, environ: Mapping[str, str], name: str | None) -> None:
    proxy = proxy_for(url, None, environ)
    assert (None if proxy is None else proxy.name) == name
    assert proxy_for(url, False, environ) is None
    given = proxy_for(url, Q, {**environ, "NO_PROXY": "*"})
    assert given is not None
    assert given.name == "q.example:3129"


@pytest.mark.parametrize(
    ("url", "exempt", "direct"),
    [
        ("http://a.b.test", "b.test", True),
        ("http://a.b.test", ".b.test", True),
        ("http://b.test", ".b.test", True),
        ("http://a.b.test", "*.b.test", True),
        ("http://a.b.test", "test", True),
        ("http://A.B.test", "a.b.TEST", True),
        ("http://a.b.test.", "a.b.test", True),
        ("http://ab.test", "b.test", False),
        ("http://a.test", "other, a.test", True),
        ("http://a.test", "other a.test", True),
        ("http://a.test", "other,*", True),
        ("http://a.test", "a.test:80", True),
        ("http://a.test:8080", "a.test:80", False),
        ("https://a.test", "a.test:443", True),
        ("http://a.test", "a.test:x", False),
        ("http://10.1.2.3", "10.0.0.0/8", True),
        ("http://11.1.2.3", "10.0.0.0/8", False),
        ("http://10.1.2.3", "10.1.2.3", True),
        ("http://10.1.2.3:8", "10.1.2.3:8", True),
        ("http://10.1.2.3", "10.", True),
        ("http://10.1.2.3", "2.3", False),
        ("http://[2001:db8::5]", "2001:db8::/32", True),
        ("http://[2001:db8::5]", "[2001:db8::5]", True),
        ("http://[2001:db8::5]:8", "[2001:db8::5]:8", True),
        ("http://[2001:db8::5]:9", "[2001:db8::5]:8", False),
        ("http://[2001:db8::5]", "2001:db8::5", True),
        ("http://jenkins", "<local>", True),
        ("http://jenkins.test", "<local>", False),
        ("http://a.test", "", False),
        ("http://a.test", " , ,", False),
        ("http://a.test", ".", False),
        ("http://a.test", "999.1.1.1/99", False),
    ],
)
def test_no_proxy_counts_in_every_form(url: str, exempt: str, direct: bool) -> None:
    assert (proxy_for(url, None, {"ALL_PROXY": P, "NO_PROXY": exempt}) is None) is direct
    assert (proxy_for(url, None, {"ALL_PROXY": P, "no_proxy": exempt, "NO_PROXY": "a.test"}) is None) is direct


@pytest.mark.parametrize(
    ("wrong", "trouble"),
    [
        ("socks5://u:pw_canary_1@p:1", "is one for socks5: only http:// and https:// ones can be used"),
        ("http://u:pw_canary_1@p:99999", "cannot be read: write http://HOST:PORT"),
        ("http://u:pw_canary_1@", "cannot be read"),
        ("http://p:1/pw_canary_1", "cannot be read"),
        ("http://p:1?pw_canary_1", "cannot be read"),
        ("http://pw_canary_1 x:1", "cannot be read"),
        ("http://[pw_canary_1", "cannot be read"),
        (True, "is a URL, or False, and not of type bool"),
        (7, "is a URL, or False, and not of type int"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_and_not_shown(wrong: Any, trouble: str) -> None:
    with pytest.raises(ConfigError, match=trouble) as caught:
        Client(api("http://a.test"), proxy=wrong)
    shown = "".join(traceback.TracebackException.from_exception(caught.value).format())
    assert "pw_canary_1" not in str(caught.value)
    assert shown
    if isinstance(wrong, str):
        with pytest.raises(ConfigError, match=f"the proxy of HTTPS_PROXY {trouble}"):
            proxy_for("https://a.test", None, {"HTTPS_PROXY": wrong})


# --- what it says itself ---------------------------------------------------------------------------------------


def page(status: str, *headers: str) -> bytes:
    return http(b"<html>no</html>", "Content-Type: text/html", *headers, status=status)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("answer", "plain", "tunnelled"),
    [
        (page("407 X", "Proxy-Authenticate: Basic"), "P wants a user and a password", "P wants a user and a password"),
        (
            page("401 X", "Proxy-Authenticate: Basic"),
            "P refused its user or password",
            "P refused its user or password",
        ),
        (
            page("403 X"),
            r"refused the token \(asked through the proxy P\)",
            f"P does not let requests to {HOST} through",
        ),
        (
            page("403 X", "X-Squid-Error: ERR_ACCESS_DENIED 0"),
            "the proxy P does not let requests to the API through: ERR_ACCESS_DENIED 0",
            f"P does not let requests to {HOST} through",
        ),
        (page("502 X"), r"in trouble \(asked through the proxy P\)", f"the proxy P cannot reach {HOST}"),
        (
            page("503 X", "X-Squid-Error: ERR_CONNECT_FAIL 111"),
            "the proxy P cannot reach the API: ERR_CONNECT_FAIL 111",
            f"the proxy P cannot reach {HOST}",
        ),
    ],
)
async def test_its_own_answers_name_it(answer: bytes, plain: str, tunnelled: str, scheme: str) -> None:
    proxy = ProxyServer({}, answer=answer)
    async with proxy, Client(api(f"{scheme}://{HOST}"), proxy=proxy.url) as client:
        with pytest.raises(LookError) as caught:
            await client.job("j")
    expected = (plain if scheme == "http" else tunnelled).replace("P ", f"127.0.0.1:{proxy.port} ")
    assert caught.match(expected.replace(r"P\)", rf"127.0.0.1:{proxy.port}\)"))
    assert len(proxy.asked) == 1


async def test_a_fault_of_the_api_within_a_tunnel_does_not_name_it(authority: trustme.CA) -> None:
    async with (
        RawServer(page("503 X"), tls=proving(authority, HOST)) as server,
        ProxyServer({HOST: server.port}) as proxy,
        Client(api(f"https://{HOST}"), proxy=proxy.url, ssl=trusting(authority)) as client,
    ):
        with pytest.raises(LookError) as caught:
            await client.job("j")
    assert "proxy" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_one_that_is_not_there_is_named(scheme: str) -> None:
    async with ProxyServer({}) as proxy:
        gone = proxy.port
    async with Client(api(f"{scheme}://{HOST}"), proxy=f"http://u:pw_canary_1@127.0.0.1:{gone}") as client:
        with pytest.raises(LookError, match=f"no connection to the proxy 127.0.0.1:{gone}: ") as caught:
            await client.job("j")
    assert "pw_canary_1" not in str(caught.value)
    async with Client(api(f"{scheme}://{HOST}"), proxy="http://proxy.example.invalid:3128") as client:
        with pytest.raises(LookError, match=r"no address found for the proxy proxy\.example\.invalid:3128"):
            await client.job("j")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_connection_that_it_drops_names_it(scheme: str) -> None:
    async with RawServer(closing(b"")) as server, Client(api(f"{scheme}://{HOST}"), proxy=server.url) as client:
        with pytest.raises(LookError, match=rf"\(through the proxy 127.0.0.1:{server.port}\)"):
            await client.job("j")


# --- the command line ------------------------------------------------------------------------------------------


async def test_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    async with TableServer(states("succeeded")) as server:
        table = {"job": f"{server.url}/jobs/{{job_id}}", "id": "id", "status": "status"}
        file.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items()))
        async with ProxyServer({"127.0.0.1": port_of(server.url)}, user=USER) as proxy:
            url = proxy.url.replace("://", f"://{QUOTED}@")
            assert await asyncio.to_thread(main, ["get", "j", "--api", str(file), "--proxy", url]) == 0
            assert len(proxy.asked) == 1
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            assert await asyncio.to_thread(main, ["get", "j", "--api", str(file)]) == 0
            assert await asyncio.to_thread(main, ["get", "j", "--api", str(file), "--no-proxy"]) == 0
            assert len(proxy.asked) == 1, "loopback has no proxy by the environment"
            assert await asyncio.to_thread(main, ["get", "j", "--api", str(file), "--proxy", proxy.url]) == 7
    out, err = capsys.readouterr()
    assert "canary" not in out + err
    assert "others on this machine can read the user and password of --proxy" in err
    assert f"the proxy 127.0.0.1:{proxy.port} wants a user and a password" in err
    assert main(["get", "j", "--source", "x:y", "--no-proxy"]) == 2
    assert "leave out --no-proxy" in capsys.readouterr().err


# --- what the page says ------------------------------------------------------------------------------------------


def test_the_messages_on_the_page_are_those_that_are_told() -> None:
    page = (Path(__file__).parents[2] / "jobwatch/cli/README.md").read_text("utf-8")
    table = page[page.index("| message | what helps |") :].partition("\n\n")[0]
    shown = [each for row in table.splitlines()[2:] for each in re.findall(r"`([a-zA-Z ,:()]+)`", row.split("|")[1])]
    proxy, context = proxy_for("http://a.test", "http://P:1", {}), "H"
    assert proxy is not None
    told = [refused_by(proxy, status, "", context).message for status in (407, 403, 502)]
    key = ConnectionKey("H", 443, True, True, None, None, None)
    refused = OSError(111, "Connect call failed ('10.0.0.1', 443)")
    errors: list[Exception] = [
        aiohttp.ClientConnectorError(key, refused),
        aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("x")),
        CertificateRefused("expired"),
    ]
    told += [fault_of(error, "H", is_tls=True).message for error in errors]
    told += [
        fault.message
        for error in (
            aiohttp.ClientProxyConnectionError(key, refused),
            aiohttp.ClientConnectorDNSError(ConnectionKey(proxy.host, 1, True, True, None, None, None), refused),
        )
        if (fault := fault_of_proxy(error, "H", proxy)) is not None
    ]
    known = {"P:1": "HOST:PORT", "p:1": "HOST:PORT", "10.0.0.1": "ADDRESS"}
    for text, word in known.items():
        told = [each.replace(text, word) for each in told]
    told = [re.sub(r"\bH\b", "HOST", each) for each in told]
    assert len(shown) == len(told) == 8
    for message in shown:
        assert any(each.startswith(message) for each in told), (message, told)
