"""The states of jobs over time as an SVG picture that stands alone: no script, no font, nothing from elsewhere. Pure.

Each job is a row: its name, a bar of its states, how it ended. Colour is never alone: a state's word stands in its bar
where there is room, in its tooltip always; each phase has a height or a pattern of its own, and each end a sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from .._models import Outcome, Phase
from .._models.shortened import shortened
from .axis import ticks
from .model import Report, ReportedJob, State
from .style import DEFINITIONS, STYLE
from .words import about, duration, headline, kept, late, moment, one_line, outcome, progress, reason

MOST_JOBS = 500
"""How many rows a picture has at most."""

_MOST_STATES = 200
_WIDTH = 960.0
_LEFT, _RIGHT = 176.0, 212.0
_TOP, _ROW, _BAR = 66.0, 24.0, 14.0
_LEAST = 2.0
"""A bar is at least so wide, or what took a moment would not be seen."""

_LETTER = 6.2  # how wide a letter of 11 pixels is, as a rule
_NAME = 25
_WORDS = 31
_WHY = 2000

_OPENING = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" viewBox="0 {top:g} {wide:g} {high:g}"'
    ' role="img" aria-labelledby="jobwatch-title jobwatch-description">'
)


def svg(report: Report, *, heading: bool = True) -> str:
    """Return the picture of a report.

    Args:
        report: The jobs.
        heading: Whether it says at the top how many jobs came to what, as it should where nothing else says so.
    """
    jobs = kept(report.jobs, MOST_JOBS)
    began, ended = report.span or (0.0, 1.0)
    scale = _Scale(began, max(ended, began + 0.001))
    foot = _TOP + _ROW * len(jobs)
    top, height = 0.0 if heading else 24.0, foot + 62.0
    left_out = len(report.jobs) - len(jobs)
    parts = [
        _OPENING.format(wide=_WIDTH, top=top, high=height - top),
        f'<title id="jobwatch-title">{_text(headline(report))}</title>',
        f'<desc id="jobwatch-description">{_text(_description(report, jobs))}</desc>',
        f"<style>{STYLE}</style>",
        DEFINITIONS,
        f'<rect class="paper" width="{_WIDTH:g}" height="{height:g}"/>',
        f'<text class="head" x="12" y="22">{_text(shortened(headline(report), 110))}</text>' if heading else "",
        *_axis(scale, foot, has_times=report.span is not None),
        *(line for index, job in enumerate(jobs) for line in _row(job, _TOP + _ROW * index, scale)),
        *_legend(foot + 40.0, left_out),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Where a moment lies."""

    def __init__(self, began: float, ended: float) -> None:
        self.began, self.ended = began, ended
        self.left, self.right = _LEFT + 10.0, _WIDTH - _RIGHT - 22.0
        self._wide = (self.right - self.left) / (ended - began)

    def x(self, at: float) -> float:
        return self.left + (at - self.began) * self._wide


def _text(text: str) -> str:
    return escape(one_line(text), quote=True)


def _description(report: Report, jobs: tuple[ReportedJob, ...]) -> str:
    if report.span is None:
        return "No state of any job is known with its time."
    began, ended = report.span
    told = [f"{one_line(job.job_id)}: {outcome(job)}" for job in jobs[:20]]
    more = f"; and {len(report.jobs) - 20} more" if len(report.jobs) > 20 else ""
    span = f"States of jobs from {moment(began)} to {moment(ended)}, one row a job"
    return f"{span}. {'; '.join(told)}{more}."


def _axis(scale: _Scale, foot: float, *, has_times: bool) -> Iterator[str]:
    if not has_times:
        return
    yield f'<text class="note" x="12" y="46">{moment(scale.began)[:10]}, times in UTC</text>'
    room = None
    for tick in ticks(scale.began, scale.ended, 8):
        x = scale.x(tick.at)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 12:g}" x2="{x:.1f}" y2="{foot + 4:g}"/>'
        if room is None or x - room > 62.0:
            room = x
            for y in (_TOP - 18.0, foot + 18.0):
                yield f'<text class="tick" x="{x:.1f}" y="{y:g}">{tick.text}</text>'


def _row(job: ReportedJob, top: float, scale: _Scale) -> Iterator[str]:
    base = top + _ROW / 2 + 4
    words, name = outcome(job), one_line(job.job_id)
    why = reason(job)
    ran = f", ran {duration(job.ran)}" if job.ran is not None else ""
    lateness = f", known {late(job)}" if job.known_after is not None else ""
    told = shortened(one_line(why), _WHY) if why else None
    tooltip = "\n".join(filter(None, [f"{name}: {words}{ran}{lateness}", told]))
    yield f'<g class="job"><title>{escape(tooltip)}</title>'
    yield f'<rect class="row" x="0" y="{top:g}" width="{_WIDTH:g}" height="{_ROW:g}"/>'
    yield f'<text class="name" x="12" y="{base:g}">{escape(shortened(name, _NAME))}</text>'
    if not job.states:
        yield f'<text class="note" x="{scale.left:g}" y="{base:g}">no state is known with its time</text>'
    yield from _bars(job, top, scale)
    x = _WIDTH - _RIGHT
    yield _sign(job, x + 6.0, top + _ROW / 2)
    yield f'<text class="end" x="{x + 18:g}" y="{base:g}">{escape(shortened(_told(job), _WORDS))}</text></g>'


def _told(job: ReportedJob) -> str:
    facts = [outcome(job)]
    if far := progress(job):
        facts.append(far)
    if job.ran is not None:
        facts.append(duration(job.ran))
    if job.known_after is not None:
        facts.append(f"+{duration(job.known_after)}")
    return " · ".join(facts)


