"""What the live table says of each job, in pieces of text of a given width, and which jobs come first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from rich.cells import cell_len, set_cell_size

from .._models import Outcome, Phase, Transition, need
from ._bars import END_STYLES, PHASE_STYLES, Glyphs, Piece
from ._endings import known, time_of_day
from ._render import OutcomeRecord, human_duration, look_count, percent
from ._standing import Standing

_STOPPED = "yellow"
_NAMED = 10
_LONGEST_NAME = 60
"""How many names of a kind the summary tells, and of how many columns each: ``--json`` and lines tell all of them."""
"""How many jobs of one bad end the last line names."""

_UNREAD = "not read yet"
_ASKING = "waiting for a person"
_ORDER = (_ASKING, "", "running", "unknown", "pending", _UNREAD, "succeeded")
"""Which jobs come first where not all fit; the second place is that of every bad end."""


class Row(Struct):
    """What the table knows of one job. Its texts are safe to print, whoever made them up.

    Attributes:
        name: The job's id, as it is shown.
        states: Its states so far.
        standing: How it stands between them.
        trouble: What is wrong with the looks at it now; empty if nothing is.
        end: How the wait for it ended.
        end_at: When that was, in Unix seconds.
    """

    name: str
    states: list[Transition] = []
    standing: Standing = Standing()
    trouble: str = ""
    end: OutcomeRecord | None = None
    end_at: float | None = None

    @property
    def asks(self) -> bool:
        """Whether it waited for a person when last read, whether it is waited for or not."""
        return bool(self.states) and self.states[-1].phase is Phase.BLOCKED

    @property
    def is_blocked(self) -> bool:
        """Whether it is waited for, and waits for a person."""
        return self.end is None and self.asks

    @property
    def kind(self) -> str:
        """How it is doing, in words that are counted."""
        if self.end is not None:
            return _ASKING if self.end.outcome is Outcome.BLOCKED else self.end.outcome.value.replace("_", " ")
        if not self.states:
            return _UNREAD
        return _ASKING if self.is_blocked else self.states[-1].phase.value

    @property
    def rank(self) -> int:
        """Its place among jobs of which not all can be shown; those below 2 are to stay in view."""
        return _rank_of(self.kind)


def counted(rows: Iterable[Row]) -> list[str]:
    """Return how many jobs are doing how, those first that are to stay in view: ``60 running``, ``21 pending``."""
    counts = Counter([row.kind for row in rows])
    return [f"{counts[kind]} {kind}" for kind in sorted(counts, key=_rank_of)]


def _rank_of(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else 1


def summary(rows: Iterable[Row], glyphs: Glyphs) -> str:
    """Return how all jobs ended, with the names of those that did not succeed: ``90 succeeded, 2 failed: a, b``.

    Args:
        rows: The jobs.
        glyphs: What stands for letters that are left out of a long name.
    """
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row.kind, []).append(row.name)
    succeeded = groups.pop("succeeded", [])
    parts: list[str] = []
    for kind, names in groups.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        named = ", ".join(cut(name, _LONGEST_NAME, glyphs.cut) for name in names[:_NAMED])
        parts.append(f"{len(names)} {kind}: {named}{more}")
    return ", ".join(filter(None, (f"{len(succeeded)} succeeded" if succeeded else "", "; ".join(parts))))


# --- one job ------------------------------------------------------------------------------------------------------


def mark(row: Row, glyphs: Glyphs) -> Piece:
    """Return the character that stands before a job."""
    if row.end is not None:
        return end_mark(row.end, glyphs)
    phase = row.states[-1].phase if row.states else Phase.UNKNOWN
    style = f"{PHASE_STYLES[phase]} reverse" if phase is Phase.BLOCKED else PHASE_STYLES[phase]
    return glyphs.phase.get(phase, glyphs.phase[Phase.UNKNOWN]), style


def end_mark(end: OutcomeRecord, glyphs: Glyphs) -> Piece:
    """Return the character of an end, and its style."""
    return glyphs.end.get(end.outcome, glyphs.stopped), f"bold {END_STYLES.get(end.outcome, _STOPPED)}"


def about(row: Row, age: float, width: int, *, with_reason: bool, glyphs: Glyphs) -> list[Piece]:
    """Return how a job stands, as much of it as a width holds.

    Args:
        row: What is known of it.
        age: For how many seconds it has been in its phase.
        width: How many columns there are.
        with_reason: Whether to say here, too, why it ended badly, or what is wrong with the looks at it.
        glyphs: What stands for letters that are left out.
    """
    status, style = _status(row)
    pieces = [(cut(status, width, glyphs.cut), style)]
    left = width - width_of(pieces[0][0])
    for text, piece_style in _facts(row, age):
        if text and (taken := width_of(text) + 1) <= left:
            pieces.append((f" {text}", piece_style))
            left -= taken
    why = _why(row) if with_reason else ""
    if why and left > 8:
        pieces.append((f"  {_begun(why, left - 2, glyphs.cut)}", style))
    return pieces


def _status(row: Row) -> Piece:
    if row.end is not None:
        style = END_STYLES.get(row.end.outcome, _STOPPED)
        if row.end.outcome.is_end_of_job and row.end.status is not None:
            return row.end.status, f"bold {style}"
        return row.end.outcome.value.replace("_", " "), f"bold {style}"
    if not row.states:
        return _UNREAD, "dim"
    return row.states[-1].status, f"bold {PHASE_STYLES[row.states[-1].phase]}"


def _facts(row: Row, age: float) -> list[Piece]:
    """Return what else is to be told, the most telling first."""
    if row.end is not None:
        return [("" if row.end.ran is None else f"ran {human_duration(row.end.ran)}", "dim")]
    if not row.states:
        return []
    standing = row.standing
    progress = "" if standing.progress is None else percent(standing.progress)
    late = "late" if standing.is_late else ""
    return [(human_duration(age), "dim"), (progress, ""), (late, "bold yellow"), (left_text(standing.left), "dim")]


def left_text(left: tuple[float, float] | None) -> str:
    """Return a range of the time that is left: ``1m 10s to 2m 40s left``; empty where nothing is known."""
    if left is None:
        return ""
    early, late = map(_about, left)
    if early == late:
        return f"{late} left"
    both = early.endswith(" s") and late.endswith(" s")
    return f"{early.removesuffix(' s') if both else early} to {late} left"


def _about(seconds: float) -> str:
    """Return a duration that is not known to a part of a second."""
    return f"{max(1, round(seconds))} s" if seconds < 9.95 else human_duration(seconds)


def _why(row: Row) -> str:
    if row.end is not None:
        return "" if row.end.reason is None else row.end.reason
    return row.trouble


def notes(row: Row) -> list[Piece]:
    """Return what is to be told of a job on lines of its own: what it asks, what is wrong, why it ended so."""
    told: list[Piece] = []
    if row.asks:
        told.append((need(row.states[-1].asked, row.states[-1].url), PHASE_STYLES[Phase.BLOCKED]))
    if row.end is None:
        return [*told, (row.trouble, _STOPPED)] if row.trouble else told
    if row.end.reason is not None and row.end.outcome is not Outcome.BLOCKED:
        word = row.end.outcome.value.replace("_", " ")
        told.append((f"{word}: {row.end.reason}", END_STYLES.get(row.end.outcome, _STOPPED)))
    return told


def history(row: Row, now: datetime, glyphs: Glyphs) -> list[list[Piece]]:
    """Return each state with its time, the first as time of day, the others as time since it; and the looks."""
    units: list[list[Piece]] = []
    first: datetime | None = None
    for state in row.states:
        at = state.at or state.seen_at
        when = time_of_day(at, now) if first is None else f"+{human_duration(max(0.0, (at - first).total_seconds()))}"
        arrow = "" if first is None else f"{glyphs.arrow} "
        first = at if first is None else first
        seen, gap = "~" if state.at is None else "", f"{glyphs.cut} " if state.gap else ""
        status = (state.status, PHASE_STYLES[state.phase])
        units.append([(f"{arrow}{gap}", "dim"), status, (f" {seen}{when}", "dim")])
    looks = row.standing.looks if row.end is None else row.end.looks
    late = None if row.end is None else row.end.known_after
    if units and looks:
        when = "" if row.end is None or late is None else f"{known(late, row.end.elapsed)}, "
        units.append([(f"({when}{look_count(looks)})", "dim")])
    return units


# --- widths -------------------------------------------------------------------------------------------------------


def width_of(text: str) -> int:
    """Return how many columns a text takes that is safe to print."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int, mark_of_cut: str) -> str:
    """Return text that is no wider than a width, its middle left out: ids often differ at their ends only."""
    if width_of(text) <= width:
        return text
    kept = max(0, width - width_of(mark_of_cut))
    tail = kept // 3
    head = set_cell_size(text, kept - tail).rstrip()
    end = text[len(text) - tail :] if tail else ""
    while width_of(end) > tail:
        end = end[1:]
    return set_cell_size(f"{head}{mark_of_cut}{end}", width).rstrip() if width > 0 else ""


