"""A journal is used by one watcher at a time, whatever its file is called, and by nobody once that has died."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobwatch import JournalError
from jobwatch._files import lock
from jobwatch._files.lock import FileInUse, FileLock
from jobwatch._watching import sqlite_open as opening
from jobwatch._watching.sqlite import JournalFile

from .journals import (
    API,
    changed,
    made,
    refused,
)


def test_row_121_the_same_process_cannot_open_it_twice(path: Path) -> None:
    first = JournalFile(path, API)
    with pytest.raises(JournalError, match="in use by this process") as caught:
        JournalFile(path, API)
    assert caught.value.pid == os.getpid()
    first.write([changed("a", 1, 1)])
    first.close()
    JournalFile(path, API).close()


def test_row_121_nor_by_another_name_of_it(path: Path) -> None:
    first = JournalFile(path, API)
    other = path.with_name("link.db")
    other.symlink_to(path)
    with pytest.raises(JournalError, match="in use"):
        JournalFile(other, API)
    first.close()


_HOLD = "import sys, jobwatch._watching.sqlite as f; j = f.JournalFile(sys.argv[1], 'bedrock'); print(); input()"


def test_row_121_another_process_is_told_whose_it_is_and_a_dead_one_holds_nothing(path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(JournalError, match=f"in use by process {holder.pid};") as caught:
            JournalFile(path, API)
        assert caught.value.pid == holder.pid
        holder.send_signal(signal.SIGKILL)
    JournalFile(path, API).close()


@pytest.mark.slow
def test_row_121_of_many_that_open_it_at_once_one_gets_it(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        got = pool.map(_try_to_hold, [str(path)] * 6, chunksize=1)
    assert sum(got) >= 1
    assert JournalFile(path, API).find([f"job {pid}" for pid in range(1)]) == {}


def _try_to_hold(path: str) -> bool:
    try:
        file = JournalFile(path, API)
    except JournalError as error:
        assert "in use" in str(error)  # noqa: PT017 - there is nothing to catch it in
        return False
    time.sleep(0.02)
    file.close()
    return True


@pytest.mark.parametrize("beside", ["watch.db.lock", "watch.db-wal", "watch.db-shm", "watch.db.new"])
def test_row_121_no_symbolic_link_beside_it_is_followed(path: Path, beside: str) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious" * 1000)
    path.with_name(beside).symlink_to(victim)
    try:
        file = JournalFile(path, API)
        file.write([changed("a", 1, 1)])
        file.close()
    except JournalError:
        assert beside != "watch.db.lock"
    assert victim.read_bytes() == b"precious" * 1000


def test_row_121_a_journal_with_two_names_is_refused(path: Path) -> None:
    os.link(made(path, changed("a", 1, 1)), path.with_name("other.db"))
    for name in (path, path.with_name("other.db")):
        assert str(refused(name)) == f"the journal {name} has 2 names (hard links); keep one of them"
    path.with_name("other.db").unlink()
    JournalFile(path, API).close()


def test_row_121_nor_by_a_hard_link_made_while_it_is_open(path: Path) -> None:
    first = JournalFile(path, API)
    os.link(path, path.with_name("other.db"))
    with pytest.raises(JournalError, match="in use by this process"):
        JournalFile(path.with_name("other.db"), API)
    first.write([changed("a", 1, 1)])
    first.close()


_FORK = """
import os, signal, sys, jobwatch._watching.sqlite as f
j = f.JournalFile(sys.argv[1], 'bedrock')
if not os.fork():
    signal.pause()
if sys.argv[2] == 'close':
    j.close()
    f.JournalFile(sys.argv[1], 'bedrock').close()
print(flush=True)
signal.pause()
"""


_HEIR = """
import os, sys, jobwatch._watching.sqlite as f
j = f.JournalFile(sys.argv[1], 'bedrock')
there, here = os.pipe()
if os.fork():
    j.close()
    os.write(here, b'x')
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
os.read(there, 1)
f.JournalFile(sys.argv[1], 'bedrock').close()
"""


def test_row_121_a_forked_child_may_open_what_its_parent_has_closed(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", _HEIR, path], check=False).returncode == 0


@pytest.mark.parametrize("how", ["close", "kill"])
def test_row_121_a_forked_child_does_not_have_the_lock(path: Path, how: str) -> None:
    command = [sys.executable, "-c", _FORK, str(path), how]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    with holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"\n"
            if how == "kill":
                holder.send_signal(signal.SIGKILL)
                holder.wait()
            JournalFile(path, API).close()  # while the child lives on
        finally:
            os.killpg(holder.pid, signal.SIGKILL)


def test_row_121_a_lock_lost_with_another_handle_of_the_file_is_taken_again(path: Path) -> None:
    """As when the process that has it open makes a copy of it: POSIX drops the locks when any handle is closed."""
    first = JournalFile(path, API)
    path.read_bytes()
    first.write([changed("a", 1, 1)])
    assert subprocess.run([sys.executable, "-c", _HOLD, path], capture_output=True, check=False).returncode == 1
    path.read_bytes()
    with subprocess.Popen([sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(FileInUse) as caught:
            first.write([changed("a", 2, 2)])
        assert (caught.value.pid, caught.value.errno) == (other.pid, errno.EAGAIN)
        assert opening.is_lasting(caught.value), "what the other has written is not known here"
        other.kill()
    first.close()


def test_row_121_a_system_that_does_not_say_who_holds_a_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr(sys, "platform", "freebsd14")
        with pytest.raises(JournalError, match="in use by another process") as caught:
            JournalFile(path, API)
        monkeypatch.undo()
        assert caught.value.pid is None
        holder.kill()


def test_row_121_where_the_system_has_no_such_locks_sqlite_has(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(lock, "fcntl")
    monkeypatch.setattr(opening, "_BUSY_SECONDS", 0.01)
    file = JournalFile(path, API)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(lock, "_holders", {})  # as in another process
        with pytest.raises(JournalError, match=r"watch\.db cannot be used: database is locked$"):
            JournalFile(path, API)
    file.close()
    JournalFile(path, API).close()


def test_row_119_a_lock_that_cannot_be_taken_is_an_error_and_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    made(path)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "lockf", no_locks)
        assert str(refused(path)) == (
            f"the journal {path} cannot be opened: No locks available; name another, or see to its folder"
        )
    JournalFile(path, API).close()


def test_a_file_is_not_locked_through_a_symbolic_link(path: Path) -> None:
    path.touch()
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic") as caught:
        FileLock(link)
    assert caught.value.errno == errno.ELOOP
    FileLock(path).release()


def test_a_lock_that_was_let_go_is_not_let_go_again(path: Path) -> None:
    path.touch()
    held = FileLock(path)
    held.release()
    other = path.with_name("other").open("wb")
    held.release()
    other.write(b"x")
    other.close()


def test_row_119_a_folder_that_another_process_holds_is_not_waited_for_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_LOCKED_WITHIN", 0.03)
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(JournalError, match=r"another process has held the lock of .* for 0\.03 s"):
        JournalFile(path, API)
    os.close(folder)
    JournalFile(path, API).close()


def test_row_121_whose_journal_it_is_is_said_in_full(path: Path) -> None:
    file = JournalFile(path, API)
    with pytest.raises(JournalError) as caught:
        JournalFile(path, API)
    assert str(caught.value) == (
        f"the journal {path} is in use by this process; give each watcher a journal of its own"
    )
    assert (caught.value.path, caught.value.pid) == (str(path), os.getpid())
    file.close()
