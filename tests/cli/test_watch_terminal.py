"""``jobwatch watch`` on a terminal: what stands on its screen, keys, sizes, and how it is left."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_SOURCE = """
from jobwatch import Problem
from jobwatch.testing import FakeSource
def make():
    source = FakeSource("acme")
    source.add("build", [("queued", 0), ("running", 0.01)], url="https://ci.test/1")
    source.add("deploy", [("queued", 0), ("blocked", 0.01)], asked="Deploy 4.2?")
    source.add("tests", [("queued", 0), ("failed", 0.01)], error=Problem("no \\x1b[31m space"))
    source.add("later", [("queued", 0), ("completed", 1.5)])
    return source
"""
_WITHIN = 20.0
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[=>]")


class Terminal:
    """A terminal that understands as much as is sent to it, and a process on it."""

    def __init__(self, argv: Sequence[str], folder: Path, size: tuple[int, int], variables: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs  # kept open, so that its state can be read when the process is over
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"NO_COLOR", "LC_ALL", "COLUMNS", "LINES", "FORCE_COLOR"}
        }
        environment |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": os.getcwd(), **variables}  # noqa: PTH109
        self.process = subprocess.Popen(
            argv,
            preexec_fn=self._begin,  # noqa: PLW1509 - no other thread runs here
            cwd=folder,
            env=environment,
            close_fds=False,
        )
        self.sent = ""
        self._place = (0, 0)
        self._screens: dict[bool, dict[tuple[int, int], str]] = {False: {}, True: {}}
        self.is_other = False

    def _begin(self) -> None:
        os.login_tty(self._theirs)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):  # which `nohup` and a shell's `&` have ignored
            signal.signal(number, signal.SIG_DFL)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without blanks at the ends of lines."""
        screen = self._screens[self.is_other]
        height = max((row for row, _ in screen), default=-1) + 1
        rows = [{column: char for (at, column), char in screen.items() if at == row} for row in range(height)]
        return ["".join(row.get(column, " ") for column in range(max(row, default=-1) + 1)).rstrip() for row in rows]

    def until(self, pattern: str) -> str:
        """Wait until a line on the screen matches, and return it."""
        give_up_at = time.monotonic() + _WITHIN
        while True:
            for line in self.lines:
                if re.search(pattern, line):
                    return line
            assert time.monotonic() < give_up_at, (pattern, self.lines)
            self.read(0.1)

    def until_sent(self, pattern: str) -> None:
        """Wait until what was sent so far matches."""
        give_up_at = time.monotonic() + _WITHIN
        while not re.search(pattern, self.sent, re.DOTALL):
            assert time.monotonic() < give_up_at, (pattern, self.sent)
            self.read(0.1)

    def read(self, within: float) -> None:
        if select.select([self._ours], [], [], within)[0]:
            self._show(os.read(self._ours, 65536).decode())

    def end(self) -> int:
        """Wait for the process to end, and return its exit code."""
        give_up_at = time.monotonic() + _WITHIN
        while self.process.poll() is None:
            assert time.monotonic() < give_up_at, self.lines
            self.read(0.05)
        while select.select([self._ours], [], [], 0.05)[0]:
            self._show(os.read(self._ours, 65536).decode())
        return self.process.returncode

    @property
    def is_as_before(self) -> bool:
        """Whether keys, screen and cursor are as they were before the process began."""
        shown = self.sent.count("\x1b[?25l"), self.sent.rindex("\x1b[?25h") > self.sent.rindex("\x1b[?25l")
        return termios.tcgetattr(self._theirs) == self.before and not self.is_other and shown[1]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _show(self, text: str) -> None:
        self.sent += text
        place = 0
        while place < len(text):
            sequence = _SEQUENCE.match(text, place)
            if sequence is None:
                self._put(text[place])
                place += 1
            else:
                self._obey(sequence[1] or "", sequence[2] or "")
                place = sequence.end()

    def _put(self, char: str) -> None:
        row, column = self._place
        match char:
            case "\r":
                self._place = row, 0
            case "\n":
                self._place = row + 1, column
            case _:
                self._screens[self.is_other][row, column] = char
                self._place = row, column + 1

    def _obey(self, numbers: str, command: str) -> None:
        screen = self._screens[self.is_other]
        match command:
            case "H":
                row, column = (int(number or 1) for number in (numbers or "1;1").split(";"))
                self._place = row - 1, column - 1
            case "K":
                for at in [at for at in screen if at[0] == self._place[0] and at[1] >= self._place[1]]:
                    del screen[at]
            case "J":
                screen.clear()
            case "h" | "l" if numbers == "?1049":
                self.is_other = command == "h"
                self._place = (0, 0) if self.is_other else (len(self.lines), 0)
            case _:
                pass


@contextmanager
def watching(
    folder: Path, *argv: str, size: tuple[int, int] = (80, 24), wrapped: str = "", **variables: str
) -> Generator[Terminal]:
    (folder / "watched.py").write_text(_SOURCE)
    options = ["--source", "watched:make", "--min-interval", "20ms", "--max-interval", "50ms", "--no-history"]
    command = [sys.executable, "-m", "jobwatch", "watch", *(argv or ("build", "deploy", "tests")), *options]
    if wrapped:
        command = ["bash", "--norc", "-mc", wrapped.format(" ".join(command))]
    terminal = Terminal(command, folder, size, variables)
    try:
        yield terminal
    finally:
        terminal.close()


