"""What is written so that one drawing becomes another, on a screen that understands it."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from jobwatch import Phase, Transition
from jobwatch.cli import _output
from jobwatch.cli._frame import Line
from jobwatch.cli._live import LiveTable
from jobwatch.cli._overwrite import Changes, from_the_end, from_the_top
from jobwatch.cli._standing import Standing

from .test_table import BEGIN

_WIDTH = 12
_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Screen:
    """A terminal: after a character in its last column the cursor stays there until the next one, as on xterm."""

    def __init__(self, lines: int) -> None:
        self.cells = [[" "] * _WIDTH for _ in range(lines)]
        self.row = self.column = 0

    @property
    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.cells]

    def show(self, text: str) -> None:
        place = 0
        while place < len(text):
            sequence = _SEQUENCE.match(text, place)
            if sequence is not None:
                self._obey(sequence[1], sequence[2])
                place = sequence.end()
                continue
            self._put(text[place])
            place += 1

    def _put(self, char: str) -> None:
        match char:
            case "\r":
                self.column = 0
            case "\n":
                self.row, self.column = self.row + 1, 0
            case _:
                width = cell_len(char)
                assert self.column + width <= _WIDTH, "a line was wrapped"
                self.cells[self.row][self.column : self.column + width] = [char, *[""] * (width - 1)]
                self.column += width

    def _obey(self, numbers: str, command: str) -> None:
        first = int(numbers.split(";", maxsplit=1)[0] or 1)
        match command:
            case "A":
                self.row -= first
            case "B":
                self.row = min(self.row + first, len(self.cells) - 1)
            case "C":
                self.column = min(self.column + first, _WIDTH - 1)
            case "H":
                self.row, self.column = first - 1, int(numbers.split(";")[1]) - 1
            case "K":
                at = min(self.column, _WIDTH - 1)
                self.cells[self.row][at:] = [" "] * (_WIDTH - at)
            case _:
                assert command == "m", command


def fitting(line: Line) -> Line:
    while sum(cell_len(text) for text, _ in line) > _WIDTH:
        line = line[:-1]
    return line


PIECES = st.tuples(st.text(alphabet="ab日━ ", max_size=6), st.sampled_from(["", "bold", "dim"]))
LINES = st.lists(PIECES, max_size=4).map(fitting)


def plain(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in lines]


@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=5))
def test_a_drawing_becomes_the_next_one_wherever_it_stands(both: list[tuple[Line, Line]]) -> None:
    changes = Changes(Console(file=io.StringIO(), force_terminal=True, width=_WIDTH))
    before, after = [line for line, _ in both], [line for _, line in both]
    from_above, from_below = Screen(len(both)), Screen(len(both))
    for screen in (from_above, from_below):
        screen.show("\n".join(plain(before)))
    from_above.show(from_the_top(list(changes.between(before, after))))
    from_below.show(from_the_end(list(changes.between(before, after)), len(after)))
    assert from_above.lines == from_below.lines == plain(after)
    assert from_below.row == len(both) - 1


@given(st.lists(LINES, max_size=5), st.lists(LINES, max_size=5))
def test_lines_come_and_go(before: list[Line], after: list[Line]) -> None:
    changes = Changes(Console(file=io.StringIO(), force_terminal=True, width=_WIDTH))
    screen = Screen(5)
    screen.show("\n".join(plain(before)))
    screen.show(from_the_top(list(changes.between(before, after))))
    assert screen.lines == plain(after) + [""] * (5 - len(after))


def test_what_has_not_changed_is_not_written() -> None:
    changes = Changes(Console(file=io.StringIO(), force_terminal=True, width=_WIDTH))
    before: list[Line] = [[("same", "")], [("日", "bold"), ("1 s", "dim")]]
    after: list[Line] = [[("same", "")], [("日", "bold"), ("2 s", "dim")]]
    assert list(changes.between(before, after)) == [(1, 2, "\x1b[2m2 s\x1b[0m")]
    assert list(changes.between(after, after)) == []


def test_a_secret_is_masked() -> None:
    _output.mask(["sk_live_0123456789"])
    changes = Changes(Console(file=io.StringIO(), force_terminal=True, width=40))
    parts = list(changes.between([], [[("at sk_live_0123456789", "bold")]]))
    assert "sk_live" not in from_the_top(parts) + from_the_end(parts, 1)


def test_the_live_table_writes_what_has_changed_and_all_of_it_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 5.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("time.time", lambda: BEGIN.timestamp() + now)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=20)
    assert isinstance(console.file, io.StringIO)

    def written(looks: int) -> str:
        before = len(console.file.getvalue())  # type: ignore[attr-defined]
        table.refresh({"j": Standing(looks)})
        return console.file.getvalue()[before:]  # type: ignore[attr-defined, no-any-return]

    with LiveTable(["j"], "Waiting", console) as table:
        table.transition(Transition("j", 1, "RUNNING", Phase.RUNNING, BEGIN, BEGIN))
        assert "Waiting" in written(1), "there are other lines than before"
        assert "(2 looks)" in (part := written(2))
        assert "Waiting" not in part
        assert "RUNNING" not in part
        now += 2.0
        assert "Waiting" in written(3), "somebody else may have written to the terminal, or the process was stopped"
        assert "Waiting" not in written(4)
        console.print("above")
        assert "(4 looks)" in console.file.getvalue().partition("above")[2], "rich draws what was drawn last"
