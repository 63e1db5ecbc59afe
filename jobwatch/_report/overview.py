"""All watched jobs as they stand now: a row each, and the whole in numbers, kept up to date as news comes. Pure.

An `Overview` takes in what a source reads (`Reading`) and says which rows have changed since a version, so that whoever
shows thousands of jobs draws or sends only those. All times are Unix seconds by our clock, but for those of states that
the API tells, which are by the API's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .._core.job_times import UNNOTICED
from .._core.stats import Stats
from .._core.tracker import Watched
from .._models import Outcome, Phase
from .._reading.times import seconds_since_1970
from .._watching.changes import Change, ChangeKind, Health
from .._watching.records import JobRecord
from .._watching.viewing import Origin, Reading, Sighting
from .journal import entered_of, job_of, remembered
from .model import Entered, ReportedJob

if TYPE_CHECKING:
    from .._core.durations import LearnedDurations

_STATES_KEPT = 64
"""How many states of a job are kept, the last ones, as a watcher itself keeps."""

_ENDED_KEPT = 5000
_GONE_KEPT = 10_000
_REMARKS_KEPT = 8

BAD = frozenset({Outcome.FAILED, Outcome.PARTIAL, Outcome.CANCELLED, Outcome.NOT_FOUND, Outcome.FINISHED})
"""The ends that are no success: of a job that is over without word how, nobody knows that it is."""


class Row(Struct, frozen=True, kw_only=True):
    """One watched job as it stands.

    Attributes:
        job: Its states and how it stands, as reports have it. Its last state lasts until now while the job goes on,
            also where `State.ended` is earlier.
        version: The version of the overview in which this last changed.
        generation: Sets it apart from an earlier job of the same id.
        api: The name of its API.
        type: The API's word for the kind of job, where it tells.
        project_id: The project it belongs to, once known.
        created_at: When it was created, where this process has read it and the API tells.
        added_at: Since when it is watched; None before the first look.
        changed_at: When what is known of it was written down: of a watch of one's own, at the last look.
        entered_at: When it entered its phase, by our clock.
        health: How well it can be seen.
        fault: What was wrong with the last look; None if that was good.
        faults: How many looks failed in a row.
        looked_at: When the last good look was made, as far as the source tells.
        next_look: When it will be looked at; None while a look is under way, and where nobody tells.
        blocked_since: Since when looks have confirmed that it waits for a person.
        unsettled: The API's word for an end that was read and is not believed yet; its last state is the one before.
        error: What the API says went wrong; None while nothing did.
        end_missed: Whether the API has forgotten it after nobody looked for longer than it keeps jobs.
        remarks: What else was told about it.
        ends_between: Between which times it will probably end, where earlier jobs tell.
        late_from: From when on it takes longer than nearly all earlier jobs did, where those tell.
    """

    job: ReportedJob
    version: int
    generation: int = 0
    api: str
    type: str | None = None
    project_id: str | None = None
    created_at: float | None = None
    added_at: float | None = None
    changed_at: float
    entered_at: float | None = None
    health: Health = Health.OK
    fault: str | None = None
    faults: int = 0
    looked_at: float | None = None
    next_look: float | None = None
    blocked_since: float | None = None
    unsettled: str | None = None
    error: str | None = None
    end_missed: bool = False
    remarks: tuple[str, ...] = ()
    ends_between: tuple[float, float] | None = None
    late_from: float | None = None

    @property
    def job_id(self) -> str:
        """Its id."""
        return self.job.job_id

    @property
    def goes_on(self) -> bool:
        """Whether it is watched still, as far as anybody knows."""
        return self.job.outcome is None and not self.job.is_dropped

    @property
    def asks(self) -> bool:
        """Whether it waits for a person, as the last look shows it."""
        return self.goes_on and self.job.phase is Phase.BLOCKED

    @property
    def is_bad(self) -> bool:
        """Whether it ended, and not well."""
        return self.job.outcome in BAD

    def is_late(self, now: float) -> bool:
        """Whether it goes on for longer than nearly all earlier jobs did."""
        return self.late_from is not None and self.goes_on and now >= self.late_from

    def age(self, now: float) -> float | None:
        """Return for how many seconds it has been in its phase; None of a job that has ended, or was not read yet."""
        return None if self.entered_at is None or not self.goes_on else max(0.0, now - self.entered_at)


class Totals(Struct, frozen=True, kw_only=True):
    """All jobs in numbers.

    Attributes:
        going_on: How many jobs are watched.
        phases: How many of them are in each phase.
        unread: How many of them were not read yet.
        ended: How many have ended, by how, those included that are shown no more.
        dropped: How many go on, and are watched no more.
        troubled: How many cannot be seen well, by how.
        late: How many go on for longer than nearly all earlier jobs did.
        stats: What the client has done: requests, faults, how late ends were known, what its budget allows; None where
            somebody else asks.
    """

    going_on: int
    phases: Mapping[Phase, int]
    unread: int
    ended: Mapping[Outcome, int]
    dropped: int
    troubled: Mapping[Health, int]
    late: int
    stats: Stats | None

    @property
    def bad(self) -> int:
        """How many have ended, and not well."""
        return sum(count for outcome, count in self.ended.items() if outcome in BAD)


class Delta(Struct, frozen=True, kw_only=True):
    """What has changed since a version.

    Attributes:
        version: The version that it leads to.
        rows: The rows that are new or have changed, those first that changed first.
        gone: The ids of jobs that are shown no more.
        is_whole: Whether the rows are all there are, and everything known before is to be forgotten.
    """

    version: int
    rows: tuple[Row, ...]
    gone: tuple[str, ...] = ()
    is_whole: bool = False


class _Known(Struct):
    """What is kept of a job beside its row."""

    record: JobRecord
    states: dict[int, Entered] = {}
    ahead: float = 0.0
    next_look: float | None = None
    error: str | None = None
    end_missed: bool = False
    remarks: tuple[str, ...] = ()
    url: str | None = None
    created_at: float | None = None


class Overview:
    """The rows, and the whole in numbers.

    Args:
        learned: What earlier jobs took; None where that is not known.
        ended_kept: How many jobs that have ended are kept, the latest; of earlier ones only their number.

    Attributes:
        origin: Where the jobs come from; None before the first reading.
        version: Rises with every row that changes.
    """

    def __init__(self, learned: LearnedDurations | None = None, ended_kept: int = _ENDED_KEPT) -> None:
        self.origin: Origin | None = None
        self.version = 0
        self._learned = learned
        self._ended_kept = ended_kept
        self._stats: Stats | None = None
        self._known: dict[str, _Known] = {}
        self._rows: dict[str, Row] = {}  # those that changed last come last
        self._order: dict[str, None] = {}  # in the order in which they came
        self._ended: dict[str, None] = {}
        self._gone: dict[str, int] = {}
        self._whole_before = 0
        self._counts: Counter[Phase | Outcome | Health | str | None] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    # --- what comes in -----------------------------------------------------------------------------------------

    def take(self, reading: Reading, now: float) -> None:
        """Take in what is new.

        Args:
            reading: What a source has read.
            now: The time.
        """
        self.origin = reading.origin
        self._stats = reading.stats or self._stats
        for job_id in reading.gone:
            self._remove(job_id)
        touched = dict.fromkeys(sighting.record.job_id for sighting in reading.sightings)
        for sighting in reading.sightings:
            self._see(sighting)
        for change in reading.changes:
            if self._hear(change):
                touched[change.job_id] = None
        for job_id in touched:
            self._put(job_id, now)
        while len(self._ended) > self._ended_kept:
            self._let_go(next(iter(self._ended)))

    def refresh(self, now: float) -> None:
        """Estimate anew when jobs will end that have gone on for longer than the estimate said at least.

        Args:
            now: The time.
        """
        for job_id in [row.job_id for row in self._rows.values() if row.ends_between and now >= row.ends_between[0]]:
            row = self._rows[job_id]
            estimate = self._estimate(self._known[job_id].record.watched, now)
            if estimate != row.ends_between:
                self._replace(replace(row, ends_between=estimate, version=self._next_version()))

    def _see(self, sighting: Sighting) -> None:
        record = sighting.record
        known = self._known.get(record.job_id)
        if known is None or known.record.generation != record.generation:
            known = self._known[record.job_id] = _Known(record)
            self._order[record.job_id] = None
        watched = record.watched
        # What is remembered now may be left out of a later record, and what it meant is told only while it is the last.
        for number in range(watched.seq - len(watched.delivered) + 1, watched.seq + 1):
            is_told = number in known.states and known.states[number].phase is not Phase.UNKNOWN
            if not is_told or (number == watched.seq and known.states[number].status != watched.status):
                known.states[number] = remembered(watched, number)
        if sighting.job is not None:
            created_at = sighting.job.created_at
            known.url = sighting.job.url
            known.created_at = None if created_at is None else seconds_since_1970(created_at)
        known.record, known.ahead, known.next_look = record, sighting.ahead or known.ahead, sighting.next_look

    def _hear(self, change: Change) -> bool:
        known = self._known.get(change.job_id)
        if known is None or known.record.generation != change.generation:
            return False
        if change.transition is not None:
            known.states[change.transition.seq] = entered_of(change.transition)
        if change.kind is ChangeKind.REMARK and change.remark is not None:
            known.remarks = (*known.remarks, change.remark)[-_REMARKS_KEPT:]
        if change.kind is ChangeKind.END:
            known.error = None if change.error is None else change.error.text
            known.end_missed = change.end_missed
        return True

    # --- rows --------------------------------------------------------------------------------------------------

    def _put(self, job_id: str, now: float) -> None:
        row = self._row(self._known[job_id], now)
        before = self._rows.get(job_id)
        if before is None or replace(before, version=row.version) != row:
            self._replace(replace(row, version=self._next_version()))

    def _row(self, known: _Known, now: float) -> Row:
        record = known.record
        watched = record.watched
        unsettled = watched.unsettled
        shown = record if unsettled is None else replace(record, watched=_before_its_end(watched, known.states))
        number = shown.watched.seq
        states = {each: known.states[each] for each in sorted(known.states) if number - _STATES_KEPT < each <= number}
        known.states = {**states, **{each: state for each, state in known.states.items() if each > number}}
        fault = None if watched.fault is None else watched.fault.text
        error = known.error or (None if watched.error is None else watched.error.text)
        job = job_of(shown, states, error or fault, None)
        if known.ahead and not job.goes_on:
            job = replace(job, known_after=_known_after(known.states.get(number), known.ahead))
        job = job if job.url else replace(job, url=known.url)
        blocked = watched.blocked if watched.is_blocked else None
        is_over = watched.outcome is not None
        return Row(
            job=job,
            version=0,
            generation=record.generation,
            api=watched.api,
            type=watched.type,
            project_id=watched.project_id,
            created_at=known.created_at,
            added_at=watched.added_at,
            changed_at=record.changed_at,
            entered_at=watched.entered_at,
            health=record.health,
            fault=fault,
            faults=watched.faults,
            looked_at=watched.looked_at,
            next_look=None if is_over else known.next_look,
            blocked_since=None if blocked is None else blocked.since,
            unsettled=None if unsettled is None else unsettled.status,
            error=error,
            end_missed=known.end_missed or watched.end_missed,
            remarks=known.remarks,
            ends_between=None if is_over else self._estimate(shown.watched, now),
            late_from=None if is_over else self._late_from(shown.watched),
        )

    def _estimate(self, watched: Watched, now: float) -> tuple[float, float] | None:
        if self._learned is None or watched.phase is None or watched.entered_at is None:
            return None
        age = max(0.0, now - watched.entered_at)
        left = self._learned.left(watched.api, watched.type, watched.phase, age)
        return None if left is None else (now + left[0], now + left[1])

    def _late_from(self, watched: Watched) -> float | None:
        if self._learned is None or watched.phase is None or watched.entered_at is None:
            return None
        usual = self._learned.usual(watched.api, watched.type, watched.phase)
        return None if usual is None else watched.entered_at + usual

    def _next_version(self) -> int:
        self.version += 1
        return self.version

    def _replace(self, row: Row) -> None:
        before = self._rows.pop(row.job_id, None)
        if before is not None:
            self._counts.subtract(_counted(before))
        self._counts.update(_counted(row))
        self._rows[row.job_id] = row
        self._gone.pop(row.job_id, None)
        if row.goes_on:
            self._ended.pop(row.job_id, None)
        else:
            self._ended.setdefault(row.job_id)

    def _remove(self, job_id: str) -> None:
        """Show a job no more, and do not count it either."""
        row = self._rows.get(job_id)
        if row is not None:
            self._counts.subtract(_counted(row))
            self._let_go(job_id)

    def _let_go(self, job_id: str) -> None:
        """Show a job no more."""
        del self._rows[job_id], self._known[job_id], self._order[job_id]
        self._ended.pop(job_id, None)
        self._gone[job_id] = self._next_version()
        if len(self._gone) > _GONE_KEPT:
            self._whole_before = self._gone.pop(next(iter(self._gone)))

    # --- what is shown -----------------------------------------------------------------------------------------

    def row(self, job_id: str) -> Row | None:
        """Return a job's row; None where it is not known, or shown no more."""
        return self._rows.get(job_id)

    def rows(self) -> Iterable[Row]:
        """Return all rows, those first that came first."""
        return (self._rows[job_id] for job_id in self._order if job_id in self._rows)

    def since(self, version: int) -> Delta:
        """Return what has changed since a version; 0 is that before all others.

        Args:
            version: The `Delta.version` of the last one that was taken in.
        """
        if version < self._whole_before or version <= 0 or version > self.version:
            return Delta(version=self.version, rows=tuple(self.rows()), is_whole=True)
        changed: list[Row] = []
        for job_id in reversed(self._rows):
            row = self._rows[job_id]
            if row.version <= version:
                break
            changed.append(row)
        gone: list[str] = []
        for job_id in reversed(self._gone):
            if self._gone[job_id] <= version:
                break
            gone.append(job_id)
        return Delta(version=self.version, rows=tuple(reversed(changed)), gone=tuple(reversed(gone)))

    def states(self, job_id: str, after: int = 0) -> list[tuple[int, Entered]]:
        """Return the states of a job that are kept, with their numbers, as they were told.

        Args:
            job_id: Its id; one that is not known has none.
            after: Only those with a greater number.
        """
        known = self._known.get(job_id)
        if known is None:
            return []
        unsettled = known.record.watched.unsettled
        held_back = unsettled is not None and unsettled.transition is not None
        last = known.record.watched.seq - held_back
        return [(number, state) for number, state in sorted(known.states.items()) if after < number <= last]

    def totals(self, now: float) -> Totals:
        """Return all jobs in numbers.

        Args:
            now: The time.
        """
        counts = self._counts
        return Totals(
            going_on=counts[_GOING_ON],
            phases={phase: counts[phase] for phase in Phase if counts[phase]},
            unread=counts[None],
            ended={outcome: counts[outcome] for outcome in Outcome if counts[outcome]},
            dropped=counts[_DROPPED],
            troubled={health: counts[health] for health in Health if counts[health]},
            late=sum(row.is_late(now) for row in self._rows.values()),
            stats=self._stats,
        )