def test_jobs_are_looked_at_more_closely_by_keys_and_the_terminal_is_given_back(tmp_path: Path) -> None:
    with watching(tmp_path) as terminal:
        terminal.until(r"> \? deploy ╌*\?+ +blocked")
        assert terminal.lines[0] == "Watching 3 jobs on acme"
        assert terminal.until("Deploy 4.2").strip() == "waits for a person: Deploy 4.2?"
        terminal.until(r"✘ tests +╌*✘ +failed  no \\x1b\[31m space")
        terminal.press("\x1b[B\x1b[B")
        terminal.until(r"> ▸ build")
        terminal.press("\r")
        terminal.until(r"^page  https://ci.test/1$")
        assert terminal.lines[0] == "▸ build"
        terminal.press("\x1b")  # alone: nothing follows
        terminal.until("Watching 3 jobs")
        terminal.press("/TES")
        terminal.until(r"^filter: TES_")
        assert not any("build" in line for line in terminal.lines)
        terminal.press("\x1b")
        terminal.until("build")
        terminal.press("q")
        assert terminal.end() == 130, "two jobs go on"
        assert terminal.is_as_before
        assert terminal.until("^1 waiting for a person: deploy|1 running: build")
        assert any("✘ tests" in line for line in terminal.lines), "what was seen is left standing"


def test_a_terminal_of_another_size_is_filled_anew(tmp_path: Path) -> None:
    with watching(tmp_path, size=(100, 30)) as terminal:
        terminal.until("deploy")
        terminal.until("whole bar")
        terminal.resize(40, 15)
        terminal.until("^q quit, Enter details, / filter$")
        assert len(terminal.lines) == 15
        assert max(map(len, terminal.lines)) <= 40
        terminal.resize(100, 30)
        terminal.until("whole bar")
        assert len(terminal.lines) == 30


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGQUIT, -signal.SIGQUIT),
    ],
)
def test_the_terminal_is_given_back_however_the_command_ends(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with watching(tmp_path) as terminal:
        terminal.until("deploy")
        if number is signal.SIGINT:
            terminal.press("\x03")  # Ctrl-C is still a signal
        else:
            terminal.process.send_signal(number)
        assert terminal.end() == code
        assert terminal.is_as_before


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTSTP])
def test_a_signal_that_is_ignored_stays_so(tmp_path: Path, number: signal.Signals) -> None:
    # Of a shell without job control: one with it has such signals as usual in what it runs.
    ignoring = f"trap '' {number.name.removeprefix('SIG')}; exec {{}}"
    with watching(tmp_path, wrapped=f'exec sh -c "{ignoring}"') as terminal:
        terminal.until("> . deploy")
        terminal.until("tests .*failed")  # which is when it follows
        terminal.process.send_signal(number)
        terminal.press("j")
        terminal.until("> . tests")
        assert "\x1b[?1049l" not in terminal.sent, "the screen was not given back, not even for a moment"
        terminal.press("q")
        assert terminal.end() == 130
        assert terminal.is_as_before


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_it_stops_and_goes_on_as_a_shell_asks(tmp_path: Path) -> None:
    with watching(tmp_path, wrapped="{}; echo STOPPED; stty -a; fg; echo CODE $?") as terminal:
        terminal.until("> . deploy")
        terminal.press("\x1a")
        # Left, the shell's own words with the terminal as it was, and entered again; all of it may come at once.
        terminal.until_sent(r"\?1049l.*STOPPED\r\n.*\bisig icanon.*\?1049h.*deploy")
        assert terminal.is_other
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.until("CODE 130")
        assert terminal.is_as_before


def test_without_colour_and_in_plain_ascii(tmp_path: Path) -> None:
    with watching(tmp_path, NO_COLOR="1", LC_ALL="C") as terminal:
        terminal.until(r"> \? deploy -*\?+ +blocked")
        terminal.until(r"x tests +-*x +failed  no \\x1b\[31m space")
        terminal.press("q")
        terminal.end()
        assert terminal.sent.isascii()
        assert not re.search(r"\x1b\[[\d;]*[34][0-7]", terminal.sent)
        assert terminal.is_as_before


def test_keys_come_from_the_terminal_though_stdin_is_something_else(tmp_path: Path) -> None:
    with watching(tmp_path, wrapped="{} < /dev/null; echo CODE $?") as terminal:
        terminal.until("> . deploy")
        terminal.press("q")
        terminal.until("CODE 130")
        assert terminal.end() == 0
        assert terminal.is_as_before


def test_what_is_noted_meanwhile_does_not_spoil_the_screen(tmp_path: Path) -> None:
    with watching(tmp_path, "tests", "--exec", "sh -c 'echo told >&2; exit 3'") as terminal:
        terminal.until(r"--exec sh for tests: it failed: exit code 3|it failed")
        assert len(terminal.lines) == 24
        assert terminal.is_other
        terminal.press("q")
        assert terminal.end() == 1, "the only job has failed"
        assert any(line.startswith("jobwatch: --exec sh for tests: it failed") for line in terminal.lines)
        assert any("exec tests | told" in line for line in terminal.lines)


def test_a_terminal_that_is_stopped_holds_up_no_look(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with watching(tmp_path, "later", "--exec", f"touch {told}") as terminal:
        terminal.until("later")
        terminal.press("\x13")  # Ctrl-S
        give_up_at = time.monotonic() + _WITHIN
        while not told.exists():
            assert time.monotonic() < give_up_at
            terminal.read(0.05)
        assert not any("completed" in line for line in terminal.lines), "it was stopped indeed"
        terminal.press("\x11")
        terminal.until("✔ later")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.is_as_before


def test_the_lines_that_have_not_changed_are_not_drawn_again(tmp_path: Path) -> None:
    with watching(tmp_path, "tests") as terminal:
        terminal.until("failed")
        terminal.read(0.5)
        before = len(terminal.sent)
        give_up_at = time.monotonic() + 1.0
        while time.monotonic() < give_up_at:
            terminal.read(0.1)
        assert len(terminal.sent) - before < 400, "five drawings a second, of which nothing but a number is new"
