"""Ctrl-C while something is being made: it comes a moment later, and what is asked next is answered."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

import pytest

from jobwatch._sync.loop import LoopThread, run
from jobwatch._sync.uninterrupted import Uninterrupted
from jobwatch.testing import JobServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")


@pytest.fixture(autouse=True)
def _as_in_a_program() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Ctrl-C come within the start of the next thread, which runs by then."""
    start, left = threading.Thread.start, [1]

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if left:
            left.pop()
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", interrupted)


def test_it_comes_afterwards_and_once() -> None:
    reached = []

    def interrupted() -> None:
        with Uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            with Uninterrupted():
                signal.raise_signal(signal.SIGINT)
            reached.append(1)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Uninterrupted():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_is_not_concerned() -> None:
    handlers = []

    def within() -> None:
        with Uninterrupted():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=within)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


async def _nothing() -> int:
    return 7


async def _last() -> None:
    pass


@pytest.mark.usefixtures("starting")
def test_a_call_that_is_interrupted_as_its_thread_starts_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        run(_nothing)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) == before
    assert run(_nothing) == 7


@pytest.mark.usefixtures("starting")
def test_a_client_that_is_interrupted_as_its_thread_starts_answers_the_next_call() -> None:
    loop, told, before = LoopThread(), [], set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        loop.call(_nothing)
    asking = threading.Thread(target=lambda: told.append(loop.call(_nothing)), daemon=True)
    asking.start()
    asking.join(5)
    assert told == [7]
    loop.close(_last)
    assert set(threading.enumerate()) == before


def test_where_there_can_be_no_more_threads_that_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    loop = LoopThread()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        for call in (loop.call, run):
            with pytest.raises(RuntimeError, match="can't start new thread"):
                call(_nothing)
    assert loop.call(_nothing) == 7
    loop.close(_last)


def test_nor_is_one_of_the_command_line() -> None:
    program = """
        import signal, sys

        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name == "jobwatch._models" and name not in sys.modules:
                    signal.raise_signal(signal.SIGINT)

        sys.meta_path.insert(0, Finder())
        from jobwatch.cli import main
        code = main(["wait", "j", "--api", "bedrock"])
        sys.exit(code if {"jobwatch._models", "jobwatch.cli._wait"} <= sys.modules.keys() else 1)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_import_is_not_interrupted(job_server: JobServer) -> None:
    job_server.add("bedrock", "done", ["COMPLETED"])
    program = """
        import signal, sys

        class Finder:
            left = {"jobwatch._reading.rpc", "jobwatch.apis.bedrock"}
            def find_spec(self, name, path=None, target=None):
                if name in self.left:
                    self.left.remove(name)
                    signal.raise_signal(signal.SIGINT)

        sys.meta_path.insert(0, Finder())
        import jobwatch

        def waited(**more):
            return jobwatch.wait("done", "bedrock", base_url=sys.argv[1], token=sys.argv[2], **more)

        while Finder.left:
            before = set(Finder.left)
            try:
                waited()
            except KeyboardInterrupt:
                came = before - Finder.left
                print("interrupted", came <= sys.modules.keys())
        print(waited().status)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
    command += [job_server.url_of("bedrock"), job_server.token or ""]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("interrupted True\ninterrupted True\nCOMPLETED\n", "")
