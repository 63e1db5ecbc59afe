"""The job server's streams, read over a bare socket: what the vendor documents, and how a test breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

import jobwatch
from jobwatch.cli import main
from jobwatch.testing import JobServer, Trouble
from tests.conftest import at_most

EPOCH = datetime(2024, 1, 15, 10, 0, 0, tzinfo=UTC)
OPEN = Trouble.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", close=False)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def streamed(server: JobServer, path: str = "/jobs/j/stream") -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url_of("bedrock").rsplit(":", 1)[1]))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: sk_test\r\n\r\n".encode())
    try:
        async with at_most(2):
            yield reader
    finally:
        writer.close()


def unchunked(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, body = body.partition(b"\r\n")
        parts.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(parts)


async def whole(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    return head, unchunked(await reader.readuntil(b"0\r\n\r\n"))


async def test_a_stream_tells_the_state_as_it_is_then_each_change_and_ends_with_the_job() -> None:
    clock = Clock()
    async with JobServer(clock=clock, epoch=EPOCH) as server:
        job = server.add("bedrock", "j", [("PENDING", 0.0), ("RUNNING", 2.0), ("COMPLETED", 90.0)], results={"n": 1})
        clock.now = 1.0
        async with streamed(server) as reader:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"\n\n")
            clock.now = 90.0
            body = await reader.readuntil(b"0\r\n\r\n")
        assert b"HTTP/1.1 200 OK" in head
        assert b"Content-Type: text/event-stream" in head
        assert b"X-Request-Id: req_00000001" in head
        assert b'event: status\ndata: {"job_id":"j","status":"Started","timestamp":"2024-01-15T10:00:02Z"}\n\n' in body
        assert (
            b'event: completed\ndata: {"job_id":"j","status":"Completed","results":{"n":1},'
            b'"timestamp":"2024-01-15T10:01:30Z"}\n\n' in body
        )
        assert (job.streams, job.looks) == (1, 0)
        assert [request.is_for_stream for request in server.requests] == [True]


@pytest.mark.parametrize(
    ("status", "name", "more"),
    [("FAILED", "failed", '"error":{"code":"E","message":"m"},'), ("CANCELED", "canceled", "")],
)
async def test_a_job_that_has_ended_has_a_stream_of_one_event(status: str, name: str, more: str) -> None:
    async with JobServer(epoch=EPOCH, clock=Clock()) as server:
        server.add("bedrock", "j", ["PENDING", status], error=jobwatch.Problem("m", "E"))
        async with streamed(server) as reader:
            _, body = await whole(reader)
    assert body.decode() == (
        f'event: {name}\ndata: {{"job_id":"j","status":"{name.title()}",{more}"timestamp":"2024-01-15T10:00:00Z"}}\n\n'
    )


async def test_there_are_heartbeats_and_an_end_after_five_minutes() -> None:
    clock = Clock()
    async with JobServer(clock=clock) as server:
        server.add("bedrock", "j", ["RUNNING"])
        async with streamed(server) as reader:
            await reader.readuntil(b"\n\n")
            for _ in range(2):
                clock.now += 15.0
                assert (await reader.readuntil(b"\n\n")).endswith(b": heartbeat\n\n")
            clock.now = 300.0
            assert (await reader.readuntil(b"0\r\n\r\n")).count(b"event:") == 0


async def test_a_job_moved_by_hand_tells_its_stream_at_once() -> None:
    async with JobServer() as server:
        job = server.add("bedrock", "j", ["RUNNING"])
        async with streamed(server) as reader:
            await reader.readuntil(b"\n\n")
            job.advance("COMPLETED")
            assert b"event: completed" in await reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("path", ["/jobs/other/stream", "/jobs/j/streams"])
async def test_there_is_no_stream_of_an_unknown_job(path: str) -> None:
    async with JobServer() as server:
        server.add("bedrock", "j", ["RUNNING"])
        async with streamed(server, path) as reader:
            assert b" 404 " in await reader.readline()


async def test_a_server_may_have_no_streams() -> None:
    async with JobServer(streams=False) as server:
        server.add("bedrock", "j", ["RUNNING"])
        async with streamed(server) as reader:
            assert b" 404 " in await reader.readline()


async def test_troubles_of_streams_and_of_looks_are_apart() -> None:
    async with JobServer() as server:
        server.add("bedrock", "j", ["COMPLETED"])
        server.trouble(Trouble.status(500))
        server.trouble(Trouble.status(503), stream=True)
        async with streamed(server) as reader:
            assert b" 503 " in await reader.readline()
        async with streamed(server) as reader:
            assert b" 200 " in await reader.readline()
        async with streamed(server, "/jobs/j") as reader:
            assert b" 500 " in await reader.readline()


async def test_a_stream_may_be_cut_after_any_byte_late_silent_or_never_answered() -> None:
    async with JobServer() as server:
        server.add("bedrock", "j", ["COMPLETED"])
        server.trouble(Trouble.truncated(7), stream=True)
        async with streamed(server) as reader:
            assert (await reader.read()).endswith(b"7\r\nevent: \r\n")
        server.trouble(Trouble.hang(0.01), stream=True)
        async with streamed(server) as reader:
            assert b"event: completed" in (await whole(reader))[1]
        for trouble in (OPEN, Trouble.hang()):
            server.trouble(trouble, stream=True)
            async with streamed(server) as reader:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.03):
                        await reader.readuntil(b"\n\n")


async def test_a_stream_cannot_be_stale() -> None:
    async with JobServer() as server:
        with pytest.raises(jobwatch.ConfigError, match="a stream cannot go wrong by"):
            server.trouble(Trouble.stale(3.0), stream=True)


async def test_an_open_stream_does_not_keep_the_server_open() -> None:
    async with JobServer() as server:
        server.add("bedrock", "j", ["RUNNING"])
        async with streamed(server) as reader:
            await reader.readuntil(b"\n\n")
            await server.aclose()
            assert b"0\r\n" not in await reader.read()


async def test_a_client_follows_the_stream_and_needs_four_requests() -> None:
    async with JobServer() as server:
        job = server.add("bedrock", "j", ["PENDING"])
        async with jobwatch.Client("bedrock", token="sk_test", base_url=server.url_of("bedrock")) as client:
            changes = client.wait_for("j", timeout=5)
            assert (await anext(changes)).status == "PENDING"
            await job.streamed(1)
            job.advance("RUNNING")
            assert (await anext(changes)).status == "RUNNING"
            job.advance("COMPLETED")
            assert (await anext(changes)).status == "COMPLETED"
        assert len(server.requests) == 4


@pytest.mark.slow
async def test_a_client_need_not_follow_streams() -> None:
    async with JobServer() as server:
        job = server.add("bedrock", "j", [("PENDING", 0.0), ("COMPLETED", 0.01)])
        base_url = server.url_of("bedrock")
        async with jobwatch.Client("bedrock", token="sk_test", base_url=base_url, streams=False) as client:
            await client.wait_for("j", timeout=5)
        assert job.streams == 0


@pytest.mark.slow
@pytest.mark.parametrize(("option", "streams"), [([], 1), (["--no-streams"], 0)])
async def test_the_command_line_follows_streams_unless_told_not_to(
    option: list[str], streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEDROCK_API_KEY", "sk_test")
    async with JobServer() as server:
        job = server.add("bedrock", "j", ["PENDING"])
        line = ["wait", "j", "--base-url", server.url_of("bedrock"), "--min-interval", "10ms", "--no-history", *option]
        waiting = asyncio.ensure_future(asyncio.to_thread(main, line))
        await (job.streamed(1) if streams else job.looked(2))
        job.advance("COMPLETED")
        assert await waiting == 0
        assert job.streams == streams