def _begun(text: str, width: int, mark_of_cut: str) -> str:
    """Return the beginning of a text that is no wider than a width."""
    if width_of(text) <= width:
        return text
    return f"{set_cell_size(text, width - width_of(mark_of_cut)).rstrip()}{mark_of_cut}"


def wrapped(text: str, width: int) -> list[str]:
    """Return a text as lines that are no wider than a width, broken at blanks where that is possible."""
    lines: list[str] = []
    line = ""
    for given in text.split(" "):
        word = given
        if line and width_of(line) + 1 + width_of(word) <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        while width_of(word) > width:
            head = set_cell_size(word, width).rstrip() or word[:1]
            lines.append(head)
            word = word[len(head) :]
        line = word
    return [*lines, line] if line or not lines else lines


def flowed(units: Sequence[Sequence[Piece]], width: int) -> list[list[Piece]]:
    """Return units of pieces as lines no wider than a width; a unit is broken only if it alone is wider."""
    lines: list[list[Piece]] = [[]]
    taken = 0
    for unit in units:
        size = sum(width_of(text) for text, _ in unit)
        if taken and taken + 1 + size > width:
            lines.append([])
            taken = 0
        if taken:
            lines[-1].append((" ", ""))
            taken += 1
        for text, style in unit:
            lines[-1].append(
                (set_cell_size(text, max(0, width - taken)) if taken + width_of(text) > width else text, style)
            )
            taken += width_of(text)
    return [line for line in lines if line]


def time_now(now: float) -> datetime:
    """Return Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(now, UTC)
