"""What a notebook shows of a job: a line, a bar of its states over time, and the same as a table. Pure.

It is HTML without a script, a style sheet or anything fetched, so that it stands in any page and changes nothing else
there. All text is a server's, and escaped twice: `printable`, and as HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise
from typing import Final

from msgspec import Struct

from . import Job, Phase, Transition, clock, excerpt, state

_WIDTH: Final = 640.0
_HEIGHT: Final = 20.0
_LEAST: Final = 3.0
"""How wide a state is drawn at least, or one that took a moment would not be seen."""

_LETTER: Final = 7.0  # how wide a letter of 11 pixels is at most, as a rule
_MOST_STATES: Final = 100

# White letters on each have a contrast of 4.5 at least (WCAG 2.2, 1.4.3).
_COLOURS: Final = {
    Phase.PENDING: "#6e7781",
    Phase.RUNNING: "#0969da",
    Phase.BLOCKED: "#8a5300",
    Phase.UNKNOWN: "#6e7781",
    Phase.SUCCEEDED: "#1a7f37",
    Phase.PARTIAL: "#bc4c00",
    Phase.FINISHED: "#57606a",
    Phase.FAILED: "#cf222e",
    Phase.CANCELLED: "#57606a",
}


class _State(Struct, frozen=True):
    """A state that a job entered, and until when it was in it."""

    status: str
    phase: Phase
    began: datetime
    ended: datetime


def html_of_job(job: Job) -> str:
    """Return what a notebook shows of a job, as far as its history or its times tell what it has been through."""
    entered = [(event.status, event.phase, event.at) for event in (job.proven if job.events is None else job.events)]
    if not entered or entered[-1][1] is not job.phase:
        entered.append((job.status, job.phase, job.ended_at if job.phase.ended else job.started_at or job.updated_at))
    return _html(job, [(status, phase, at) for status, phase, at in entered if at is not None])


def html_of_wait(job: Job | None, log: Sequence[Transition], line: str) -> str:
    """Return what a notebook shows of a wait: its job with the states that were told, or a line before there are any.

    Args:
        job: The job as last read.
        log: The states that were told.
        line: The wait's `repr`.
    """
    if job is None:
        return f"<code>{escape(line)}</code>"
    return _html(job, [(each.status, each.phase, each.at or each.seen_at) for each in log]) if log else html_of_job(job)


def _html(job: Job, entered: Sequence[tuple[str, Phase, datetime]]) -> str:
    states = _states(job, entered)
    left_out, states = max(0, len(states) - _MOST_STATES), states[-_MOST_STATES:]
    ran = "" if job.ran is None else f", ran {_lasting(timedelta(seconds=job.ran))}"
    name = f"<code>{_text(job.id, 200)}</code> of {_text(job.api, 80)}"
    parts = [
        f"<div>{name}: <strong>{escape(state(job.status, job.phase))}</strong>{ran}{_link(job.url)}</div>",
        *_why(job),
    ]
    if states:
        parts += [*_bar(job, states), *_table(states, left_out)]
    return "\n".join(parts)


def _states(job: Job, entered: Sequence[tuple[str, Phase, datetime]]) -> list[_State]:
    """Return the states in order, each until the next; clocks that go back make one that took no time."""
    if not entered:
        return []
    moments = [at for _, _, at in entered]
    last = max([*moments, *filter(None, (job.ended_at, job.updated_at))]) if not job.phase.ended else max(moments)
    ends = [*moments[1:], last]
    return [_State(status, phase, at, max(at, ended)) for (status, phase, at), ended in zip(entered, ends, strict=True)]


def _why(job: Job) -> Iterator[str]:
    for text in (job.error.text if job.error is not None else None, job.asked):
        if text:
            yield f'<pre style="white-space:pre-wrap">{_text(text, 2000)}</pre>'


def _bar(job: Job, states: Sequence[_State]) -> Iterator[str]:
    label = f"{excerpt(job.id)}: {', then '.join(excerpt(each.status, 24) for each in states)}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:g}" height="{_HEIGHT:g}" role="img"'
        f' viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" font-family="sans-serif" font-size="11"'
        f' aria-label="{escape(excerpt(label, 400))}">'
    )
    for each, (left, right) in zip(states, pairwise(_edges(states)), strict=True):
        word = excerpt(each.status, 24)
        yield (
            f"<g><title>{escape(word)} at {clock(each.began)}, {_lasting(each.ended - each.began)}</title>"
            f'<rect x="{left:.1f}" width="{right - left:.1f}" height="{_HEIGHT:g}" fill="{_COLOURS[each.phase]}"'
            f' stroke="#fff" stroke-width="0.5"/>'
        )
        if len(word) * _LETTER + 8.0 <= right - left:
            yield f'<text x="{left + 5.0:.1f}" y="14" fill="#fff">{escape(word)}</text>'
        yield "</g>"
    yield "</svg>"


def _edges(states: Sequence[_State]) -> list[float]:
    """Return where the bar of each state begins, and the last one ends: by their time, and none too narrow to see."""
    lengths = [(each.ended - each.began) / timedelta(seconds=1) for each in states]
    room, whole = _WIDTH - _LEAST * len(states), sum(lengths) or 1.0
    edges = [0.0]
    for length in lengths:
        edges.append(edges[-1] + _LEAST + room * length / whole)
    return edges


def _table(states: Sequence[_State], left_out: int) -> Iterator[str]:
    told = "1 state" if len(states) == 1 else f"{len(states)} states"
    before = f", and {left_out} before them" if left_out else ""
    yield f"<details><summary>{told}{before}</summary><table>"
    yield "<thead><tr><th>state</th><th>phase</th><th>entered (UTC)</th><th>for</th></tr></thead><tbody>"
    for each in states:
        lasted = "" if each.phase.ended else _lasting(each.ended - each.began)
        cells = _text(each.status, 80), each.phase.value, clock(each.began), lasted
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</tbody></table></details>"


def _link(url: str | None) -> str:
    if url is None or not url.startswith(("https://", "http://")) or excerpt(url, 2000) != url:
        return ""
    return f' (<a href="{escape(url)}" rel="noreferrer noopener" target="_blank">its page</a>)'


def _text(text: str, most: int) -> str:
    return escape(excerpt(text, most))


def _lasting(time: timedelta) -> str:
    seconds = time / timedelta(seconds=1)
    return f"{seconds:.1f} s" if seconds < 60.0 else str(timedelta(seconds=round(seconds)))
