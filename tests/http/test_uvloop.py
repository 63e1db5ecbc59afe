"""jobwatch on uvloop: what waits, what is guarded and what is bounded is as it is on asyncio's own loop."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
import trustme

from jobwatch import WaitTimeout
from jobwatch._http.transport import Transport
from jobwatch._models import Fault
from jobwatch._reading.reply import Reply
from jobwatch.testing import JobServer
from tests.conftest import client_of

from .raw_server import RawServer, http, silent
from .test_fast import is_fast, look
from .test_idle import SURPLUS, answer, asked_for_b, then

uvloop = pytest.importorskip("uvloop")

Told = TypeVar("Told")


def run(asked: Coroutine[Any, Any, Told]) -> Told:
    """Run something on uvloop, with nothing left behind."""

    async def main() -> Told:
        assert type(asyncio.get_running_loop()) is uvloop.Loop
        told = await asked
        await asyncio.sleep(0.001)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return told

    result: Told = uvloop.run(main())
    return result


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def contexts(authority: trustme.CA, *, secure: bool) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return what serves and what trusts that, if there is to be TLS."""
    if not secure:
        return None, None
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


def test_every_state_of_several_jobs_is_told_and_their_ends_are_awaited() -> None:
    async def waited() -> tuple[list[str], list[str]]:
        async with JobServer() as server, client_of(server) as client:
            served = [server.add("bedrock", f"job_{number}", ["PENDING", "RUNNING"]) for number in range(5)]
            states: list[str] = []
            async for transition in client.wait_for("job_0", timeout=10):
                states.append(transition.status)
                if transition.status == "RUNNING":
                    for job in served:
                        job.advance("COMPLETED")
            jobs = await client.wait_all([f"job_{number}" for number in range(5)], timeout=10)
            return states, [job.status for job in jobs]

    assert run(waited()) == (["PENDING", "RUNNING", "COMPLETED"], ["COMPLETED"] * 5)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_plain_looks_go_past_the_session_on_one_connection(authority: trustme.CA, *, secure: bool) -> None:
    serving, trusting = contexts(authority, secure=secure)

    async def looked() -> tuple[bool, int]:
        async with RawServer(http(b'{"id":"j"}'), tls=serving) as server:
            transport = Transport(server.url, {}, tls=trusting)
            for _ in range(5):
                assert isinstance(await look(transport), Reply)
            fast = is_fast(transport)
            await transport.aclose()
            return fast, server.connections

    # A context that somebody else has made may hold a client certificate, which is for the session.
    assert run(looked()) == (not secure, 1)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", SURPLUS)
def test_a_late_second_response_is_not_the_next_jobs(authority: trustme.CA, *, kind: str, secure: bool) -> None:
    serving, trusting = contexts(authority, secure=secure)
    status, body = SURPLUS[kind]
    running = {"id": "B", "status": "running"}
    late = then(answer({"id": "A", "status": "running"}), 0.0, answer(body, status))

    async def asked(pause: float) -> object:
        async with RawServer(late, answer(running), tls=serving) as server:
            seen = await asked_for_b(server, server.url, trusting, pause)
            assert isinstance(seen, Reply), seen
            assert server.connections == 2
            return json.loads(seen.body)

    assert run(asked(0.02)) == running


def test_bytes_that_the_loop_has_not_read_yet_count_too() -> None:
    late = then(answer({"id": "A", "status": "running"}), 0.0, answer({"id": "B", "status": "failed"}))

    async def asked() -> object:
        async with RawServer(late, answer({"id": "B", "status": "running"})) as server:
            seen = await asked_for_b(server, server.url, None, 0.0)
            assert isinstance(seen, Reply), seen
            return json.loads(seen.body)["status"]

    assert run(asked()) == "running"


def test_a_look_has_its_time_limit_and_a_wait_too() -> None:
    async def timed() -> None:
        async with RawServer(silent()) as server:
            transport = Transport(server.url, {}, timeout=0.03)
            late = await look(transport)
            await transport.aclose()
        assert isinstance(late, Fault)
        assert "no answer within" in late.message
        async with JobServer() as jobs, client_of(jobs) as client:
            jobs.add("bedrock", "job_1", ["RUNNING"])
            with pytest.raises(WaitTimeout):
                await client.wait_for("job_1", timeout=0.04)

    run(timed())


def test_a_cancelled_wait_leaves_nothing() -> None:
    async def cancelled() -> None:
        async with JobServer() as jobs, client_of(jobs) as client:
            jobs.add("bedrock", "job_1", ["RUNNING"])

            async def wait() -> None:
                await client.wait_for("job_1")

            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0.02)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    run(cancelled())
