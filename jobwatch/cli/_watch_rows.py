"""Rows of an overview as the live table has them, which jobs are listed, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from .._models import Phase, Transition
from .._report.model import State
from .._report.overview import Row as WatchedRow
from .._watching.changes import Health
from ._render import OutcomeRecord
from ._rows import Row
from ._standing import Standing
from ._watch_ends import end_of
from ._watch_keys import View, Which

Clean: TypeAlias = Callable[[str], str]
"""Makes a text safe to print, whoever made it up."""

_BAD_FIRST = 5
"""How many jobs that ended badly stand before those that go on: the latest. The others come after them."""


def table_row(row: WatchedRow, now: float, clean: Clean) -> Row:
    """Return a watched job as the live table draws it.

    Args:
        row: The job.
        now: The time, in Unix seconds.
        clean: Makes what others have made up safe.
    """
    return Row(
        name=clean(row.job_id),
        states=_transitions(row, clean),
        standing=standing(row, now),
        trouble=trouble(row, clean),
        end=None if row.goes_on else _cleaned_end(row, clean),
        end_at=None if row.goes_on else row.changed_at,
    )


class Drawn:
    """Rows as the live table draws them, each made once for as long as its job does not change.

    Args:
        clean: Makes what others have made up safe.
    """

    def __init__(self, clean: Clean) -> None:
        self.clean = clean
        self._made: dict[str, tuple[WatchedRow, Row]] = {}

    def __call__(self, row: WatchedRow, now: float) -> Row:
        """Return a job as it is drawn at a time, in Unix seconds."""
        known = self._made.get(row.job_id)
        if known is None or not (known[0] is row or _is_told_alike(known[0], row)):
            made = table_row(row, now, self.clean)
        else:
            made = known[1]
            made.standing = standing(row, now)
        self._made[row.job_id] = row, made
        return made

    def keep(self, job_ids: Iterable[str]) -> None:
        """Forget all jobs but these."""
        self._made = {job_id: self._made[job_id] for job_id in job_ids if job_id in self._made}


def _is_told_alike(before: WatchedRow, row: WatchedRow) -> bool:
    """Whether nothing differs of a job that goes on but its standing, as after most looks: its words stay as drawn."""
    if not (before.goes_on and row.goes_on) or row.fault is not None or before.fault is not None:
        return False
    old, new = before.job, row.job
    if len(old.states) != len(new.states) or not new.states:
        return False
    return (
        (old.asked, old.url) == (new.asked, new.url)
        and (before.generation, before.health, before.unsettled) == (row.generation, row.health, row.unsettled)
        and all(map(_is_same_state, old.states, new.states))
    )


def _is_same_state(before: State, state: State) -> bool:
    """Whether two states are drawn alike: until when the last one lasted rises with each look."""
    return (
        before.status == state.status
        and before.phase is state.phase
        and before.began == state.began
        and before.as_seen is state.as_seen
        and before.gap is state.gap
    )


def standing(row: WatchedRow, now: float) -> Standing:
    """Return how a watched job stands at a time."""
    left = None
    if row.ends_between is not None:
        left = max(0.0, row.ends_between[0] - now), max(0.0, row.ends_between[1] - now)
    return Standing(
        looks=row.job.looks or 0,
        progress=row.job.progress,
        phase=row.job.phase,
        age=row.age(now),
        left=left,
        is_late=row.is_late(now),
    )


def trouble(row: WatchedRow, clean: Clean) -> str:
    """Return what is wrong with the looks at a job, or not believed yet; empty if nothing is."""
    if not row.goes_on:
        return ""
    if row.fault is not None:
        how = "cannot be read for now" if row.health is Health.OK else row.health.value
        return clean(f"{how}: {row.fault}")
    if row.unsettled is not None:
        return clean(f"{row.unsettled}, which is believed once it has stood for a while")
    return "" if row.health is Health.OK else row.health.value


def _cleaned_end(row: WatchedRow, clean: Clean) -> OutcomeRecord:
    record = end_of(row)
    texts = {name: getattr(record, name) for name in ("status", "error", "asked", "url")}
    return replace(record, **{name: None if text is None else clean(text) for name, text in texts.items()})


def _transitions(row: WatchedRow, clean: Clean) -> list[Transition]:
    job = row.job
    states = job.states
    if not states and job.status is not None and job.phase is not None:
        at = row.entered_at or row.looked_at or row.changed_at
        states = (State(status=job.status, phase=job.phase, began=at, ended=at, as_seen=True),)
    told = [_transition(job.job_id, number, state, clean) for number, state in enumerate(states, 1)]
    if told and row.asks:
        asked, url = (None if text is None else clean(text) for text in (job.asked, job.url))
        told[-1] = replace(told[-1], asked=asked, url=url)
    return told


def _transition(job_id: str, number: int, state: State, clean: Clean) -> Transition:
    began = datetime.fromtimestamp(state.began, UTC)
    at = None if state.as_seen else began
    return Transition(job_id, number, clean(state.status), state.phase, at, began, state.gap)


# --- which are listed ---------------------------------------------------------------------------------------------


def listed(rows: Iterable[WatchedRow], view: View, now: float) -> list[WatchedRow]:
    """Return the jobs to list: those that wait for a person, the latest bad ends, what goes on, and what has ended.

    Args:
        rows: All jobs, in the order in which they came.
        view: What is looked at.
        now: The time, in Unix seconds.
    """
    words = view.words.casefold().split()
    chosen = [row for row in rows if _is_chosen(row, view.which, now) and _holds(row, words)]
    groups: dict[int, list[WatchedRow]] = {}
    for row in chosen:
        groups.setdefault(_group(row), []).append(row)
    bad = sorted(groups.pop(_BAD, ()), key=lambda row: row.job.ended_at or row.changed_at, reverse=True)
    good = sorted(groups.pop(_GOOD, ()), key=lambda row: row.job.ended_at or row.changed_at, reverse=True)
    going_on = [row for group in sorted(groups) if group != _ASKING for row in groups[group]]
    return [*groups.get(_ASKING, ()), *bad[:_BAD_FIRST], *going_on, *bad[_BAD_FIRST:], *good]


_ASKING, _BAD, _TROUBLED, _RUNNING, _PENDING, _UNREAD, _GOOD = range(7)


def _group(row: WatchedRow) -> int:
    if row.asks:
        return _ASKING
    if not row.goes_on:
        return _BAD if row.is_bad else _GOOD
    if row.health is not Health.OK:
        return _TROUBLED
    match row.job.phase:
        case None:
            return _UNREAD
        case Phase.PENDING:
            return _PENDING
        case _:
            return _RUNNING


def _is_chosen(row: WatchedRow, which: Which, now: float) -> bool:
    match which:
        case Which.ALL:
            return True
        case Which.GOING_ON:
            return row.goes_on
        case Which.BAD:
            return row.is_bad
        case Which.ATTENTION:
            return row.asks or row.is_late(now) or (row.goes_on and row.health is not Health.OK)
        case _:
            assert_never(which)


def _holds(row: WatchedRow, words: list[str]) -> bool:
    """Whether each word stands in a job's id, type, project, state, or our word for that."""
    if not words:
        return True
    job = row.job
    told = [job.job_id, row.type, row.project_id, job.status, job.phase and job.phase.value]
    text = " ".join(filter(None, (*told, job.outcome and job.outcome.value))).casefold()
    return all(word in text for word in words)


def place_of(view: View, rows: Sequence[WatchedRow]) -> int:
    """Return where in the list the cursor is: at the first job where the selected one is not listed."""
    if view.selected is None:
        return 0
    return next((place for place, row in enumerate(rows) if row.job_id == view.selected), 0)
