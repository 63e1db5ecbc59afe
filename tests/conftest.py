"""What every test relies on."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import engine

from jobwatch import Client, Pace
from jobwatch.testing import JobServer
from tests import sample
from tests.virtual import IdleClock

# Two cores, shared: fewer examples by default; `--hypothesis-profile=thorough` before a release.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=2000)
# For mutation testing: the same examples each time, and no time spent on making a failing one small. The runs share a
# process, in which a method of a test class is then called through more than one instance.
settings.register_profile(
    "mutants",
    deadline=None,
    max_examples=25,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.differing_executors],
)
settings.load_profile("quick")
# Making a failing example small may take five minutes, and a test counts as hanging after two: no option shortens it.
assert engine.MAX_SHRINKING_SECONDS
engine.MAX_SHRINKING_SECONDS = 60

# Commands that tests run keep their history here, and not where yours is.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="jobwatch-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

# Or pytest-asyncio asks for the loop there was before, which makes one that nobody closes.
asyncio.set_event_loop(None)


def pytest_configure(config: pytest.Config) -> None:
    """Have a plain run take a sample of the slow tests, and each of several processes whole files."""
    config.pluginmanager.register(sample)
    if config.getoption("dist", "no") == "load":  # that of `-n 2`; but tests of a file share servers, slow to start
        config.option.dist = "loadfile"


QUICK = Pace(min_interval=0.01, max_interval=0.02)


def client_of(server: JobServer, api: str = "bedrock", *, token: str | None = "sk_test", **options: Any) -> Client:
    """Return a client of a job server, looking a hundred times a second."""
    kept: dict[str, Any] = {"pace": QUICK, "unreachable_after": 0.2, "appear_within": 0.05} | options
    return Client(api, token=token, base_url=server.url_of(api), **kept)


@pytest_asyncio.fixture
async def bedrock(job_server: JobServer) -> AsyncIterator[Client]:
    """A client of the job server's Bedrock API."""
    async with client_of(job_server) as client:
        yield client


@pytest_asyncio.fixture
async def capydb(job_server: JobServer) -> AsyncIterator[Client]:
    """A client of the job server's CapyDB API."""
    async with client_of(job_server, "capydb") as client:
        yield client


@pytest_asyncio.fixture
async def idle_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test's loop have a clock that goes on only while the loop has nothing to do."""
    loop: Any = asyncio.get_running_loop()
    clock = IdleClock(loop._selector, loop.time())
    monkeypatch.setattr(loop._selector, "select", clock.select)
    monkeypatch.setattr(loop, "time", clock.time)


def own_tasks() -> set[asyncio.Task[object]]:
    """Return the tasks that jobwatch has started and that are not over."""
    return {task for task in asyncio.all_tasks() if task.get_name().startswith("jobwatch")}


@asynccontextmanager
async def at_most(seconds: float) -> AsyncIterator[None]:
    """Bound what is waited for, as `asyncio.timeout` does, by time in which the loop could go round.

    A hundredth of a second counts when the loop has slept for it, so that a machine which stands still makes none late.
    """
    loop, left = asyncio.get_running_loop(), round(seconds / _TICK)
    timer: asyncio.TimerHandle
    async with asyncio.timeout(None) as limit:

        def tick() -> None:
            nonlocal left, timer
            left -= 1
            if left > 0:
                timer = loop.call_later(_TICK, tick)
            else:
                limit.reschedule(loop.time())

        timer = loop.call_later(_TICK, tick)
        try:
            yield
        finally:
            timer.cancel()


_TICK = 0.01


async def soon(true: Callable[[], bool]) -> None:
    """Wait until something is true, for a second at most."""
    async with at_most(1):
        while not true():  # noqa: ASYNC110 - nothing rings a bell for what is looked at here
            await asyncio.sleep(0.001)


async def in_time(waiting: Awaitable[object], seconds: float = 2.0) -> object:
    """Await something that must not take long."""
    async with at_most(seconds):
        return await waiting
