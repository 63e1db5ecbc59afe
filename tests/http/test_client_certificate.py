"""Client certificates, and what is trusted: given as a context or as files; a refusal names the certificate."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from unittest import mock

import aiohttp
import pytest
import trustme

from jobwatch import Client, ConfigError, LookError
from jobwatch._http.errors import CertificateRefused, NotSilent, Unanswered
from jobwatch._http.idle import Carrier, check_silent
from jobwatch._http.tls import context_of
from jobwatch._models import FaultKind
from jobwatch._table.compile import api_of
from jobwatch.cli import main
from tests.http.raw_server import RawServer, http

SUCCEEDED = b'{"id":"j","status":"succeeded"}'


@pytest.fixture(params=["fast", "session"], autouse=True)
def _any_client(request: pytest.FixtureRequest) -> Iterator[None]:
    with mock.patch("jobwatch._http.fast.is_stock", return_value=request.param == "fast"):
        yield


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def other() -> trustme.CA:
    return trustme.CA()


def api(url: str) -> Any:
    return api_of({"job": f"{url}/jobs/{{job_id}}", "id": "id", "status": "status"}, "own")


def proving(authority: trustme.CA, *, tls_1_2: bool = False) -> ssl.SSLContext:
    """What a server proves itself by that wants a certificate of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    if tls_1_2:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def client_context(
    authority: trustme.CA, by: trustme.CA | None = None, *, until: datetime | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if by is not None:
        issued = by.issue_cert("client.example", not_before=until and until - timedelta(days=1), not_after=until)
        issued.configure_cert(context)
    return context


class BlockingServer:
    """A server of OpenSSL by the standard library's blocking sockets, which send the alert that asyncio's leave out."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self._listening.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(raw, server_side=True) as connection:
                    connection.recv(65536)
                    connection.sendall(http(SUCCEEDED, "Connection: close"))
            except OSError:
                raw.close()


async def test_a_client_certificate_is_sent(authority: trustme.CA) -> None:
    async with (
        RawServer(http(SUCCEEDED), tls=proving(authority)) as server,
        Client(api(server.url), ssl=client_context(authority, authority)) as client,
    ):
        assert (await client.wait_for("j", 5)).status == "succeeded"


@pytest.mark.parametrize("tls_1_2", [False, True])
@pytest.mark.parametrize("wrong", ["none", "expired", "of another authority"])
async def test_one_that_is_refused_is_named(
    wrong: str, tls_1_2: bool, authority: trustme.CA, other: trustme.CA
) -> None:
    match wrong:
        case "none":
            context = client_context(authority)
        case "expired":
            context = client_context(authority, authority, until=datetime.now(UTC) - timedelta(days=1))
        case _:
            context = client_context(authority, other)
    with BlockingServer(proving(authority, tls_1_2=tls_1_2)) as server:
        async with Client(api(server.url), ssl=context) as client:
            with pytest.raises(LookError, match="client certificate") as caught:
                await client.job("j")
    # In rare cases the connection is reset before the alert is read.
    assert caught.value.fault.kind in (FaultKind.TLS, FaultKind.UNREACHABLE)


async def test_a_server_that_says_nothing_and_closes_may_want_another(authority: trustme.CA) -> None:
    async with (
        RawServer(http(SUCCEEDED), tls=proving(authority)) as server,
        Client(api(server.url), ssl=client_context(authority)) as client,
    ):
        with pytest.raises(LookError, match="lost before any answer; perhaps it wants another client certificate"):
            await client.job("j")


async def test_a_new_connection_that_is_gone_before_it_was_used_is_not_followed_by_another() -> None:
    transport = mock.Mock(spec=asyncio.Transport)
    transport.is_closing.return_value = False
    transport.get_extra_info = {"ssl_object": object()}.get
    for cause, told in ((None, Unanswered), (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), CertificateRefused)):
        carrier = Carrier(asyncio.get_running_loop())
        carrier.connection_made(transport)
        error = aiohttp.ClientOSError(1, "lost")
        error.__cause__ = cause
        carrier.set_exception(error)
        with pytest.raises(told):
            await check_silent(mock.Mock(protocol=carrier))
        carrier.requests = 1
        with pytest.raises(NotSilent):
            await check_silent(mock.Mock(protocol=carrier))


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


async def test_nginx_says_it_in_html(authority: trustme.CA) -> None:
    page = b"<html><head><title>400 No required SSL certificate was sent</title></head></html>"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with (
        RawServer(http(page, "Content-Type: text/html", status="400 Bad Request"), tls=context) as server,
        Client(api(server.url), ssl=client_context(authority)) as client,
    ):
        with pytest.raises(LookError, match=r"127\.0\.0\.1 refused the client certificate, or wants one"):
            await client.job("j")


def test_what_is_no_context_for_clients_is_refused() -> None:
    for wrong in (True, "x.pem", object()):
        with pytest.raises(ConfigError, match=r"ssl= is an ssl\.SSLContext, and not of type"):
            Client(api("https://a.test"), ssl=wrong)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match="ssl= is a context for servers"):
        Client(api("https://a.test"), ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


# --- as files --------------------------------------------------------------------------------------------------


class Files:
    """A certificate, its key, and the authority's certificate, as files."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        issued = authority.issue_cert("client.example")
        self.cert, self.key, self.both, self.ca = (str(folder / name) for name in ("cert", "key", "both", "ca"))
        issued.cert_chain_pems[0].write_to_path(self.cert)
        issued.private_key_pem.write_to_path(self.key)
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)
        authority.cert_pem.write_to_path(self.ca)


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Files:
    return Files(tmp_path, authority)


