"""Keys, from the bytes that a terminal sends for them to what they do to a view of jobs. Pure."""

from __future__ import annotations

import codecs
import enum
import re
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])")
"""A control sequence, as ECMA-48 has it (5.4), and what VT100s send for keys (SS3)."""

_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
"""One of which the end has not come yet, or Escape."""


class Key(enum.Enum):
    """A key that is no character."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    HOME = "home"
    END = "end"
    ENTER = "enter"
    ESCAPE = "escape"
    BACKSPACE = "backspace"
    CLEAR = "clear"
    REDRAW = "redraw"


Pressed: TypeAlias = Key | str
"""A key, or a character."""

_SEQUENCES = {
    **dict.fromkeys(("[A", "OA"), Key.UP),
    **dict.fromkeys(("[B", "OB"), Key.DOWN),
    **dict.fromkeys(("[5~",), Key.PAGE_UP),
    **dict.fromkeys(("[6~",), Key.PAGE_DOWN),
    **dict.fromkeys(("[H", "OH", "[1~", "[7~"), Key.HOME),
    **dict.fromkeys(("[F", "OF", "[4~", "[8~"), Key.END),
    "OM": Key.ENTER,
}
_CONTROLS = {
    **dict.fromkeys("\r\n", Key.ENTER),
    **dict.fromkeys("\x7f\b", Key.BACKSPACE),
    "\x02": Key.PAGE_UP,
    "\x06": Key.PAGE_DOWN,
    "\x0c": Key.REDRAW,
    "\x0e": Key.DOWN,
    "\x10": Key.UP,
    "\x15": Key.CLEAR,
}


class Decoder:
    """Tells keys from bytes, also where a key's bytes come in two parts."""

    def __init__(self) -> None:
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._left = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it has the beginning of a key: Escape, if nothing follows soon."""
        return bool(self._left)

    def fed(self, data: bytes) -> list[Pressed]:
        """Return the keys that are complete with these bytes."""
        text = self._left + self._characters.decode(data)
        begun = _BEGUN.search(text)
        self._left = "" if begun is None else begun[0]
        return _keys(text if begun is None else text[: begun.start()])

    def flushed(self) -> list[Pressed]:
        """Return what the beginning of a key is, as nothing has followed."""
        left, self._left = self._left, ""
        return [Key.ESCAPE] if left == "\x1b" else []


def _keys(text: str) -> list[Pressed]:
    keys: list[Pressed] = []
    place = 0
    while place < len(text):
        sequence = _SEQUENCE.match(text, place)
        if sequence is not None:
            key: Pressed | None = _SEQUENCES.get(sequence[0][1:])
            place = sequence.end()
        else:
            character = text[place]
            key = Key.ESCAPE if character == "\x1b" else _CONTROLS.get(character)
            key = character if key is None and character.isprintable() else key
            place += 1
        if key is not None:
            keys.append(key)
    return keys


# --- what they do -------------------------------------------------------------------------------------------------


class Mode(enum.Enum):
    """What keys are for."""

    LIST = "list"
    FILTER = "filter"
    DETAILS = "details"


class Which(enum.Enum):
    """Which jobs are listed."""

    ALL = "all"
    GOING_ON = "going on"
    BAD = "ended badly"
    ATTENTION = "wait for a person, late, or not seen"


class View(Struct, frozen=True, kw_only=True):
    """What is looked at.

    Attributes:
        mode: What keys are for.
        which: Which jobs are listed.
        words: What their names, types or states must hold.
        selected: The id of the job that the cursor is at; None for the first one, whichever that is.
        top: How many jobs, or lines of a job's details, are above those that are shown.
        is_over: Whether that is enough.
    """

    mode: Mode = Mode.LIST
    which: Which = Which.ALL
    words: str = ""
    selected: str | None = None
    top: int = 0
    is_over: bool = False


_MOVES = {
    **dict.fromkeys((Key.UP, "k"), (-1, 0)),
    **dict.fromkeys((Key.DOWN, "j"), (1, 0)),
    **dict.fromkeys((Key.PAGE_UP, "b"), (0, -1)),
    **dict.fromkeys((Key.PAGE_DOWN, " "), (0, 1)),
}
"""By how many lines, and pages, keys move."""

_LONGEST_FILTER = 100


def pressed(view: View, key: Pressed, listed: Sequence[str], page: int) -> View:
    """Return what is looked at after a key.

    Args:
        view: What was looked at.
        key: The key.
        listed: The ids of the jobs that are listed, in order.
        page: How many lines there are for jobs, or for a job's details.
    """
    match view.mode:
        case Mode.FILTER:
            return _filtered(view, key)
        case Mode.DETAILS:
            return _in_details(view, key, listed, page)
        case Mode.LIST:
            return _in_list(view, key, listed, page)


def _filtered(view: View, key: Pressed) -> View:
    match key:
        case Key.ENTER | Key.UP | Key.DOWN:
            return replace(view, mode=Mode.LIST)
        case Key.ESCAPE:
            return replace(view, mode=Mode.LIST, words="", top=0)
        case Key.BACKSPACE:
            return replace(view, words=view.words[:-1], top=0)
        case Key.CLEAR:
            return replace(view, words="", top=0)
        case str() if len(view.words) < _LONGEST_FILTER:
            return replace(view, words=view.words + key, top=0)
        case _:
            return view


def _in_details(view: View, key: Pressed, listed: Sequence[str], page: int) -> View:
    match key:
        case "q" | Key.ESCAPE | Key.BACKSPACE | Key.ENTER:
            return replace(view, mode=Mode.LIST, top=0)
        case "n" | "p":
            at = _moved(view, 1 if key == "n" else -1, listed)
            return replace(view, selected=at, top=0)
        case Key.HOME | "g":
            return replace(view, top=0)
        case Key.END | "G":
            return replace(view, top=_ALL_THE_WAY)
        case _ if key in _MOVES:
            lines, pages = _MOVES[key]
            return replace(view, top=max(0, view.top + lines + pages * page))
        case _:
            return view


def _in_list(view: View, key: Pressed, listed: Sequence[str], page: int) -> View:
    match key:
        case "q":
            return replace(view, is_over=True)
        case Key.ENTER if listed:
            return replace(view, mode=Mode.DETAILS, selected=_moved(view, 0, listed), top=0)
        case "/":
            return replace(view, mode=Mode.FILTER)
        case "f":
            order = list(Which)
            return replace(view, which=order[(order.index(view.which) + 1) % len(order)], top=0)
        case Key.ESCAPE:
            return replace(view, which=Which.ALL, words="", selected=None, top=0)
        case Key.HOME | "g":
            return replace(view, selected=None, top=0)
        case Key.END | "G" if listed:
            return replace(view, selected=listed[-1])
        case _ if key in _MOVES:
            lines, pages = _MOVES[key]
            return replace(view, selected=_moved(view, lines + pages * page, listed))
        case _:
            return view


_ALL_THE_WAY = 1_000_000


def _moved(view: View, by: int, listed: Sequence[str]) -> str | None:
    """Return the job that is so many lines further down than the selected one, or the first one."""
    if not listed:
        return view.selected
    at = listed.index(view.selected) if view.selected in listed else 0
    return listed[min(max(0, at + by), len(listed) - 1)]