_GOING_ON = "going on"
_DROPPED = "dropped"


def _counted(row: Row) -> list[Phase | Outcome | Health | str | None]:
    """Return what a row is counted as."""
    if row.job.outcome is not None:
        return [row.job.outcome]
    if row.job.is_dropped:
        return [_DROPPED]
    standing: list[Phase | Outcome | Health | str | None] = [_GOING_ON, row.job.phase]
    return standing if row.health is Health.OK else [*standing, row.health]


def _known_after(end: Entered | None, ahead: float) -> float | None:
    """Return how late an end was known where clocks differ; see `job_times`."""
    if end is None or end.at is None or end.seen_at is None:
        return None
    late = end.seen_at + ahead - end.at
    return None if late < -UNNOTICED else max(0.0, late)


def _before_its_end(watched: Watched, states: Mapping[int, Entered]) -> Watched:
    """Return a job of which an end was read that is not believed yet, as it stood before."""
    held = watched.unsettled
    is_numbered = held is not None and held.transition is not None
    seq = watched.seq - is_numbered
    last = states.get(seq)
    delivered = watched.delivered[:-1] if is_numbered else watched.delivered
    phase = None if last is None else last.phase
    entered_at = None if last is None else last.seen_at or last.at
    status = None if last is None else last.status
    return replace(watched, seq=seq, delivered=delivered, status=status, phase=phase, entered_at=entered_at)
