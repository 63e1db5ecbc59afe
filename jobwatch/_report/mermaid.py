"""The states of jobs as a Mermaid gantt chart, which GitHub and GitLab draw where Markdown holds one. Pure.

Mermaid draws a wrong chart without an error in many cases (seen with 11.17.2 in Chromium, November 2026), so:

* Times are whole milliseconds under ``dateFormat x``, which do not depend on the viewer's zone. A state takes at least
  one of them, or its bar has no width, or a negative one.
* Each name begins with a number and a full stop, since one that begins with a word of the language (``title``,
  ``section``, ``click`` ...) is swallowed or breaks the chart. It holds no ``:``, ``;``, ``#`` and ``%``, which end it,
  make characters of numbers, and lead directives.
* A chart of more than 50,000 characters is drawn as an error, so jobs are left out, and it is said how many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from .._models import Outcome, Phase
from .._models.shortened import shortened
from .model import Report, ReportedJob, State
from .words import duration, late, one_line, outcome

MOST_CHARACTERS = 40_000
"""What Mermaid takes is 50,000."""

MOST_BARS = 300
"""More would be a picture of more than 7,000 pixels."""

_MOST_STATES = 12
_NAME = 60
_TITLE = 34
_LETTER = 6.2  # how wide a letter of 11 pixels is, as a rule
_INIT = '%%{{init: {{"gantt": {{"leftPadding": {room}}}}}}}%%'
_STEERS = str.maketrans({":": "∶", ";": ",", "#": "＃", "%": "％"})  # noqa: RUF001 - they look alike, and steer nothing


class Gantt(Struct, frozen=True):
    """A chart.

    Attributes:
        text: The chart in Mermaid's language; empty where no job has a state whose time is known.
        remark: What it leaves out; None if it leaves out nothing.
    """

    text: str
    remark: str | None = None


def gantt(report: Report, most: int = MOST_CHARACTERS) -> Gantt:
    """Return a report's chart.

    Args:
        report: The jobs.
        most: How many characters it may have.
    """
    drawable = {number: job for number, job in enumerate(report.jobs, start=1) if job.states}
    if report.span is None or not drawable:
        return Gantt("")
    lines = [
        _INIT.format(room=_room(drawable.values())),
        "gantt",
        "    dateFormat x",
        f"    axisFormat {_axis_format(*report.span)}",
    ]
    size, bars = _size(lines), 0
    sections: dict[int, list[str]] = {}
    for number in sorted(drawable, key=lambda number: (drawable[number].outcome is Outcome.SUCCEEDED, number)):
        section = _section(number, drawable[number])
        if size + _size(section) <= most and bars + len(section) - 1 <= MOST_BARS:
            sections[number] = section
            size, bars = size + _size(section), bars + len(section) - 1
    if not sections:
        return Gantt("", _left_out(len(drawable), len(drawable)))
    lines += [line for number in sorted(sections) for line in sections[number]]
    is_short = any(len(drawable[number].states) > _MOST_STATES for number in sections)
    remarks = [
        _left_out(len(drawable) - len(sections), len(drawable)),
        f"of a job with more than {_MOST_STATES} states the last ones are drawn" if is_short else None,
    ]
    return Gantt("\n".join(lines) + "\n", "; ".join(filter(None, remarks)) or None)


def _left_out(count: int, whole: int) -> str | None:
    return f"{count} of {whole} jobs are left out of the chart" if count else None


def _size(lines: Sequence[str]) -> int:
    return sum(map(len, lines)) + len(lines)


def _section(number: int, job: ReportedJob) -> list[str]:
    first = max(0, len(job.states) - _MOST_STATES)
    name = f"{number}. {_title(job)}"
    bars = [_bar(place, state, job) for place, state in enumerate(job.states[first:], start=first + 1)]
    return [f"    section {name}", *bars]


def _title(job: ReportedJob) -> str:
    end = f", {outcome(job)}"
    return f"{_name(job.job_id, _TITLE - len(end))}{end}"


def _room(jobs: Iterable[ReportedJob]) -> int:
    """Return how many pixels lie left of the bars, or the jobs' names would lie over these: Mermaid has 75."""
    return round(30 + _LETTER * max(len(_title(job)) + 4 for job in jobs))


def _bar(place: int, state: State, job: ReportedJob) -> str:
    begins = round(state.began * 1000)
    ends = max(round(state.ended * 1000), begins + 1)
    tags = "".join(f"{tag}, " for tag in _tags(state))
    return f"    {place}. {_name(state.status)}{_remark(state, job)} :{tags}{begins}, {ends}"


def _remark(state: State, job: ReportedJob) -> str:
    is_last = state is job.states[-1]
    facts = [
        duration(state.seconds) if not state.phase.ended else "",
        "goes on" if is_last and job.goes_on else "",
        f"known {lateness}" if is_last and (lateness := late(job)) else "",
        "time as seen" if state.as_seen else "",
        "gap before" if state.gap else "",
    ]
    words = ", ".join(filter(None, facts))
    return f" ({words})" if words else ""


def _tags(state: State) -> list[str]:
    """Return how a state is drawn; its name says the same in words."""
    match state.phase:
        case Phase.RUNNING:
            return ["active"]
        case Phase.BLOCKED:
            return ["crit", "active"]
        case Phase.SUCCEEDED:
            return ["done", "milestone"]
        case Phase.FAILED | Phase.PARTIAL:
            return ["crit", "milestone"]
        case Phase.CANCELLED | Phase.FINISHED:
            return ["milestone"]
        case Phase.PENDING | Phase.UNKNOWN:
            return ["done"]


def _name(text: str, most: int = _NAME) -> str:
    """Return a server's text as a part of a name, without what Mermaid would obey."""
    return shortened(one_line(text), most).translate(_STEERS)


def _axis_format(began: float, ended: float) -> str:
    span = ended - began
    if span < 10.0:
        return "%H:%M:%S.%L"
    if span < 86_400.0:
        return "%H:%M:%S" if span < 600.0 else "%H:%M"
    return "%d %b %H:%M" if span < 14 * 86_400.0 else "%d %b"