def table(url: str, folder: Path) -> str:
    given = {"job": f"{url}/jobs/{{job_id}}", "id": "id", "status": "status"}
    file = folder / "own.toml"
    file.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in given.items()))
    return str(file)


async def test_the_options(
    files: Files, authority: trustme.CA, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with RawServer(http(SUCCEEDED), tls=proving(authority)) as server:
        own = ["get", "j", "--api", table(server.url, tmp_path)]
        for given in (["--tls-cert", files.cert, "--tls-key", files.key], ["--tls-cert", files.both]):
            assert await asyncio.to_thread(main, [*own, *given, "--tls-ca", files.ca]) == 0
        assert await asyncio.to_thread(main, [*own, "--tls-ca", files.ca]) == 7
        assert await asyncio.to_thread(main, [*own, "--tls-cert", files.both]) == 7
    err = capsys.readouterr().err
    assert "client certificate" in err
    assert "the certificate of 127.0.0.1 is not trusted" in err


async def test_ssl_cert_file_says_what_is_trusted(
    files: Files, authority: trustme.CA, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "stock" in request.node.name:
        return  # in processes of their own there is no such choice
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with RawServer(http(SUCCEEDED), tls=context) as server:
        argv = [sys.executable, "-m", "jobwatch", "get", "j", "--api", table(server.url, tmp_path)]

        async def ran(variable: dict[str, str]) -> tuple[int, bytes]:
            env = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"} | variable
            done = await asyncio.to_thread(subprocess.run, argv, env=env, capture_output=True, check=False)
            return done.returncode, done.stderr

        given: list[dict[str, str]] = [{"SSL_CERT_FILE": files.ca}, {}, {"SSL_CERT_FILE": f"{files.ca}/none"}]
        trusted, unknown, missing = await asyncio.gather(*map(ran, given))
    assert trusted[0] == 0, trusted[1]
    assert unknown[0] == missing[0] == 7
    assert b"SSL_CERT_FILE" not in unknown[1]
    assert b"SSL_CERT_FILE names no file" in missing[1]


def test_a_file_that_is_none_is_named(files: Files, tmp_path: Path, other: trustme.CA) -> None:
    junk, gone, locked = str(tmp_path / "junk"), str(tmp_path / "gone"), tmp_path / "locked"
    Path(junk).write_text("no PEM")
    others = str(tmp_path / "others")
    other.issue_cert("x.example").private_key_pem.write_to_path(others)
    argv = ["openssl", "pkcs8", "-topk8", "-in", files.key, "-passout", "pass:secret", "-out", str(locked)]
    assert subprocess.run(argv, check=False, capture_output=True).returncode == 0
    assert context_of(None, None, None) is None
    cases = [
        ((None, files.key, None), "--tls-key goes with --tls-cert"),
        ((gone, None, None), f"--tls-cert {gone}: No such file"),
        ((files.cert, gone, None), f"--tls-key {gone}: No such file"),
        ((junk, None, None), f"--tls-cert {junk}: no certificate in PEM with its private key"),
        ((files.cert, None, None), f"--tls-cert {files.cert}: no certificate in PEM with its private key"),
        ((files.cert, others, None), "the key is not that of the certificate"),
        ((files.cert, str(locked), None), "the private key has a password"),
        ((None, None, gone), f"--tls-ca {gone}: No such file"),
        ((None, None, junk), f"--tls-ca {junk}: no certificates in PEM"),
    ]
    for given, trouble in cases:
        with pytest.raises(ConfigError, match=trouble):
            context_of(*given)
