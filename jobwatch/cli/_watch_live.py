"""Watched jobs on a terminal: a table that fills it, and keys to look at them more closely."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console

from ._bars import ASCII, UNICODE
from ._frame import Scene as TableScene
from ._frame import Screen, frame
from ._live import Frame, draws_unicode
from ._output import brief, echo
from ._rows import summary, width_of, wrapped
from ._watch_frame import Scene, Shown, shown, title_of
from ._watch_keys import Key, View, Which, pressed
from ._watch_rows import Drawn, listed, table_row
from ._watch_screen import Terminal

if TYPE_CHECKING:
    from .._report.overview import Overview, Row
    from ._frame import Line
    from ._watch_keys import Pressed
    from ._watch_news import News, Written

_NOTES_KEPT = 100


class LiveFace:
    """The table.

    Args:
        overview: All jobs.
        what: What is watched, in words for a title.
        is_lasting: Whether more jobs may come.
        console: What is drawn on.
    """

    every = 0.2

    def __init__(self, overview: Overview, what: str, *, is_lasting: bool, console: Console | None = None) -> None:
        self._overview = overview
        self._what = what
        self._is_lasting = is_lasting
        self._console = console or Console(highlight=False)
        self._glyphs = UNICODE if draws_unicode(self._console.encoding, os.environ) else ASCII
        self._rows = Drawn(self._clean)
        self._view = View()
        self._shown: Shown | None = None
        self._listed: tuple[tuple[object, ...], list[Row]] = (), []
        self._written: dict[str, Written] = {}
        self._now = 0.0
        self._began: float | None = None
        self._names: tuple[int, int] = (-1, 0)
        self._has_left = asyncio.Event()
        self._terminal = Terminal(self._console, self._key, self._draw_anew)
        self._notes = _Notes()
        self._stderr = sys.stderr

    @property
    def stays(self) -> bool:
        """Whether somebody can look at jobs that have ended, and leave by a key."""
        return self._terminal.has_keys

    def __enter__(self) -> Self:
        """Take the terminal; what is written to stderr, if that is the same, is kept until it is given back."""
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr = self._notes
        self._terminal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back, and leave standing how the jobs stand."""
        self._terminal.__exit__(kind, error, trace)
        sys.stderr = self._stderr
        for line in self._notes.kept:
            echo(line)
        if self._overview.origin is not None:
            self._leave_standing()

    def take(self, news: News) -> None:
        """Draw what is new, and that time has passed."""
        self._now = news.now
        self._written.update(news.written)
        for job_id in news.gone:
            self._written.pop(job_id, None)
        self._began = news.now if self._began is None else self._began
        self._draw()

    async def until_quit(self) -> None:
        """Wait until somebody leaves by a key."""
        await self._has_left.wait()

    # --- drawing --------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        origin = self._overview.origin
        if origin is None:
            return
        size = self._terminal.size
        rows = self._list()
        scene = Scene(
            title=self._clean(title_of(origin, self._what)),
            origin=origin,
            totals=self._overview.totals(self._now),
            rows=rows,
            view=self._view,
            now=self._now,
            longest=self._longest(),
            opened=None if self._view.selected is None else self._overview.row(self._view.selected),
            written=None if self._view.selected is None else self._written.get(self._view.selected),
            note=self._clean(self._notes.kept[-1]) if self._notes.kept else "",
            has_keys=self._terminal.has_keys,
        )
        self._shown = shown(scene, Screen(size.width, size.height, self._glyphs), self._rows)
        self._view = self._shown.view
        self._terminal.draw(self._shown.lines)

    def _list(self) -> list[Row]:
        """Return the jobs to list, found anew only when that may be others."""
        view = self._view
        changes_in_time = self._now if view.which is Which.ATTENTION else None
        known_by = self._overview.version, view.which, view.words, changes_in_time
        if known_by != self._listed[0]:
            self._listed = known_by, listed(self._overview.rows(), view, self._now)
        return self._listed[1]

    def _longest(self) -> int:
        """Return how many columns the longest name takes, counted anew only when there are other jobs."""
        count = len(self._overview)
        if self._names[0] != count:
            names = (width_of(self._clean(row.job_id)) for row in self._overview.rows())
            self._names = count, max(names, default=0)
        return self._names[1]

    def _draw_anew(self) -> None:
        self._terminal.forget()
        self._draw()

    def _leave_standing(self) -> None:
        """Print how the jobs stand, for who looks up after it."""
        origin = self._overview.origin
        if origin is None:
            return
        rows = [table_row(row, self._now, self._clean) for row in self._overview.rows()]
        size = self._terminal.size
        lines: list[Line] = [[(line, "bold")] for line in wrapped(summary(rows, self._glyphs) or "no jobs", size.width)]
        if not self._is_lasting:
            taken = self._now - (self._now if self._began is None else self._began)
            scene = TableScene(self._clean(title_of(origin, self._what)), rows, taken, self._now, is_last=True)
            lines = frame(scene, Screen(size.width, size.height, self._glyphs))
        self._console.print(Frame(lines), end="")

    # --- keys -----------------------------------------------------------------------------------------------------

    def _key(self, key: Pressed) -> None:
        if key is Key.REDRAW:
            self._draw_anew()
            return
        page = 1 if self._shown is None else self._shown.page
        self._view = pressed(self._view, key, [row.job_id for row in self._list()], page)
        if self._view.is_over:
            self._has_left.set()
        else:
            self._draw()

    def _clean(self, text: str) -> str:
        """Return a text as it may be drawn. Before it is laid out: a secret on two lines could not be masked."""
        text = brief(text)
        return text.encode("ascii", "backslashreplace").decode() if self._glyphs is ASCII else text


class _Notes(io.StringIO):
    """What is written to stderr while the terminal shows the table: the last lines."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: deque[str] = deque(maxlen=_NOTES_KEPT)

    def write(self, text: str, /) -> int:
        self.kept.extend(text.splitlines())
        return len(text)

    def isatty(self) -> bool:
        return True
