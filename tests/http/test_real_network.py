"""Through real proxies (squid, tinyproxy) and to a real server that wants a client certificate (nginx), on loopback.

Each is skipped where the program is not installed: ``apt-get install squid tinyproxy nginx-light``.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from jobwatch import Client, LookError, Pace
from jobwatch._models import FaultKind
from jobwatch._table.compile import api_of
from tests.http.raw_server import RawServer, http
from tests.table_server import TableServer, in_order

pytestmark = pytest.mark.slow(in_sample=True)

USER, PASSWORD = "caroline", "pw-canary-12-34"
HOST = "jobs.example.invalid"
BANNED = "banned.example.invalid"
SUCCEEDED = b'{"id":"j","status":"succeeded"}'
RUNNING = {"id": "j", "status": "running"}
DONE = {"id": "j", "status": "succeeded"}
QUICK = Pace(min_interval=0.005, max_interval=0.02)
HELPERS = [Path(folder) / "basic_ncsa_auth" for folder in ("/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec")]
HELPER = next((helper for helper in HELPERS if helper.exists()), None)

needs_squid = pytest.mark.skipif(shutil.which("squid") is None or HELPER is None, reason="squid is not installed")
needs_tinyproxy = pytest.mark.skipif(shutil.which("tinyproxy") is None, reason="tinyproxy is not installed")
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

SQUID = f"""
pid_filename none
cache deny all
memory_cache_shared off
access_log none
cache_log /dev/null
hosts_file {{folder}}/hosts
read_timeout 1 seconds
shutdown_lifetime 0 seconds
auth_param basic program {HELPER} {{folder}}/passwords
acl known proxy_auth REQUIRED
acl banned dstdomain {BANNED}
http_access deny banned
http_access allow known
http_access deny all
http_port 127.0.0.1:{{port}}
"""
TINYPROXY = f"""
Port {{port}}
Listen 127.0.0.1
Timeout 5
BasicAuth {USER} {PASSWORD}
"""
NGINX = """
daemon off;
pid {folder}/pid;
error_log /dev/null;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.pem;
        ssl_client_certificate {folder}/ca.pem;
        ssl_verify_client on;
        ssl_protocols {protocol};
        location / {{ default_type application/json; return 200 '{{"id":"j","status":"succeeded"}}'; }}
    }}
}}
"""


def api(url: str) -> Any:
    return api_of({"job": f"{url}/jobs/{{job_id}}", "id": "id", "status": "status"}, "own")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that a program may read that gives up its rights, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def running(port: int, *argv: str) -> AsyncIterator[None]:
    """Run a program until the block is left, from when it listens on."""
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=null, stderr=null)
    try:
        async with asyncio.timeout(20):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        assert process.returncode is None, f"{argv[0]} did not start"
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def squid(folder: Path) -> AsyncIterator[int]:
    """Run squid, which wants a password and knows one host."""
    port = free_port()
    argv = ["openssl", "passwd", "-apr1", PASSWORD]
    hashed = await asyncio.to_thread(subprocess.check_output, argv, text=True)
    (folder / "passwords").write_text(f"{USER}:{hashed}")
    (folder / "hosts").write_text(f"127.0.0.1 {HOST}\n")
    (folder / "squid.conf").write_text(SQUID.format(folder=folder, port=port))
    async with running(port, "squid", "-N", "-n", f"jobwatch{port}", "-f", str(folder / "squid.conf")):
        yield port


@contextlib.asynccontextmanager
async def tinyproxy(folder: Path) -> AsyncIterator[int]:
    port = free_port()
    (folder / "tinyproxy.conf").write_text(TINYPROXY.format(port=port))
    async with running(port, "tinyproxy", "-d", "-c", str(folder / "tinyproxy.conf")):
        yield port


def url_of(port: int, password: str = PASSWORD) -> str:
    return f"http://{USER}:{password}@127.0.0.1:{port}"


def proving(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def told(url: str, proxy: str, context: ssl.SSLContext | None = None) -> tuple[FaultKind, str]:
    """Return what is said of a look that fails, without the port of the proxy."""
    async with Client(api(url), proxy=proxy, ssl=context) as client:
        with pytest.raises(LookError) as caught:
            await client.job("j")
    assert PASSWORD not in f"{caught.value} {caught.value.fault}"
    return caught.value.fault.kind, caught.value.fault.message.replace(proxy.rpartition("@")[2], "PROXY")


# --- squid -----------------------------------------------------------------------------------------------------


@needs_squid
async def test_jobs_are_waited_for_through_squid(authority: trustme.CA, folder: Path) -> None:
    async with squid(folder) as port, TableServer(in_order(RUNNING, RUNNING, DONE)) as server:
        at = server.url.rpartition(":")[2]
        async with Client(api(f"http://{HOST}:{at}"), proxy=url_of(port), pace=QUICK) as client:
            assert [each.status async for each in client.wait_for("j", 20)] == ["running", "succeeded"]
        assert all("squid" in headers["Via"] for _, _, headers, _ in server.requests)
        assert not any("Proxy-Authorization" in headers for _, _, headers, _ in server.requests)
        async with RawServer(
            http(b'{"id":"j","status":"running"}'), http(SUCCEEDED), tls=proving(authority, HOST)
        ) as tls:
            secure = api(f"https://{HOST}:{tls.port}")
            async with Client(secure, proxy=url_of(port), ssl=trusting(authority), pace=QUICK) as client:
                assert (await client.wait_for("j", 20)).status == "succeeded"
            assert tls.connections == 1, "the tunnel is kept"
            assert not any(b"proxy-" in request.lower() for request in tls.requests)


@needs_squid
async def test_what_squid_says_itself_names_it(authority: trustme.CA, folder: Path) -> None:
    nowhere, context = free_port(), trusting(authority)

    async def hang(_: web.BaseRequest) -> web.Response:
        await asyncio.sleep(2.5)
        return web.Response()

    runner = web.ServerRunner(web.Server(hang, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slow = runner.addresses[0][1]
    refused, unreachable = FaultKind.REFUSED, FaultKind.UNREACHABLE
    wants = "the proxy PROXY wants a user and a password, or others than it was given"
    banned = "the proxy PROXY does not let requests to"
    cases = [
        (f"http://{HOST}", "wrong", refused, wants),
        (f"https://{HOST}", "wrong", refused, wants),
        (f"http://{BANNED}", PASSWORD, refused, f"{banned} the API through: ERR_ACCESS_DENIED"),
        (f"https://{BANNED}", PASSWORD, refused, f"{banned} {BANNED} through"),
        (f"http://{HOST}:{nowhere}", PASSWORD, unreachable, "the proxy PROXY cannot reach the API: ERR_CONNECT_FAIL"),
        (f"https://{HOST}:{nowhere}", PASSWORD, unreachable, f"the proxy PROXY cannot reach {HOST}"),
        (f"http://{HOST}:{slow}", PASSWORD, unreachable, "the proxy PROXY cannot reach the API: ERR_READ_TIMEOUT"),
    ]
    async with squid(folder) as port:
        for url, password, kind, message in cases:
            said = await told(url, url_of(port, password), context if url.startswith("https") else None)
            assert said[0] is kind, (url, said)
            assert said[1].startswith(message), (url, said)
    await runner.cleanup()
    kind, message = await told(f"http://{HOST}", url_of(port))
    assert (kind, message) == (unreachable, "no connection to the proxy PROXY: Connection refused")


# --- tinyproxy, which says less --------------------------------------------------------------------------------


@needs_tinyproxy
async def test_through_tinyproxy(authority: trustme.CA, folder: Path) -> None:
    async with tinyproxy(folder) as port:
        async with TableServer(in_order(RUNNING, DONE)) as server:
            async with Client(api(server.url), proxy=url_of(port), pace=QUICK) as client:
                assert (await client.wait_for("j", 20)).status == "succeeded"
            gone = server.url
            assert (await told(server.url, url_of(port, "wrong")))[1].startswith("the proxy PROXY refused its user or")
        for url in (gone, gone.replace("http:", "https:")):
            kind, message = await told(url, url_of(port))
            assert kind is FaultKind.UNREACHABLE
            assert message.startswith("the proxy PROXY cannot reach")
        async with (
            RawServer(http(SUCCEEDED), tls=proving(authority, "127.0.0.1")) as tls,
            Client(api(tls.url), proxy=url_of(port), ssl=trusting(authority)) as client,
        ):
            assert (await client.job("j")).status == "succeeded"


# --- nginx wants a certificate ---------------------------------------------------------------------------------


@needs_nginx
@pytest.mark.parametrize("protocol", ["TLSv1.3", "TLSv1.2"])
async def test_nginx_gets_its_certificate_and_a_refusal_names_it(
    protocol: str, authority: trustme.CA, folder: Path
) -> None:
    port, other = free_port(), trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, protocol=protocol))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    right, expired, others = (
        by.issue_cert("client.example", not_before=until and until - timedelta(days=1), not_after=until)
        for by, until in ((authority, None), (authority, yesterday), (other, None))
    )
    async with running(port, "nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")):
        for issued, is_good in ((right, True), (None, False), (expired, False), (others, False)):
            context = trusting(authority)
            if issued is not None:
                issued.configure_cert(context)
            async with Client(api(f"https://127.0.0.1:{port}"), ssl=context) as client:
                if is_good:
                    assert (await client.wait_for("j", 20)).status == "succeeded"
                    continue
                with pytest.raises(
                    LookError, match=r"127\.0\.0\.1 refused the client certificate, or wants one"
                ) as caught:
                    await client.job("j")
                assert caught.value.fault.kind is FaultKind.TLS
