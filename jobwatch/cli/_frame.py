"""What the live table shows at one time: lines of pieces of text that fit a terminal's width and height. Pure.

As much is told as there is room for: every job with its states and whatever is to be said of it; else without the
states; else one line a job, those first that wait for a person or ended badly, and how many more there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TypeAlias

from msgspec import Struct

from .._models import Phase
from ._bars import PHASE_STYLES, Glyphs, Piece, bar, scale_of, spans
from ._endings import count
from ._render import human_duration
from ._rows import (
    Row,
    about,
    counted,
    cut,
    end_mark,
    flowed,
    history,
    left_text,
    mark,
    notes,
    summary,
    time_now,
    width_of,
    wrapped,
)

Line: TypeAlias = list[Piece]

_INDENT = "    "
_NARROW = 30
"""From how many columns on a row has a bar."""

_LEGEND_FROM = 14
"""From how many lines on there is one that says what the characters of the bars mean."""

_FEW = 10
"""Of how many jobs all are left standing at the end with all their states, whether they fit or not."""

_MOST_BAD = 50
"""How many jobs that did not succeed are left standing at the end one by one; of more, the rest is counted."""


class Screen(Struct, frozen=True):
    """What is drawn on, and how.

    Attributes:
        width: How many columns there are.
        height: How many lines a drawing may take; the last drawing may take more, since nothing is drawn over it.
        glyphs: The characters to use.
    """

    width: int
    height: int
    glyphs: Glyphs


class Scene(Struct, frozen=True):
    """What is drawn.

    Attributes:
        title: What the table is about.
        rows: The jobs.
        taken: How long the wait has lasted, in seconds.
        now: The time, in Unix seconds, by our clock.
        is_last: Whether this drawing is left standing.
    """

    title: str
    rows: Sequence[Row]
    taken: float
    now: float
    is_last: bool = False


def frame(scene: Scene, screen: Screen) -> list[Line]:
    """Return the lines to draw, none wider than the screen, and no more than it has unless they are left standing."""
    return _Drawing(scene, screen).whole()


class Table(Struct, frozen=True):
    """A line for each of some jobs, and how many seconds a whole bar is; 0 where there are no bars."""

    lines: list[Line]
    scale: float


def row_lines(rows: Sequence[Row], now: float, screen: Screen, longest: int) -> Table:
    """Return a line for each of some jobs, as the table has them where there is room for one line each.

    Args:
        rows: The jobs.
        now: The time, in Unix seconds, by our clock.
        screen: What is drawn on; its height does not matter.
        longest: How many columns the longest name takes, of these jobs and of others that are shown at other times.
    """
    return _Drawing(Scene("", rows, 0.0, now), screen, longest).table()


class _Drawing:
    def __init__(self, scene: Scene, screen: Screen, longest: int | None = None) -> None:
        self._scene = scene
        self._screen = screen
        self._glyphs = screen.glyphs
        self._spans_of: dict[int, list[tuple[Phase, float]]] = {}  # by the row's identity: it has several readers
        width = screen.width
        longest = max((width_of(row.name) for row in scene.rows), default=0) if longest is None else longest
        self._id_width = min(longest, max(8, width // 3))
        room = width - 2 - self._id_width - 1
        self._bar_width = 0 if width < _NARROW else max(6, min(30, room * 2 // 5))

    def whole(self) -> list[Line]:
        """Return the drawing that tells the most of those that fit."""
        scene, rows = self._scene, self._scene.rows
        head, tail = self._heading(), self._ending() if scene.is_last else []
        room = max(1, self._screen.height - len(head) - len(tail))
        if scene.is_last and len(rows) <= _FEW:
            legend = self._legend(rows, with_states=True, room=0)
            return [*head, *self._body(rows, with_states=True), *legend, *tail]
        # Each row takes a line at least: a thousand are not laid out to see that they do not fit.
        if len(rows) <= room:
            # The states of a job take a line of their own.
            may_fit = len(rows) + sum(bool(row.states) for row in rows) <= room
            for with_states in (True, False) if may_fit else (False,):
                body = self._body(rows, with_states=with_states)
                legend = self._legend(rows, with_states=with_states, room=room - len(body))
                if len(body) + len(legend) <= room:
                    return [*head, *body, *legend, *tail]
        return [*head, *(self._left_standing() if scene.is_last else self._chosen(room)), *tail]

    def table(self) -> Table:
        """Return a line for each job."""
        scale = self._scale(self._scene.rows)
        lines = [self._row(row, scale, with_reason=True) for row in self._scene.rows]
        return Table(lines, scale if self._bar_width and any(row.states for row in self._scene.rows) else 0.0)

    # --- around the rows ------------------------------------------------------------------------------------------

    def _heading(self) -> list[Line]:
        scene = self._scene
        waited = [row for row in scene.rows if row.end is None]
        told = count((row.end for row in scene.rows), sum(row.is_blocked for row in waited))
        lefts = [row.standing.left for row in waited if row.standing.left is not None]
        left = ""
        if waited and len(lefts) == len(waited):
            left = f", {left_text((max(low for low, _ in lefts), max(high for _, high in lefts)))}"
        told = f"{told}, {human_duration(scene.taken)}{left}"
        parts = told.split(", ")
        title = scene.title
        if width_of(title) + 2 + width_of(told) <= self._screen.width:
            return [[(title, "bold"), (f"  {told}", "dim")]]
        return [
            *([(line, "bold")] for line in wrapped(title, self._screen.width)),
            *flowed([[(f"{part},", "dim")] for part in parts[:-1]] + [[(parts[-1], "dim")]], self._screen.width),
        ]

    def _ending(self) -> list[Line]:
        if len(self._scene.rows) < 2:
            return []
        return [[(line, "bold")] for line in wrapped(summary(self._scene.rows, self._glyphs), self._screen.width)]

    def _legend(self, rows: Sequence[Row], *, with_states: bool, room: int) -> list[Line]:
        units: list[list[Piece]] = []
        if with_states:
            states = [state for row in rows for state in row.states]
            if any(state.at is None for state in states):
                units.append([("~ when we saw it; the API does not say when it was ", "dim")])
            if any(state.gap for state in states):
                units.append([(f"{self._glyphs.cut} what lay before is not told ", "dim")])
        is_roomy = self._screen.height >= _LEGEND_FROM and room > 1
        if self._bar_width and is_roomy and not self._scene.is_last and any(row.states for row in rows):
            units += self._bar_legend(rows)
        return flowed(units, self._screen.width)

    def _bar_legend(self, rows: Sequence[Row]) -> list[list[Piece]]:
        bars = self._glyphs.bar
        shown = {phase for row in rows for phase, _ in self._spans(row)}
        units = [
            [(bars[phase], PHASE_STYLES[phase]), (f" {name} ", "dim")]
            for phase, name in ((Phase.PENDING, "pending"), (Phase.RUNNING, "running"), (Phase.BLOCKED, "blocked"))
            if phase in shown
        ]
        return [*units, [(f"whole bar {human_duration(self._scale(rows))}", "dim")]]

    # --- the rows -------------------------------------------------------------------------------------------------

    def _body(self, rows: Sequence[Row], *, with_states: bool) -> list[Line]:
        scale = self._scale(rows)
        lines: list[Line] = []
        for row in rows:
            lines.append(self._row(row, scale, with_reason=False))
            if with_states:
                units = history(row, time_now(self._scene.now), self._glyphs)
                lines += ([(_INDENT, ""), *line] for line in flowed(units, self._screen.width - len(_INDENT)))
            lines += self._notes(row)
        return lines

    def _left_standing(self) -> list[Line]:
        """Return those that did not succeed, and how many more of them there are."""
        bad = sorted((row for row in self._scene.rows if row.kind != "succeeded"), key=lambda row: row.rank)
        shown = bad[:_MOST_BAD]
        return [*self._body(shown, with_states=False), *self._more(bad[_MOST_BAD:])]

    def _chosen(self, room: int) -> list[Line]:
        """Return as many rows as there is room for, those first that are to stay in view, and how many more."""
        ranks = [row.rank for row in self._scene.rows]
        ranked = [row for _, row in sorted(zip(ranks, self._scene.rows, strict=True), key=itemgetter(0))]
        room = max(1, room - 1)
        pinned = ranked[: sum(rank < 2 for rank in ranks)]
        others = ranked[len(pinned) :]
        for_others = min(len(others), room // 4)
        shown: list[Row] = []
        lines = 0
        for row in pinned:
            needed = 1 + (len(self._notes(row)) if row.asks else 0)
            if lines + needed > max(1, room - for_others):
                break
            shown.append(row)
            lines += needed
        kept = len(shown)
        shown += others[: max(0, room - lines)]
        scale = self._scale(shown)
        body: list[Line] = []
        for row in shown:
            body.append(self._row(row, scale, with_reason=True))
            body += self._notes(row) if row.asks else []
        hidden = [*pinned[kept:], *others[len(shown) - kept :]]
        return [*body, *self._more(hidden)]

    def _more(self, hidden: Sequence[Row]) -> list[Line]:
        if not hidden:
            return []
        kinds = counted(hidden)
        text = f"{self._glyphs.cut} and {len(hidden)} more: {kinds[0]}"
        for kind in kinds[1:]:
            if width_of(f"{text}, {kind}") > self._screen.width:
                break
            text = f"{text}, {kind}"
        return [[(cut(text, self._screen.width, self._glyphs.cut), "dim")]]

    def _row(self, row: Row, scale: float, *, with_reason: bool) -> Line:
        name = cut(row.name, self._id_width, self._glyphs.cut)
        style = "bold" if row.asks else ""
        line = [mark(row, self._glyphs), (f" {name}{' ' * (self._id_width - width_of(name) + 1)}", style)]
        taken = self._spans(row)
        if self._bar_width:
            end = None if row.end is None or not row.states else end_mark(row.end, self._glyphs)
            drawn = (
                bar(taken, end, scale, self._bar_width, self._glyphs) if row.states else [(" " * self._bar_width, "")]
            )
            line += [*drawn, (" ", "")]
        room = self._screen.width - 2 - self._id_width - 1 - (self._bar_width + 1 if self._bar_width else 0)
        age = taken[-1][1] if taken else 0.0
        return [*line, *about(row, age, max(0, room), with_reason=with_reason, glyphs=self._glyphs)]

    def _notes(self, row: Row) -> list[Line]:
        width = max(8, self._screen.width - len(_INDENT))
        return [[(_INDENT, ""), (line, style)] for text, style in notes(row) for line in wrapped(text, width)]

    def _spans(self, row: Row) -> list[tuple[Phase, float]]:
        known = self._spans_of.get(id(row))
        if known is None:
            until = self._scene.now if row.end_at is None else row.end_at
            standing = row.standing
            # A look may have shown a later state than was told so far, and its age is not that of this one.
            is_told = bool(row.states) and standing.phase is row.states[-1].phase
            known = self._spans_of[id(row)] = spans(row.states, until, standing.age if is_told else None)
        return known

    def _scale(self, rows: Sequence[Row]) -> float:
        return scale_of(max((sum(seconds for _, seconds in self._spans(row)) for row in rows), default=0.0))