def _bars(job: ReportedJob, top: float, scale: _Scale) -> Iterator[str]:
    middle = top + _ROW / 2
    states = job.states[-_MOST_STATES:]
    for index, state in enumerate(states):
        after = states[index + 1] if index + 1 < len(states) else None
        if state.gap and index == 0:
            yield _box("gap", scale.x(state.began) - 9.0, middle, 9.0, _BAR)
        if not state.phase.ended:
            yield from _bar(state, after, job, middle, scale)
    if states and not job.goes_on:
        yield from _end(states[-1], job, middle, scale)


def _bar(state: State, after: State | None, job: ReportedJob, middle: float, scale: _Scale) -> Iterator[str]:
    x = scale.x(state.began)
    width = max(_LEAST, scale.x(state.ended) - x)
    high = _BAR if state.phase in {Phase.RUNNING, Phase.BLOCKED} else _BAR / 2
    yield f"<g><title>{escape(about(state, job))}</title>"
    yield _box(state.phase.value, x, middle, width, high)
    if state.phase is Phase.BLOCKED:
        yield _box("stripes", x, middle, width, high)
    if after is not None and after.gap:
        yield _box("gap", x, middle, width, high)
    if state.as_seen:
        yield f'<line class="seen" x1="{x:.1f}" y1="{middle - 9:g}" x2="{x:.1f}" y2="{middle + 9:g}"/>'
    if after is None:  # it goes on, as far as anybody knows
        tip = x + width
        yield f'<path class="on" d="M{tip + 2:.1f} {middle - 5:g}l6 5l-6 5"/>'
    word = one_line(state.status)
    if high == _BAR and len(word) * _LETTER + 8 < width:
        yield f'<text class="word on-{state.phase.value}" x="{x + 4:.1f}" y="{middle + 4:g}">{escape(word)}</text>'
    yield "</g>"


def _end(state: State, job: ReportedJob, middle: float, scale: _Scale) -> Iterator[str]:
    x = scale.x(state.began)
    yield f"<g><title>{escape(about(state, job))}</title>"
    known_at = job.known_at
    if known_at is not None:
        known = scale.x(known_at)
        yield f'<path class="late" d="M{x:.1f} {middle:g}H{known:.1f}M{known:.1f} {middle - 6:g}v12"/>'
    yield f'<path class="edge edge-{state.phase.value}" d="M{x:.1f} {middle - 9:g}v18"/></g>'


def _box(name: str, x: float, middle: float, width: float, high: float) -> str:
    return f'<rect class="{name}" x="{x:.1f}" y="{middle - high / 2:g}" width="{width:.1f}" height="{high:g}"/>'


_SHAPES = {
    "good": "M-4 0l3 3l5-6",
    "bad": "M-3-3l6 6M3-3l-6 6",
    "stopped": "M-3-3h6v6h-6z",
    "partly": "M-4 0h8M0-4v8",
    "waiting": "M-2-4v8M2-4v8",
    "unclear": "M-3-2q0-3 3-3q3 0 3 3q0 2-3 3v1M0 4v1",
    "going": "M-2-4l4 4l-4 4",
}


def _sign(job: ReportedJob, x: float, y: float) -> str:
    kind = _kind(job)
    return f'<path class="sign sign-{kind}" transform="translate({x:g} {y:g})" d="{_SHAPES[kind]}"/>'


def _kind(job: ReportedJob) -> str:
    match job.outcome:
        case Outcome.SUCCEEDED:
            return "good"
        case Outcome.FAILED:
            return "bad"
        case Outcome.CANCELLED:
            return "stopped"
        case Outcome.PARTIAL:
            return "partly"
        case Outcome.BLOCKED:
            return "waiting"
        case None | Outcome.TIMEOUT | Outcome.INTERRUPTED:
            return "going"
        case Outcome.FINISHED | Outcome.NOT_FOUND | Outcome.AUTH | Outcome.UNREACHABLE | Outcome.UNREADABLE:
            return "unclear"


def _legend(y: float, left_out: int) -> Iterator[str]:
    x = 12.0
    for name, words in (
        ("pending", "pending"),
        ("running", "running"),
        ("blocked", "waits for a person"),
        ("unknown", "not known"),
        ("gap", "left out by the API"),
    ):
        high = _BAR if name in {"running", "blocked", "gap"} else _BAR / 2
        yield _box(name, x, y - 4, 22.0, high)
        if name == "blocked":
            yield _box("stripes", x, y - 4, 22.0, high)
        yield f'<text class="note" x="{x + 28:g}" y="{y:g}">{words}</text>'
        x += 46 + len(words) * _LETTER
    yield f'<line class="seen" x1="{x + 4:g}" y1="{y - 13:g}" x2="{x + 4:g}" y2="{y + 5:g}"/>'
    yield f'<text class="note" x="{x + 12:g}" y="{y:g}">as seen</text>'
    x += 74
    yield f'<path class="late" d="M{x:g} {y - 4:g}h20m0-6v12"/>'
    yield f'<text class="note" x="{x + 28:g}" y="{y:g}">ended, until known</text>'
    x += 160
    yield f'<path class="on" d="M{x:g} {y - 9:g}l6 5l-6 5"/>'
    yield f'<text class="note" x="{x + 14:g}" y="{y:g}">goes on</text>'
    if left_out:
        words = f"{left_out} more jobs are left out; those that did not succeed are all shown first"
        yield f'<text class="note" x="12" y="{y + 16:g}">{words}</text>'
