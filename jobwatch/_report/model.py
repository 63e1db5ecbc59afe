"""What a report is about: jobs, the states that they passed through, and how late their ends were known. Pure.

All times are Unix seconds. `ReportedJob.states` and what it says of itself are made by `made`, from what was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from .._models import Outcome, Phase


class Entered(Struct, frozen=True, kw_only=True):
    """A state that a job entered, as it was told.

    Attributes:
        status: The API's word for it.
        phase: Our word for it.
        at: When the API says that it was entered; None where it does not say.
        seen_at: When it was seen; None where nobody remembers.
        gap: Whether the API left out what lay between the state before and this one.
    """

    status: str
    phase: Phase
    at: float | None = None
    seen_at: float | None = None
    gap: bool = False


class State(Struct, frozen=True, kw_only=True):
    """A state with its place in time.

    Attributes:
        status: The API's word for it.
        phase: Our word for it.
        began: When it was entered.
        ended: When it was left: `began` for the job's end, the last known moment for a state that lasts.
        as_seen: Whether `began` is when it was seen, as the API does not tell.
        gap: Whether the API left out what lay between the state before and this one.
        untimed: The states before it of which nobody knows when they were entered.
    """

    status: str
    phase: Phase
    began: float
    ended: float
    as_seen: bool = False
    gap: bool = False
    untimed: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.ended - self.began


class ReportedJob(Struct, frozen=True, kw_only=True):
    """One job, as far as it is known.

    Attributes:
        job_id: Its id.
        states: The states whose times are known, in order; the job's end is the last, and takes no time.
        outcome: How the wait or the watch ended; None while it goes on, or where nothing tells.
        status: The API's word for its last state; None if it was never read.
        phase: Our word for that.
        ran: For how many seconds it ran, where that is known.
        known_after: How many seconds after its end that was known; None where nobody can tell.
        looks: How many looks were made, where they were counted.
        progress: How far it was when last seen, from 0 to 1.
        error: What went wrong, in the API's words where it gave any.
        asked: What it asks of somebody, if it waits for one.
        url: A page about it for people.
        output: The last lines that it wrote.
        is_dropped: Whether it is watched no more, though it goes on.
    """

    job_id: str
    states: tuple[State, ...] = ()
    outcome: Outcome | None = None
    status: str | None = None
    phase: Phase | None = None
    ran: float | None = None
    known_after: float | None = None
    looks: int | None = None
    progress: float | None = None
    error: str | None = None
    asked: str | None = None
    url: str | None = None
    output: str | None = None
    is_dropped: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether it was not seen to end, so that its last state lasts as far as anybody knows."""
        return self.phase is None or not self.phase.ended

    @property
    def ended_at(self) -> float | None:
        """When it ended, if it was seen to."""
        return self.states[-1].began if self.states and not self.goes_on else None

    @property
    def known_at(self) -> float | None:
        """When its end was known."""
        ended_at = self.ended_at
        return None if ended_at is None or self.known_after is None else ended_at + self.known_after


class Report(Struct, frozen=True, kw_only=True):
    """Some jobs.

    Attributes:
        jobs: The jobs, in the order in which they are shown.
        api: The name of their API, where that is known.
        remarks: What is to be known of the whole, such as lines that could not be read.
    """

    jobs: tuple[ReportedJob, ...]
    api: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def span(self) -> tuple[float, float] | None:
        """The first and the last moment of it; None where no job has a state whose time is known."""
        moments = [moment for job in self.jobs for state in job.states for moment in (state.began, state.ended)]
        moments += [job.known_at for job in self.jobs if job.known_at is not None]
        return (min(moments), max(moments)) if moments else None


def made(job: ReportedJob, entered: Sequence[Entered], until: float | None = None) -> ReportedJob:
    """Return the job with its states, and what follows from them where it is not known yet.

    Args:
        job: What else is known of it.
        entered: The states that it entered, in order.
        until: Up to when a state lasted that was not left; by default up to the last moment that is known of it.
    """
    states = _states(entered, until)
    last = entered[-1] if entered else None
    status, phase = job.status, job.phase
    if last is not None and phase is None:
        status, phase = last.status, last.phase
    job = replace(job, states=states, status=status, phase=phase)
    if job.ended_at is None or last is None or last.phase is not phase:
        return job
    known_after = job.known_after
    if known_after is None and last.at is not None and last.seen_at is not None and last.seen_at >= last.at:
        known_after = last.seen_at - last.at  # seen before it was: one of the clocks is wrong, and nobody can tell
    return replace(job, known_after=known_after, ran=_ran(states) if job.ran is None else job.ran)


def _states(entered: Sequence[Entered], until: float | None) -> tuple[State, ...]:
    begun = _begun(entered)
    timed = [index for index, began in enumerate(begun) if began is not None]
    states: list[State] = []
    for place, index in enumerate(timed):
        each, began = entered[index], begun[index] or 0.0
        left = begun[timed[place + 1]] if place + 1 < len(timed) else None
        before = entered[(timed[place - 1] + 1 if place else 0) : index]
        if left is None:
            left = began if each.phase.ended else max(began, until or began, each.seen_at or began)
        states.append(
            State(
                status=each.status,
                phase=each.phase,
                began=began,
                ended=left,
                as_seen=each.at is None,
                gap=each.gap or any(one.gap for one in before),
                untimed=tuple(one.status for one in before),
            )
        )
    return tuple(states)


def _begun(entered: Sequence[Entered]) -> list[float | None]:
    """Return when each state began, in rising order; None where nobody knows.

    What was only seen cannot have begun after what the API says of a later state; and a server's clock that was put
    back makes no state begin before the one before it.
    """
    begun = [each.seen_at if each.at is None else each.at for each in entered]
    latest: float | None = None
    for index in reversed(range(len(entered))):
        began = begun[index]
        if entered[index].at is not None:
            latest = began
        elif began is not None and latest is not None:
            begun[index] = min(began, latest)
    earliest: float | None = None
    for index, began in enumerate(begun):
        if began is not None:
            earliest = began if earliest is None else max(began, earliest)
            begun[index] = earliest
    return begun


def _ran(states: Sequence[State]) -> float | None:
    first = next((state.began for state in states if state.phase is Phase.RUNNING and not state.as_seen), None)
    return None if first is None or states[-1].as_seen else states[-1].began - first


def cleaned(report: Report, clean: Callable[[str], str]) -> Report:
    """Return a report with every text of it passed through a function, such as one that masks secrets."""

    def each(text: str | None) -> str | None:
        return None if text is None else clean(text)

    jobs = [
        replace(
            job,
            job_id=clean(job.job_id),
            states=tuple(
                replace(state, status=clean(state.status), untimed=tuple(map(clean, state.untimed)))
                for state in job.states
            ),
            status=each(job.status),
            error=each(job.error),
            asked=each(job.asked),
            url=each(job.url),
            output=each(job.output),
        )
        for job in report.jobs
    ]
    return replace(report, jobs=tuple(jobs), api=each(report.api), remarks=tuple(map(clean, report.remarks)))


def counts(jobs: Iterable[ReportedJob]) -> dict[str, int]:
    """Return how many jobs came to which outcome, the good ones first; ``going on`` stands for none."""
    found = [job.outcome for job in jobs]
    named: dict[str, int] = {}
    for outcome in (*Outcome, None):
        if count := found.count(outcome):
            named["going on" if outcome is None else outcome.value.replace("_", " ")] = count
    return named
