"""What reports say of jobs, times and durations, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from .._models import Outcome, Phase, both_words, need, printable
from .model import Report, ReportedJob, State, counts

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def duration(seconds: float) -> str:
    """Return a duration as people write it: ``40 ms``, ``0.4 s``, ``12 s``, ``1m 30s``, ``2h 05m``, ``3d 04h``."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:  # what would be rounded to 10.0 is written without a fraction
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02d}h"


def moment(at: float) -> str:
    """Return a moment in UTC, to the millisecond where it is none of whole seconds."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return f"{text.removesuffix('+00:00').removesuffix('.000')}Z"


def one_line(text: str) -> str:
    """Return a text of a server's on one line, with what cannot be seen escaped."""
    return printable(" ".join(text.split()))


def outcome(job: ReportedJob) -> str:
    """Return how a job's wait or watch ended, and whether the job goes on."""
    if job.outcome is None:
        return _without_outcome(job)
    told = job.outcome
    match told:
        case Outcome.SUCCEEDED | Outcome.FAILED | Outcome.CANCELLED | Outcome.FINISHED | Outcome.UNREADABLE:
            return str(told.value)
        case Outcome.PARTIAL:
            return "partly failed"
        case Outcome.BLOCKED:
            return "waits for a person"
        case Outcome.TIMEOUT:
            return "time limit over"
        case Outcome.NOT_FOUND:
            return "not found"
        case Outcome.AUTH:
            return "token refused"
        case Outcome.UNREACHABLE:
            return "unreachable"
        case Outcome.INTERRUPTED:
            return "interrupted"
        case _:
            assert_never(told)


def _without_outcome(job: ReportedJob) -> str:
    if job.is_dropped:
        return "not watched any more"
    if job.phase is None:
        return "not seen yet"
    return job.phase.value if job.phase.ended else "goes on"


def progress(job: ReportedJob) -> str:
    """Return how far a job is that goes on, in whole percents that no rounding makes more; empty where nobody tells."""
    if job.progress is None or not job.goes_on:
        return ""
    return f"{int(min(max(job.progress, 0.0), 1.0) * 100 + 1e-9)} %"


def reason(job: ReportedJob) -> str | None:
    """Return why it came to that, the server's words as they came; None where nothing tells."""
    return need(job.asked, job.url) if job.phase is Phase.BLOCKED and job.error is None else job.error


def late(job: ReportedJob) -> str | None:
    """Return how late the job's end was known; None where nobody can tell."""
    return None if job.known_after is None else f"{duration(job.known_after)} later"


def about(state: State, job: ReportedJob) -> str:
    """Return what is known of a state, in one line."""
    is_last = state is job.states[-1]
    if is_last and not job.goes_on:
        lateness = late(job)
        told = f"{moment(state.began)}{f', known {lateness}' if lateness else ''}"
    elif is_last:
        told = f"{moment(state.began)}, for {duration(state.seconds)} so far as it was seen"
    else:
        told = f"{moment(state.began)}, for {duration(state.seconds)}"
    marks = [
        "time as seen" if state.as_seen else "",
        "the API left out what was before" if state.gap else "",
        f"after {', '.join(map(one_line, state.untimed))}, at times unknown" if state.untimed else "",
    ]
    return "; ".join([f"{both_words(one_line(state.status), state.phase)} from {told}", *filter(None, marks)])


def headline(report: Report) -> str:
    """Return how many jobs came to what."""
    found = counts(report.jobs)
    total = "1 job" if len(report.jobs) == 1 else f"{len(report.jobs)} jobs"
    where = f" on {one_line(report.api)}" if report.api else ""
    if len(found) == 1 and len(report.jobs) == 1:
        return f"{total}{where}: {outcome(report.jobs[0])}"
    return f"{total}{where}: {', '.join(f'{count} {name}' for name, count in found.items())}"


def kept(jobs: Sequence[ReportedJob], most: int) -> tuple[ReportedJob, ...]:
    """Return at most so many jobs, in their order: those that did not succeed go before the others."""
    if len(jobs) <= most:
        return tuple(jobs)
    ranks = sorted(range(len(jobs)), key=lambda index: (jobs[index].outcome is Outcome.SUCCEEDED, index))
    return tuple(jobs[index] for index in sorted(ranks[:most]))
