"""What one worker learns of durations and another uses, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from jobwatch import Client, ConfigError, History, Pace, Phase
from jobwatch._client.access import learned_by
from jobwatch._core.durations import LearnedDurations
from jobwatch._core.hazard import KEPT
from jobwatch.nats import ServerOptions, Watcher, Worker
from jobwatch.nats import _history as shared
from jobwatch.nats._connection import Connection, connect
from jobwatch.nats._history import SharedHistory, history_bucket
from jobwatch.nats._learned import Summary, summary_in
from jobwatch.testing import JobServer

from .test_engine import ends, read, until

pytestmark = pytest.mark.slow

BACKUP = ("capydb", "backup", Phase.RUNNING)


@pytest.fixture(autouse=True)
def written_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_WRITTEN_AFTER", 0.02)


@asynccontextmanager
async def learning(
    at: ServerOptions, history: History | None = None, url: str = "http://127.0.0.1:9"
) -> AsyncGenerator[LearnedDurations]:
    """Have a client whose history is shared, without a worker around it."""
    async with (
        Client("capydb", base_url=url, token="t", history=history) as client,
        await connect(at, "test") as connection,
    ):
        kept = SharedHistory(connection, client)
        await kept.start(1)
        try:
            yield learned_by(client)
        finally:
            await kept.stop()


def seconds(learned: LearnedDurations, kind: tuple[str, str, Phase] = BACKUP) -> list[float]:
    known = learned.kinds.get(kind)
    return [] if known is None else list(known.seconds)


def learn(learned: LearnedDurations, job_id: str, took: float, kind: tuple[str, str, Phase] = BACKUP) -> None:
    learned.add_duration(kind, took, job_id=job_id)


async def test_what_one_learns_the_other_knows_at_once_and_a_third_from_the_start(at: ServerOptions) -> None:
    async with learning(at) as one, learning(at) as other:
        learn(one, "a", 30.0)
        learn(other, "b", 40.0)
        learn(other, "a", 30.0)  # it saw that job end too
        await until(lambda: sorted(seconds(one)) == sorted(seconds(other)) == [30.0, 40.0])
        for number in range(3):
            learn(one, f"c{number}", 50.0 + number)
        await until(lambda: len(seconds(other)) == 5)
        assert seconds(one) == seconds(other)
        assert one.curve("capydb", "backup", Phase.RUNNING).at(30.0) == pytest.approx(
            other.curve("capydb", "backup", Phase.RUNNING).at(30.0)
        )
    async with learning(at) as third:
        assert len(seconds(third)) == 5
        assert len(seconds(third, ("capydb", "*", Phase.RUNNING))) == 5
        assert third.kinds[BACKUP].tried == 5
    async with learning(at, url="http://127.0.0.1:10") as elsewhere:
        assert seconds(elsewhere) == []


async def test_many_who_write_at_once_lose_nothing(at: ServerOptions) -> None:
    async with learning(at) as a, learning(at) as b, learning(at) as c:
        for number in range(60):
            learn((a, b, c)[number % 3], f"j{number}", float(number))
            await asyncio.sleep(0.005)
        await until(lambda: all(len(seconds(each)) == 60 for each in (a, b, c)))
        assert set(seconds(a)) == {float(number) for number in range(60)}
        last = range(60, KEPT + 26)
        for number in last:
            learn((a, b, c)[number % 3], f"j{number}", float(number))
        await until(lambda: all(set(seconds(each)[-len(last) :]) == set(map(float, last)) for each in (a, b, c)))
        assert len(seconds(a)) == KEPT


async def test_what_a_file_knows_counts_beside_it_and_once(at: ServerOptions) -> None:
    history = History()
    for took in (10.0, 30.0):
        history.add_duration(BACKUP, took)
    async with learning(at) as one:
        learn(one, "a", 30.0)
        learn(one, "b", 31.0)
    async with learning(at, history) as other:
        assert seconds(other) == [10.0, 30.0, 31.0]


async def test_what_is_learned_while_the_server_is_away_is_written_afterwards(at: ServerOptions) -> None:
    async with learning(at) as one, await connect(at, "test") as connection:
        learn(one, "a", 30.0)
        await until_stored(connection, 1)
        await connection.js.delete_stream("KV_jobwatch-history")
        learn(one, "b", 31.0)
        await asyncio.sleep(0.2)
        await history_bucket(connection).open(1)
        learn(one, "c", 32.0)
        await until_stored(connection, 3)


async def until_stored(connection: Connection, number: int, job_type: str = "backup") -> Summary:
    async with asyncio.timeout(10):
        while True:
            for entry in await history_bucket(connection).all(await first_of(connection)):
                summary = summary_in(entry.value)
                if summary.type == job_type and len(summary.running) == number:
                    return summary
            await asyncio.sleep(0.03)


async def first_of(connection: Connection) -> str:
    async with Client("capydb", base_url="http://127.0.0.1:9", token="t") as client:
        return SharedHistory(connection, client)._first


async def test_types_without_end_do_not_fill_the_bucket_and_odd_names_are_names(
    at: ServerOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_MOST_TYPES", 8)
    odd = ["", "a.b", "*", ">", "ü", "x" * 300, "y" * 2000]
    async with learning(at) as one, await connect(at, "test") as connection:
        for number, name in enumerate([*odd, *(f"t{number}" for number in range(30))]):
            learn(one, f"j{number}", float(number), ("capydb", name, Phase.RUNNING))
        await until_stored(connection, 37, "*")
        await asyncio.sleep(0.1)
        entries = await history_bucket(connection).all(await first_of(connection))
        assert len(entries) == 8
        assert {"", "a.b", ">", "ü", "x" * 300} < {summary_in(entry.value).type for entry in entries}


async def test_a_key_that_is_no_summary_is_told_and_left_alone(
    at: ServerOptions, caplog: pytest.LogCaptureFixture
) -> None:
    async with await connect(at, "test") as connection:
        bucket = history_bucket(connection)
        await bucket.open(1)
        await bucket.put(f"{await first_of(connection)}.backup", b"nonsense", 0)
        async with learning(at) as one:
            assert seconds(one) == []
    assert "the bucket for histories holds what this jobwatch cannot read" in caplog.text


async def test_a_bucket_that_is_otherwise_is_refused(at: ServerOptions) -> None:
    from nats.js.api import StreamConfig

    async with await connect(at, "test") as connection:
        await connection.js.add_stream(StreamConfig(name="KV_jobwatch-history", subjects=["$KV.jobwatch-history.>"]))
        with pytest.raises(ConfigError, match="the bucket jobwatch-history has max_msgs_per_subject -1, and needs 1"):
            async with learning(at):
                pass


async def test_a_worker_uses_what_another_has_learned_and_both_see_each_end_once(at: ServerOptions) -> None:
    pace = Pace(min_interval=0.05, max_interval=0.2)
    async with JobServer() as jobs:
        url = jobs.url_of("bedrock")
        for number in range(6):
            steps = [("PENDING", 0.0), ("RUNNING", 0.1), ("COMPLETED", 0.4 + 0.05 * number)]
            jobs.add("bedrock", f"j{number}", steps, shape="vision", events=True)
        async with Client("bedrock", base_url=url, token=jobs.token, pace=pace) as client:
            task = asyncio.create_task(Worker(client, at).run())
            async with Watcher(at.url, api="bedrock", base_url=url) as watcher:
                await watcher.add(*(f"j{number}" for number in range(6)))
                await read(watcher, ends(6))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            known = dict(learned_by(client).kinds)
        async with Client("bedrock", base_url=url, token=jobs.token) as other:
            ready = asyncio.Event()
            task = asyncio.create_task(Worker(other, at).run(ready))
            async with asyncio.timeout(10):
                await ready.wait()
            assert {kind: each.seconds for kind, each in learned_by(other).kinds.items()} == {
                kind: each.seconds for kind, each in known.items()
            }
            assert len(known) >= 2
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
