"""In a script, without async: what blocks, what is iterated, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import pytest

import jobwatch
from jobwatch import ConfigError, JobFailed, JobwatchError, LookError, Outcome, Pace, SyncClient, WaitTimeout
from jobwatch._sync.loop import LoopThread
from jobwatch.testing import FakeSource, JobServer, Trouble

QUICK = Pace(min_interval="10ms", max_interval="20ms")
STEPS = [("pending", 0), ("running", 0.01), ("succeeded", 0.02)]
TOKEN = "tk-canary-7c1e90-token"


def threads() -> list[str]:
    """Return the threads of clients that are there, once those that are ending have had a moment."""
    ends = time.monotonic() + 2
    while (found := [one.name for one in threading.enumerate() if one.name == "jobwatch"]) and time.monotonic() < ends:
        time.sleep(0.001)
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert threads() == []


@pytest.fixture
def source() -> FakeSource:
    source = FakeSource()
    source.add("job_1", STEPS)
    source.add("7", STEPS)
    source.add("bad", [("running", 0), ("failed", 0.01)], error=jobwatch.Problem("disk full"))
    source.add("long", ["running"])
    return source


# --- the functions -----------------------------------------------------------------------------------------------


def test_wait_returns_the_job(job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", [("PENDING", 0), ("RUNNING", 0), ("COMPLETED", 0)])
    url = job_server.url_of("bedrock")
    for _ in range(2):
        job = jobwatch.wait("job_1", api="bedrock", timeout="10m", base_url=url, token="sk_test")
        assert (job.id, job.status) == ("job_1", "COMPLETED")


def test_a_job_that_fails_raises_where_it_was_waited_for(source: FakeSource) -> None:
    with pytest.raises(JobFailed) as caught:
        jobwatch.wait("bad", source=source, pace=QUICK)
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert files[0] == __file__
    assert not [name for name in files if "asyncio" in name or "concurrent" in name]
    assert jobwatch.wait("bad", source=source, pace=QUICK, check=False).status == "failed"
    assert jobwatch.wait("bad", source=source, pace=QUICK, accept={"failed"}).status == "failed"


def test_wait_all_returns_the_jobs_in_the_order_of_their_ids(source: FakeSource) -> None:
    jobs = jobwatch.wait_all((each for each in (7, "job_1")), source=source, pace=QUICK)
    assert [job.id for job in jobs] == ["7", "job_1"]
    with pytest.raises(JobFailed):
        jobwatch.wait_all(["long", "bad"], source=source, pace=QUICK)
    with pytest.raises(ConfigError, match="expected several job ids, not the string 'job_1'"):
        jobwatch.wait_all("job_1", source=source)


def test_watch_yields_every_state_once_and_has_the_result(source: FakeSource) -> None:
    handle = jobwatch.watch("job_1", source=source, pace=QUICK)
    assert handle.outcome is None
    assert [change.status for change in handle] == ["pending", "running", "succeeded"]
    assert [*handle] == []
    outcome: Outcome | None = handle.outcome
    assert (outcome, handle.result().status) == (Outcome.SUCCEEDED, "succeeded")
    assert repr(handle) == "<SyncWait job_1: succeeded, over: succeeded>"


def test_a_handle_is_given_all_that_is_known_and_its_end_by_one_call_to_its_loop(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    call = LoopThread.call

    def counted(thread: LoopThread, function: Callable[[], Coroutine[Any, Any, object]]) -> object:
        calls.append(function)
        return call(thread, function)

    monkeypatch.setattr(LoopThread, "call", counted)
    source.add("over", [("pending", 0), ("running", 0), ("failed", 0)])
    with SyncClient(source=source) as client:
        handle = client.watch("over")
        assert next(handle).status == "pending"
        with pytest.raises(JobFailed):
            handle.result()
        assert [change.status for change in handle] == ["running", "failed"]
    assert len(calls) == 1


def test_watch_ends_with_a_job_that_fails_and_its_result_raises(source: FakeSource) -> None:
    handle = jobwatch.watch("bad", source=source, pace=QUICK)
    assert [change.status for change in handle] == ["running", "failed"]
    for _ in range(2):
        with pytest.raises(JobFailed, match="disk full"):
            handle.result()


def test_the_result_of_a_handle_needs_no_loop_over_it(source: FakeSource) -> None:
    assert jobwatch.watch("job_1", source=source, pace=QUICK).result().status == "succeeded"


def test_a_limit_is_told_from_the_loop_and_from_the_result(source: FakeSource) -> None:
    handle = jobwatch.watch("long", source=source, pace=QUICK, timeout="20ms")
    with pytest.raises(WaitTimeout):
        list(handle)
    with pytest.raises(WaitTimeout):
        handle.result()


def test_a_loop_that_is_left_early_leaves_nothing(source: FakeSource) -> None:
    for change in jobwatch.watch("long", source=source, pace=QUICK):
        assert change.status == "running"
        break
    gc.collect()
    assert threads() == []


def test_a_handle_closes_what_it_began_when_its_block_is_left(source: FakeSource) -> None:
    with jobwatch.watch("long", source=source, pace=QUICK) as handle:
        next(handle)
    assert threads() == []
    with pytest.raises(JobwatchError, match="the client is closed"):
        handle.result()


# --- the client --------------------------------------------------------------------------------------------------


def test_a_client_does_all_that_the_other_does(source: FakeSource) -> None:
    source.add("mine", STEPS, project_id="prj_1")
    with SyncClient(source=source, pace=QUICK) as client:
        assert client.wait_for("job_1", 10).status == "succeeded"
        assert [job.id for job in client.wait_all(["job_1", 7])] == ["job_1", "7"]
        assert {each.job_id: each.result().status for each in client.as_completed(["bad", "job_1"], check=False)} == {
            "bad": "failed",
            "job_1": "succeeded",
        }
        assert [change.status for change in client.watch("job_1")] == ["pending", "running", "succeeded"]
        assert client.job("job_1").status == "succeeded"
        assert [job.id for job in client.jobs("prj_1")] == ["mine"]
        assert client.look(client.watched("job_1")).watched.outcome is Outcome.SUCCEEDED
        assert client.name == "fake"
        with pytest.raises(JobFailed):
            client.wait_for("bad")
        assert client.wait_for("7").status == "succeeded"  # and goes on after an error
    with pytest.raises(JobwatchError, match="the client is closed"):
        client.job("job_1")
    client.close()


def test_a_client_that_is_only_dropped_ends_its_thread(source: FakeSource) -> None:
    client = SyncClient(source=source, pace=QUICK)
    handle = client.watch("long")
    next(handle)
    del client
    gc.collect()
    assert handle.job is not None  # a handle keeps its client
    del handle
    gc.collect()
    assert threads() == []


@pytest.mark.parametrize("use", ["watch", "as_completed"])
def test_what_is_dropped_stops_its_looks_in_its_own_loop(
    use: str, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")  # so that a loop tells who touches it from another thread
    with SyncClient(source=source, pace=QUICK) as client:
        waits: list[object] = [client.watch("long") if use == "watch" else client.as_completed(["long", "job_1"])]
        next(cast("Iterator[object]", waits[0]))
        waits.clear()
        gc.collect()
        client.job("job_1")  # what is to be done in the loop before is done by then
        looks = len(source.asked)
        time.sleep(0.045)
        assert len(source.asked) == looks


def test_many_threads_use_one_client(source: FakeSource) -> None:
    for number in range(8):
        source.add(f"job_{number}", STEPS)
    found: list[str] = []
    with SyncClient(source=source, pace=QUICK) as client:
        waiting = [
            threading.Thread(target=lambda number=number: found.append(client.wait_for(f"job_{number}").id))
            for number in range(8)
        ]
        for one in waiting:
            one.start()
        for one in waiting:
            one.join()
        assert [one.name for one in threading.enumerate()].count("jobwatch") == 1
    assert sorted(found) == [f"job_{number}" for number in range(8)]


def test_closing_in_another_thread_ends_a_wait_that_goes_on(source: FakeSource) -> None:
    client = SyncClient(source=source, pace=QUICK)
    closing = threading.Timer(0.03, client.close)
    closing.start()
    with pytest.raises(JobwatchError):
        client.wait_for("long")
    closing.join()


async def test_a_loop_that_runs_is_no_hindrance(source: FakeSource) -> None:
    # As in a notebook's cell; it stands still meanwhile.
    assert jobwatch.wait("job_1", source=source, pace=QUICK).status == "succeeded"
    assert jobwatch.wait("job_1", source=source, pace=QUICK).status == "succeeded"


def test_to_be_called_in_its_own_loop_is_refused() -> None:
    found: list[Exception] = []

    class Asking:
        key = "asking"

        async def job(self, job_id: str) -> jobwatch.Fault:
            try:
                client.job(job_id)
            except ConfigError as error:
                found.append(error)
            return jobwatch.Fault(jobwatch.FaultKind.NOT_FOUND, "none")

    client = SyncClient(source=Asking())
    with client, pytest.raises(LookError):
        client.job("job_1")
    assert "this would block the event loop that it waits for" in str(found[0])


def test_what_is_wrong_is_told_before_there_is_a_thread() -> None:
    with pytest.raises(ConfigError, match="no API is called 'nobody'"):
        SyncClient("nobody")
    with pytest.raises(ConfigError, match="timeout: 'soon' is no duration"):
        jobwatch.wait("job_1", source=FakeSource(), timeout="soon")
    assert threads() == []


def test_no_token_is_in_a_traceback(job_server: JobServer) -> None:
    job_server.trouble(Trouble.status(403), times=None)
    url = job_server.url_of("capydb")
    calls = (
        lambda: jobwatch.wait("job_1", "capydb", token=TOKEN, base_url=url, appear_within=0, unreachable_after=0),
        lambda: jobwatch.wait("job_1", "capydb", token=TOKEN, base_url="no url"),
        lambda: jobwatch.watch("job_1", "capydb", token=TOKEN, base_url=url, max_in_flight=0),
        lambda: jobwatch.wait_all("job_1", "capydb", token=TOKEN, base_url=url),
        lambda: SyncClient("capydb", token=TOKEN, base_url=url, max_in_flight=0),
    )
    for call in calls:
        with pytest.raises(JobwatchError) as caught:
            call()
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        ours = [frame for frame in shown.stack if frame.filename != __file__]
        assert ours
        assert TOKEN not in "".join(f"{frame.locals}" for frame in ours) + str(caught.value)


def test_what_a_loop_raises_by_a_fault_of_its_own_keeps_its_type_and_its_frames() -> None:
    async def broken() -> None:
        raise ZeroDivisionError("of its own")

    async def nothing() -> None:
        pass

    thread = LoopThread()
    with pytest.raises(ZeroDivisionError) as caught:
        thread.call(broken)
    thread.close(nothing)
    assert "broken" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_a_loop_that_somebody_ends_says_so() -> None:
    async def leaving() -> None:
        raise SystemExit(3)

    async def nothing() -> None:
        pass

    thread = LoopThread()
    with pytest.raises(SystemExit):
        thread.call(leaving)
    assert threads() == []
    with pytest.raises(JobwatchError, match="the event loop of this client has ended"):
        thread.call(nothing)


# --- processes and signals ---------------------------------------------------------------------------------------


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.slow(in_sample=True)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
@pytest.mark.parametrize(
    "use",
    [
        'jobwatch.wait("long", "bedrock", base_url=url, token="sk_test")',
        'list(jobwatch.watch("long", "bedrock", base_url=url, token="sk_test"))',
        'with jobwatch.SyncClient("bedrock", base_url=url, token="sk_test") as client: client.wait_for("long")',
        'with jobwatch.SyncClient("bedrock", base_url=url, token="sk_test") as c: list(c.as_completed(["long", "b"]))',
    ],
)
def test_ctrl_c_ends_it_at_once_and_leaves_nothing(job_server: JobServer, use: str) -> None:
    job = job_server.add("bedrock", "long", ["RUNNING"])
    job_server.add("bedrock", "b", ["RUNNING"])
    program = f"""
        import sys, threading, time, jobwatch
        url = sys.argv[1]
        try:
            {use}
        except KeyboardInterrupt:
            began = time.monotonic()
            while threading.active_count() > 1 and time.monotonic() < began + 2:
                time.sleep(0.001)
            print("interrupted", [one.name for one in threading.enumerate()])
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program), job_server.url_of("bedrock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    job.wait_until_looked(1, 30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, err) == ("interrupted ['MainThread']\n", "")


@pytest.mark.slow(in_sample=True)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
@pytest.mark.parametrize("use", ["wait", "wait_for"])
@pytest.mark.parametrize("ended_by", ["ctrl-c", "limit"])
def test_nothing_waits_for_a_thread_that_hangs(use: str, ended_by: str) -> None:
    # As one does that looks up a name which has no answer: a loop that ends waits for its threads.
    program = """
        import asyncio, os, signal, sys, threading, time, jobwatch

        ended_by, use = sys.argv[1:]

        class Hanging:
            key = "hanging"
            async def job(self, job_id):
                if ended_by == "ctrl-c":
                    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
                await asyncio.get_running_loop().run_in_executor(None, time.sleep, 20)

        limit = 0.1 if ended_by == "limit" else None
        began = time.monotonic()
        try:
            if use == "wait":
                jobwatch.wait("job_1", source=Hanging(), timeout=limit)
            else:
                with jobwatch.SyncClient(source=Hanging()) as client:
                    client.wait_for("job_1", timeout=limit)
        except (KeyboardInterrupt, jobwatch.JobwatchError) as error:
            told = "in time" if time.monotonic() - began < 10 else "late"
            print(type(error).__name__, told, flush=True)
        os._exit(0)
    """
    done = run(program, ended_by, use)
    error = "KeyboardInterrupt" if ended_by == "ctrl-c" else "WaitTimeout"
    assert (done.stdout, done.stderr) == (f"{error} in time\n", "")


@pytest.mark.slow(in_sample=True)
def test_a_program_ends_whatever_is_still_waiting(job_server: JobServer) -> None:
    job = job_server.add("bedrock", "long", ["RUNNING"])
    program = """
        import sys, threading, time, jobwatch
        url = sys.argv[1]
        threading.Thread(target=jobwatch.wait, args=("long", "bedrock"), kwargs={"base_url": url, "token": "sk_test"},
                         daemon=True).start()
        client = jobwatch.SyncClient("bedrock", base_url=url, token="sk_test")
        handle = client.watch("long")
        next(handle)
        print("end", flush=True)
    """
    done = run(program, job_server.url_of("bedrock"))
    assert (done.returncode, done.stdout) == (0, "end\n")
    assert job.looks


@pytest.mark.slow(in_sample=True)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_is_told_to_make_its_own(job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["PENDING", "COMPLETED"])
    program = """
        import os, sys, warnings, jobwatch
        warnings.simplefilter("ignore", DeprecationWarning)  # that threads and fork do not go together well
        url = sys.argv[1]
        client = jobwatch.SyncClient("bedrock", base_url=url, token="sk_test")
        client.job("job_1")
        if os.fork() == 0:
            try:
                client.job("job_1")
            except jobwatch.ConfigError as error:
                print(error)
            print(jobwatch.wait("job_1", "bedrock", base_url=url, token="sk_test").status, flush=True)
            client.close()
            os._exit(0)
        os.wait()
        print(client.job("job_1").status)
        client.close()
    """
    done = run(program, job_server.url_of("bedrock"))
    told = "this client was made before the process forked: make one in each process"
    assert (done.stdout, done.stderr) == (f"{told}\nCOMPLETED\nCOMPLETED\n", "")


# --- the other client where it cannot work -------------------------------------------------------------------------


def test_trio_is_told_what_to_use_instead(source: FakeSource) -> None:
    trio = pytest.importorskip("trio")

    async def entered() -> None:
        async with jobwatch.Client(source=source):
            pass

    async def awaited() -> None:
        await jobwatch.Client(source=source).wait_for("job_1")

    for use in (entered, awaited):
        with pytest.raises(ConfigError, match=r"jobwatch runs on asyncio, and this is trio: call jobwatch\.wait"):
            trio.run(use)

    async def as_told() -> jobwatch.Job:
        return cast("jobwatch.Job", await trio.to_thread.run_sync(lambda: jobwatch.wait("job_1", source=source)))

    assert trio.run(as_told).status == "succeeded"


def test_without_a_loop_the_other_client_names_this_one(source: FakeSource) -> None:
    client = cast("Any", jobwatch.Client(source=source))
    with pytest.raises(ConfigError, match=r"use jobwatch\.SyncClient"), client:
        pass
    with pytest.raises(ConfigError, match=r"iterate over jobwatch\.watch"):
        list(client.wait_for("job_1"))
    with pytest.raises(ConfigError, match="no asyncio event loop runs here"):
        client.wait_for("job_1").send(None)


def test_a_client_in_a_second_loop_says_what_to_do(source: FakeSource) -> None:
    client = jobwatch.Client(source=source, pace=QUICK)
    asyncio.run(cast("Any", client.wait_for("job_1")))
    with pytest.raises(
        ConfigError, match=r"belongs to another event loop: make one within .* or use jobwatch\.SyncClie"
    ):
        asyncio.run(cast("Any", client.wait_for("job_1")))
    with contextlib.suppress(JobwatchError):
        asyncio.run(client.aclose())
