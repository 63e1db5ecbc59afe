"""Lines of a drawing that have changed, as a terminal takes them: the parts that have changed, and where they go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style

from ._frame import Line
from ._output import without_secrets
from ._rows import width_of


class Part(NamedTuple):
    """The rest of a line, from where it has changed on.

    Attributes:
        line: Which line of the drawing, from 0 on.
        column: How many columns of it stay as they are.
        text: What follows, with the codes of its styles.
    """

    line: int
    column: int
    text: str


class Changes:
    """Finds what has to be written so that one drawing becomes another.

    Args:
        console: Knows what the terminal can.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known_codes: dict[str, tuple[str, str]] = {}

    def between(self, before: Sequence[Line], after: Sequence[Line]) -> Iterator[Part]:
        """Return the parts that differ, from the top on; of lines that are there no more, that nothing is there."""
        for at, line in enumerate(after):
            old = before[at] if at < len(before) else []
            if old == line and at < len(before):
                continue
            same = 0
            while same < min(len(old), len(line)) and old[same] == line[same]:
                same += 1
            column = sum(width_of(text) for text, _ in line[:same])
            yield Part(at, column, "".join(self._styled(text, style) for text, style in line[same:]))
        for at in range(len(after), len(before)):
            yield Part(at, 0, "")

    def _styled(self, text: str, style: str) -> str:
        return text.join(self._codes(style)) if style else text

    def _codes(self, style: str) -> tuple[str, str]:
        """Return what stands before and behind a text of some style, if anything: rich knows what the terminal can."""
        if style not in self._known_codes:
            parsed = Style.parse(style)
            drawn = parsed.without_color if self._console.no_color else parsed
            colors = COLOR_SYSTEMS.get(self._console.color_system or "")
            before, _, behind = drawn.render("x", color_system=colors).partition("x")
            self._known_codes[style] = before, behind
        return self._known_codes[style]


def from_the_top(parts: Sequence[Part]) -> str:
    """Return what writes parts where the drawing begins in the terminal's first line."""
    # What is erased is erased first: at its end a line may be as wide as the terminal, and its last column go with it.
    return without_secrets("".join(f"\x1b[{at + 1};{column + 1}H\x1b[K{text}" for at, column, text in parts))


def from_the_end(parts: Sequence[Part], lines: int) -> str:
    """Return what writes parts where the cursor is in the drawing's last line, and is to be there again.

    Args:
        parts: The parts.
        lines: How many lines the drawing has.
    """
    written: list[str] = []
    place = lines - 1
    for at, column, text in parts:
        right = f"\x1b[{column}C" if column else ""
        written.append(f"{_moved(at - place)}\r{right}\x1b[K{text}")
        place = at
    return without_secrets(f"{''.join(written)}{_moved(lines - 1 - place)}")


def _moved(down: int) -> str:
    if not down:
        return ""
    return f"\x1b[{down}B" if down > 0 else f"\x1b[{-down}A"
