"""A job's phases over time as a bar of characters, right without colour and in plain ASCII too. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from .._models import Outcome, Phase, Transition

if TYPE_CHECKING:
    from collections.abc import Mapping

Piece: TypeAlias = tuple[str, str]
"""A text, and how it looks, in the words of rich's styles; empty for plain."""

_STEPS = (10, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""How many seconds a whole bar may be; beyond, it is twice as many each time. In steps, so that bars grow steadily."""

PHASE_STYLES = {
    Phase.PENDING: "yellow",
    Phase.RUNNING: "cyan",
    Phase.BLOCKED: "bold bright_yellow",
    Phase.SUCCEEDED: "green",
    Phase.PARTIAL: "red",
    Phase.FINISHED: "blue",
    Phase.FAILED: "red",
    Phase.CANCELLED: "magenta",
    Phase.UNKNOWN: "dim",
}

END_STYLES = {
    Outcome.SUCCEEDED: "green",
    Outcome.PARTIAL: "red",
    Outcome.FINISHED: "blue",
    Outcome.FAILED: "red",
    Outcome.CANCELLED: "magenta",
    Outcome.BLOCKED: "bold bright_yellow",
}
"""How each end looks; of every other outcome, how the job is doing is not known, and it is yellow."""


class Glyphs(Struct, frozen=True):
    """The characters of a table.

    Attributes:
        bar: What each phase's part of a bar is made of.
        phase: What stands before a job in that phase.
        end: What stands before a job, and at its bar's end, after such an end.
        stopped: The same after every other: the wait has stopped, and the job may go on.
        arrow: What stands between two states.
        cut: What stands for letters, and for states, that are left out.
    """

    bar: Mapping[Phase, str]
    phase: Mapping[Phase, str]
    end: Mapping[Outcome, str]
    stopped: str
    arrow: str
    cut: str


def _glyphs(bar: str, phase: str, end: str, arrow: str, cut: str) -> Glyphs:
    phases = (Phase.PENDING, Phase.RUNNING, Phase.BLOCKED, Phase.UNKNOWN)
    ends = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.PARTIAL, Outcome.CANCELLED, Outcome.FINISHED)
    return Glyphs(
        bar=dict(zip(phases, bar, strict=True)),
        phase=dict(zip(phases, phase, strict=True)),
        end={**dict(zip(ends, end[:-1], strict=True)), Outcome.BLOCKED: "?"},
        stopped=end[-1],
        arrow=arrow,
        cut=cut,
    )


UNICODE = _glyphs("╌━?·", "○▸?·", "✔✘◐■●!", "→", "…")
ASCII = _glyphs("-=?.", "o>? ", "+x%/*!", "->", "..")


def spans(states: Sequence[Transition], now: float, age: float | None = None) -> list[tuple[Phase, float]]:
    """Return how long a job was in each phase, in seconds, until its end or until now.

    Args:
        states: Its states so far.
        now: The time, in Unix seconds, by our clock.
        age: For how many seconds it has been in the phase of the last state, where that is known better than by
            comparing our clock with the API's.
    """
    found: list[tuple[Phase, float]] = []
    before: float | None = None
    for earlier, later in pairwise(states):
        before = _later(before, earlier)
        found.append((earlier.phase, _later(before, later) - before))
    if states and not states[-1].phase.ended:
        last = states[-1]
        lasted = now - min(_later(before, last), last.seen_at.timestamp()) if age is None else age
        found.append((last.phase, max(0.0, lasted)))
    return found


def _later(before: float | None, state: Transition) -> float:
    at = (state.at or state.seen_at).timestamp()
    return at if before is None else max(before, at)


def scale_of(longest: float) -> float:
    """Return how many seconds a whole bar is to stand for, if the longest job has taken so many."""
    for step in _STEPS:
        if longest <= step:
            return step
    scale = float(_STEPS[-1])
    while scale < longest:
        scale *= 2
    return scale


def bar(
    taken: Sequence[tuple[Phase, float]], end: Piece | None, scale: float, width: int, glyphs: Glyphs
) -> list[Piece]:
    """Return a bar of exactly `width` characters, blank where the job has not come to yet.

    A phase that the job was in for less than half a character is left out, but a bar is never without a character.

    Args:
        taken: How long it was in each phase; see `spans`.
        end: The character that the bar ends with once the job has ended or is not waited for, and its style.
        scale: How many seconds the whole width is.
        width: How many characters that is.
        glyphs: The characters to make it of.
    """
    pieces: list[Piece] = []
    total = place = 0.0
    drawn = 0
    length = max(1, min(width, round(sum(seconds for _, seconds in taken) / scale * width)))
    length -= end is not None
    for phase, seconds in taken:
        total += seconds
        place = min(length, max(drawn, round(total / scale * width)))
        if place > drawn:
            pieces.append(
                (glyphs.bar.get(phase, glyphs.bar[Phase.UNKNOWN]) * (int(place) - drawn), PHASE_STYLES[phase])
            )
            drawn = int(place)
    if drawn < length and taken:
        phase = taken[-1][0]
        pieces.append((glyphs.bar.get(phase, glyphs.bar[Phase.UNKNOWN]) * (length - drawn), PHASE_STYLES[phase]))
        drawn = length
    if end is not None:
        pieces.append(end)
        drawn += 1
    pieces.append((" " * (width - drawn), ""))
    return pieces
