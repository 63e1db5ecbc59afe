"""The job server and the source in tests without async: in threads of their own, moved from this one."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request

import pytest

import jobwatch
from jobwatch import ConfigError, Pace, SyncClient
from jobwatch.testing import FakeSource, JobServer, Trouble
from jobwatch.testing._signal import Signal

QUICK = Pace(min_interval="10ms", max_interval="20ms")


def test_the_fixture_serves_what_blocks(job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["RUNNING"])
    request = urllib.request.Request(
        f"{job_server.url_of('bedrock')}/jobs/job_1", headers={"Authorization": f"Bearer {job_server.token}"}
    )
    with urllib.request.urlopen(request, timeout=5) as reply:
        assert b'"RUNNING"' in reply.read()
    assert [each.job_id for each in job_server.requests] == ["job_1"]


def test_a_job_is_moved_from_a_test_without_async(job_server: JobServer) -> None:
    job = job_server.add("bedrock", "job_1", ["PENDING"])
    states: list[str] = []

    def watch() -> None:
        url = job_server.url_of("bedrock")
        states.extend(each.status for each in jobwatch.watch("job_1", "bedrock", base_url=url, token="sk_test"))

    watching = threading.Thread(target=watch)
    watching.start()
    job.wait_until_looked(1)
    job.advance("COMPLETED")
    watching.join(10)
    assert states == ["PENDING", "COMPLETED"]


def test_to_wait_for_a_look_that_does_not_come_ends(job_server: JobServer) -> None:
    job = job_server.add("bedrock", "job_1", ["PENDING"])
    with pytest.raises(TimeoutError, match=r"bedrock job job_1: PENDING, 0 looks> within 0\.01 s, and not 1"):
        job.wait_until_looked(1, timeout=0.01)


async def test_a_test_with_async_moves_it_too(job_server: JobServer) -> None:
    job = job_server.add("bedrock", "job_1", ["PENDING"])
    job_server.trouble(Trouble.status(503))
    async with jobwatch.Client("bedrock", base_url=job_server.url_of("bedrock"), token="sk_test", pace=QUICK) as client:
        waiting = asyncio.create_task(client.wait_for("job_1"))
        await job.looked(2)
        job.advance("COMPLETED")
        assert (await waiting).status == "COMPLETED"


async def test_it_goes_down_and_comes_back_from_another_loop(job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["PENDING", "COMPLETED"])
    url = job_server.url_of("bedrock")
    await job_server.aclose()
    async with jobwatch.Client("bedrock", base_url=url, token="sk_test", pace=QUICK) as client:
        waiting = asyncio.create_task(client.wait_for("job_1"))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        await job_server.start()
        assert job_server.url_of("bedrock") == url
        assert (await waiting).status == "COMPLETED"


def test_a_server_in_a_thread_is_not_entered_twice_and_leaves_none() -> None:
    with JobServer() as server, pytest.raises(ConfigError, match="runs in a thread of its own already"), server:
        pass
    assert "jobwatch job server" not in [thread.name for thread in threading.enumerate()]
    with server:
        assert server.url_of("bedrock")


def test_a_port_that_is_taken_leaves_no_thread() -> None:
    with JobServer() as server:
        port = int(server.url_of("bedrock").rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"), JobServer(port=port):
            pass
        names = [thread.name for thread in threading.enumerate()]
    assert names.count("jobwatch job server") == 1


def test_a_source_is_moved_from_a_test_without_async() -> None:
    source = FakeSource()
    job = source.add("job_1", ["running"])
    with SyncClient(source=source, pace=QUICK) as client:
        changes = client.watch("job_1")
        assert next(changes).status == "running"
        job.advance("succeeded", result={"pages": 3})
        assert [change.status for change in changes] == ["succeeded"]
        assert changes.result().result == {"pages": 3}


async def test_a_signal_is_told_across_loops_and_threads() -> None:
    signal = Signal()
    threading.Timer(0.01, signal.set).start()
    await asyncio.wait_for(signal.wait(), 5)
    await signal.wait()
    assert signal.wait_in_thread(0)


def test_a_signal_that_is_not_set_is_waited_for_no_longer_than_said() -> None:
    signal = Signal()
    began = time.monotonic()
    assert not signal.wait_in_thread(0.01)
    assert time.monotonic() - began >= 0.005
    assert signal._waiting == []
