"""A server that has moved to another address: which one failed is said, and the name is looked up anew."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from aiohttp.abc import ResolveResult

from jobwatch import Client, LookError, Pace
from jobwatch._table.compile import api_of
from tests.http.raw_server import RawServer, http

HOST = "jobs.example.invalid"
OLD, NEW = "127.0.0.2", "127.0.0.3"
RUNNING, DONE = (http(b'{"id":"j","status":"%s"}' % status) for status in (b"running", b"succeeded"))

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="loopback has one address")


@pytest.fixture(params=["fast", "session"], autouse=True)
def _any_client(request: pytest.FixtureRequest) -> Iterator[None]:
    with mock.patch("jobwatch._http.fast.is_stock", return_value=request.param == "fast"):
        yield


class Names:
    """Says where the host is, in place of the system.

    Attributes:
        addresses: Where it is now.
        asked: How often that was asked.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    def told(self, host: str, port: int) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=6, flags=0)
            for address in self.addresses
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names(OLD)

    async def resolve(_: object, host: str, port: int = 0, **__: object) -> list[ResolveResult]:
        return made.told(host, port)

    monkeypatch.setattr("jobwatch._http.resolver.Resolver.resolve", resolve)
    return made


def client(port: int) -> Client[Any]:
    api = api_of({"job": f"http://{HOST}:{port}/jobs/{{job_id}}", "id": "id", "status": "status"}, "own")
    return Client(api, pace=Pace(min_interval=0.005, max_interval=0.01))


async def test_the_job_is_found_at_the_new_address(names: Names) -> None:
    async with RawServer(RUNNING, address=(OLD, 0)) as old, client(old.port) as waiting:
        wait = waiting.wait_for("j", 20)
        assert (await anext(wait)).status == "running"
        async with RawServer(DONE, address=(NEW, old.port)):
            names.addresses = (NEW,)
            await old.__aexit__(None, None, None)
            assert [each.status async for each in wait] == ["succeeded"]
    assert names.asked == 2


async def test_the_address_that_failed_is_named(names: Names) -> None:
    async with RawServer(DONE, address=(OLD, 0)) as old:
        port = old.port
    async with client(port) as waiting:
        with pytest.raises(LookError, match=rf"no connection to {HOST} \({OLD}\): Connection refused"):
            await waiting.job("j")
        names.addresses = (OLD, NEW)
        with pytest.raises(LookError, match=rf"no connection to {HOST} \({NEW}\): Connection refused"):
            await waiting.job("j")
    assert names.asked == 2


async def test_an_address_is_not_named_twice() -> None:
    async with RawServer(DONE) as server:
        url = server.url
    api = api_of({"job": f"{url}/jobs/{{job_id}}", "id": "id", "status": "status"}, "own")
    async with Client(api) as waiting:
        with pytest.raises(LookError, match=r"no connection to 127\.0\.0\.1: Connection refused"):
            await waiting.job("j")
