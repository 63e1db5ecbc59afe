"""The jobs of a watcher: which are watched, what looks change, and how much of that is acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from .._core.resuming import with_times_until
from .._core.tracker import Watched
from .._engine.poller import Prepared
from .._engine.watch import NEVER
from .changes import Change, ChangeKind, Health, WatchedJob
from .records import Acknowledged, Changed, Forgotten, JobRecord, RecordState
from .showing import TROUBLED, at_its_end, changes_of
from .viewing import Sighting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .._core.look import Looked
    from .._engine.poller import Poller
    from .._engine.watch import Watch
    from .._models import Job
    from .journal import Journal
    from .memory import Memory

_WATCHED: Final = RecordState.WATCHED  # until Python 3.12, to find a member takes longer than all that is done with it
_ENDED: Final = RecordState.ENDED

_AT_ONCE = 1000
"""How many jobs of a journal are taken up before the event loop has a turn: that takes about two milliseconds."""


class _Job(Struct, eq=False, gc=False):
    """One job of a watcher; while it is watched, what is known of it is with its `watch`, and `last` is None."""

    last: Watched | None
    generation: int
    seq: int = 0
    acknowledged: int = 0
    health: Health = Health.OK
    watch: Watch | None = None

    @property
    def watched(self) -> Watched:
        watched = self.last if self.watch is None else self.watch.watched
        assert watched is not None  # noqa: S101  # one of the two has it
        return watched


class Glimpse(Struct, frozen=True):
    """How a job was when somebody looked at the list last."""

    known: object
    health: Health
    due: float
    generation: int

    def is_as(self, other: Glimpse) -> bool:
        """Whether nothing has changed, by identity where that tells: what is known is replaced at each look."""
        return (
            self.known is other.known
            and self.health is other.health
            and self.due == other.due
            and self.generation == other.generation
        )


class JobList:
    """The jobs of a watcher that are watched, or have ended with changes that are not acknowledged.

    Args:
        poller: Looks at them.
        journal: Writes down what changes.
        stale_after: For how many seconds looks at a job may fail before it is stale.

    Attributes:
        undelivered: How many changes are not acknowledged.
        noticed: Told of each job as a look has shown it, if anybody shows jobs.
        told: Told of the changes of a job, and of how it stands with them, by whoever shows jobs and takes no changes.
        adding: Held from reading what the journal has of a job until the job is on the list: else one that ends and is
            acknowledged in between would be begun again.
    """

    def __init__(self, poller: Poller, journal: Journal | Memory, stale_after: float) -> None:
        self.undelivered = 0
        self.noticed: Callable[[str, Job], None] | None = None
        self.told: Callable[[JobRecord, tuple[Change, ...]], None] | None = None
        self._poller = poller
        self._on_look = self._looked  # one bound method for all jobs
        self._journal = journal
        self._stale_after = stale_after
        self.adding = asyncio.Lock()
        self._closed = False
        self._jobs: dict[str, _Job] = {}
        self._failing: dict[str, float] = {}
        self._alarm: asyncio.TimerHandle | None = None

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __len__(self) -> int:
        return len(self._jobs)

    def close(self) -> None:
        """Have no more looks made."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        for job in self._jobs.values():
            if job.watch is not None:
                self._poller.drop(job.watch)

    # --- which are watched ---------------------------------------------------------------------------------

    async def restore(self, records: Sequence[JobRecord]) -> None:
        """Go on with the jobs that the journal held, with all of them or none; the loop has a turn now and then.

        Raises:
            ConfigError: Another watcher of the client watches one of them.
        """
        now = self._poller.unix()
        jobs: dict[str, _Job] = {}
        prepared = Prepared()
        is_watched = RecordState.WATCHED  # until Python 3.12, to find a member takes long
        for first in range(0, len(records), _AT_ONCE):
            await asyncio.sleep(0)
            begun: list[_Job] = []
            for record in records[first : first + _AT_ONCE]:
                job = jobs[record.job_id] = _job_of(record, record.acknowledged, now)
                if record.state is is_watched:
                    begun.append(job)
            _hand_over(begun, prepared.add(_lasts(begun), self._on_look))
        undelivered = sum([record.seq - record.acknowledged for record in records])
        self._poller.begin_all(prepared)  # in one piece with the next two lines: whoever looks sees all or none
        self._jobs.update(jobs)
        self.undelivered += undelivered
        for first in range(0, len(prepared.of_projects), _AT_ONCE):
            await asyncio.sleep(0)
            self._poller.group(prepared.of_projects[first : first + _AT_ONCE])

    def _begin(self, jobs: list[_Job]) -> None:
        """Have jobs looked at: all of them, or none."""
        _hand_over(jobs, self._poller.watch_all(_lasts(jobs), self._on_look))

    async def add(self, jobs: Iterable[Watched]) -> tuple[str, ...]:
        """Begin to watch jobs, as `enter` does with what the journal has of them."""
        async with self.adding:
            unknown = [watched for watched in jobs if watched.job_id not in self._jobs]
            return self.enter(unknown, await self._journal.find([watched.job_id for watched in unknown]))

    def enter(self, jobs: Iterable[Watched], records: Mapping[str, JobRecord]) -> tuple[str, ...]:
        """Begin to watch those of some jobs that are neither watched nor known to have ended, and return their ids.

        Args:
            jobs: What is known of them.
            records: What the journal has of any of them: one that was dropped is taken up there.

        Raises:
            ConfigError: Another watcher of the client watches one of them.
        """
        if self._closed:
            return ()
        now, generation = self._poller.unix(), self._journal.generation
        added: dict[str, _Job] = {}
        for watched in jobs:
            job_id, record = watched.job_id, records.get(watched.job_id)
            if job_id in self._jobs or (record is not None and record.state is RecordState.ENDED):
                continue
            added[job_id] = _Job(watched, generation) if record is None else _job_of(record, record.seq, now)
        entries = [Changed(self._record(job, job.watched, now)) for job in added.values()]
        self._begin(list(added.values()))
        self._jobs.update(added)
        self._journal.put(*entries)
        return tuple(added)

    async def drop(self, job_id: str) -> bool:
        """Stop watching a job, and want no more of its changes; False if it is not on the list."""
        async with self.adding:
            job = self._remove(job_id)
            if job is not None:
                record = self._record(job, job.watched, self._poller.unix())
                if record.state is _WATCHED:
                    record = replace(record, state=RecordState.DROPPED)
                self._journal.put(Changed(record), Acknowledged(job_id, job.seq))
            return job is not None

    async def forget(self, job_id: str) -> None:
        """Drop a job, and keep nothing of it."""
        async with self.adding:
            self._remove(job_id)
            self._journal.put(Forgotten(job_id))

    async def ended(self, job_id: str) -> WatchedJob | None:
        """Return how a job has ended, by this list or by the journal; None where neither knows of an end."""
        job = self._jobs.get(job_id)
        if job is None:
            record = (await self._journal.find([job_id])).get(job_id)
            job = None if record is None else _job_of(record, record.acknowledged, self._poller.unix())
        return None if job is None or job.watched.outcome is None else _overview_of(job_id, job, None)

    def overview(self, refused: Mapping[str, str]) -> tuple[WatchedJob, ...]:
        """Return how each job stands; `refused` holds the jobs of which the consumer would not take a change."""
        return tuple(_overview_of(job_id, job, refused.get(job_id)) for job_id, job in self._jobs.items())

    def sightings(self, known: dict[str, Glimpse], read: Mapping[str, int]) -> list[Sighting]:
        """Return the jobs that are otherwise than they were, but for those with changes that were not read yet.

        Args:
            known: How they were when this was called before; it is brought up to date.
            read: Up to which number the changes of each have been read.
        """
        unix = self._poller.unix()
        ahead_by = unix - self._poller.now()
        found: list[Sighting] = []
        for job_id, job in self._jobs.items():
            if job.seq > job.acknowledged and job.seq > read.get(job_id, 0):
                continue
            watch, before = job.watch, known.get(job_id)
            due = NEVER if watch is None else watch.due
            if due == NEVER and before is not None:  # a look is under way: until it is over that is no news
                due = before.due
            glimpse = Glimpse(job.last if watch is None else watch.known, job.health, due, job.generation)
            if before is None or not before.is_as(glimpse):
                known[job_id] = glimpse
                next_look = None if due == NEVER else due + ahead_by
                ahead = 0.0 if watch is None else watch.ahead
                found.append(Sighting(record=self._record(job, job.watched, unix), next_look=next_look, ahead=ahead))
        return found

    def count(self) -> tuple[int, dict[Health, int], int]:
        """Return how many jobs are watched, how many of them are in trouble, by what it is, and how many blocked."""
        healths: list[Health] = []
        blocked = 0
        for job in self._jobs.values():
            if job.watch is not None:
                healths.append(job.health)
                blocked += job.watch.brief.is_blocked
        troubled: Counter[Health] = Counter([health for health in healths if health is not Health.OK])
        return len(healths), dict(troubled), blocked

    def _remove(self, job_id: str) -> _Job | None:
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self.undelivered -= job.seq - job.acknowledged
            if job.watch is not None:
                self._unwatch(job, job.watch, job.watch.watched)
        return job

    def _unwatch(self, job: _Job, watch: Watch, known: Watched) -> None:
        """Have no more looks made at a job, and keep what is known of it."""
        job.watch, job.last = None, known
        if self._failing:
            self._failing.pop(known.job_id, None)
        self._poller.drop(watch)

    # --- what is acknowledged ------------------------------------------------------------------------------

    def wants(self, change: Change) -> bool:
        """Whether a change is still to be handed to the consumer."""
        job = self._jobs.get(change.job_id)
        # Not one of an earlier job of that id, which was forgotten while its change was in flight or read ahead.
        return job is not None and change.generation == job.generation and change.seq > job.acknowledged

    def acknowledge(self, change: Change) -> bool:
        """Count a change as acknowledged, if it is to be; a job that has ended is off the list with its last one."""
        job, seq = self._jobs.get(change.job_id), change.seq
        if job is None or change.generation != job.generation or seq <= job.acknowledged:
            return False  # as `wants` says, without asking which job it is once more
        self.undelivered -= seq - job.acknowledged
        job.acknowledged = seq
        if job.watch is None and job.seq == seq:
            del self._jobs[change.job_id]
        return True

    # --- what changes --------------------------------------------------------------------------------------

    def _looked(self, watch: Watch, looked: Looked) -> None:
        """Take in what a look at a job changed; the poller calls this."""
        known, outcome = looked.watched, looked.outcome
        job_id = known.job_id
        job = self._jobs.get(job_id)
        if job is None or job.watch is not watch:
            return
        if self.noticed is not None and looked.job is not None:
            self.noticed(job_id, looked.job)
        now, is_troubled = self._poller.unix(), outcome in TROUBLED
        changes = changes_of(looked, job.seq, job.health, datetime.fromtimestamp(now, UTC), job.generation)
        if is_troubled:
            self._poller.resume(watch)
            known = watch.watched
        if self._failing or known.fault is not None:
            self._time_failing(job_id, failing=known.fault is not None and outcome is None)
        if outcome is not None and not is_troubled:
            known = at_its_end(known, changes)
            self._unwatch(job, watch, known)
        self._change(job, changes, known, now, also=looked.is_to_keep)
        if known.is_new_here:  # nobody is asked at a place that a restart would not know of
            watch.kept = self._journal.written

    def _change(self, job: _Job, changes: tuple[Change, ...], known: Watched, now: float, *, also: bool) -> None:
        """Take changes in.

        Args:
            job: Whose they are.
            changes: They, if there are any.
            known: What is known of the job after them.
            now: The time, in Unix seconds.
            also: Whether it is to be written down without changes, too.
        """
        if not changes:
            if also:
                self._journal.put(Changed(self._record(job, known, now)))
            return
        job.seq = changes[-1].seq
        for change in changes:
            if change.health is not None:
                job.health = change.health
        self.undelivered += len(changes)
        # With the state that they lead to, all or none: a restart goes on from there, and numbers what follows.
        record = self._record(job, known, now)
        self._journal.put(Changed(record, changes))
        if self.told is not None:
            self.told(record, changes)

    @staticmethod
    def _record(job: _Job, known: Watched, now: float) -> JobRecord:
        return JobRecord(
            job_id=known.job_id,
            state=_WATCHED if known.outcome is None else _ENDED,
            health=job.health,
            seq=job.seq,
            watched=known,
            changed_at=now,
            generation=job.generation,
        )

    # --- what goes stale -----------------------------------------------------------------------------------

    def _time_failing(self, job_id: str, *, failing: bool) -> None:
        """Begin to count the time for which looks at a job fail, or stop counting."""
        if not failing:
            self._failing.pop(job_id, None)
        elif job_id not in self._failing:
            self._failing[job_id] = self._poller.now() + self._stale_after
            if self._alarm is None:
                self._set_alarm()

    def _set_alarm(self) -> None:
        # The first to have begun is the first to go stale: one alarm serves all jobs, and there is nothing to sort.
        first = next(iter(self._failing.values()), None)
        self._alarm = None if first is None else asyncio.get_running_loop().call_at(first, self._make_stale)

    def _make_stale(self) -> None:
        now = self._poller.now()
        while self._failing:
            job_id, due = next(iter(self._failing.items()))
            if due > now:
                break
            del self._failing[job_id]
            job = self._jobs.get(job_id)
            if job is not None and job.watch is not None and job.health is Health.OK:
                known, unix = job.watched, self._poller.unix()
                change = Change(
                    job_id=job_id,
                    seq=job.seq + 1,
                    generation=job.generation,
                    kind=ChangeKind.HEALTH,
                    seen_at=datetime.fromtimestamp(unix, UTC),
                    health=Health.STALE,
                    fault=known.fault,
                )
                self._change(job, (change,), known, unix, also=False)
        self._set_alarm()


def _lasts(jobs: Iterable[_Job]) -> list[Watched]:
    return [job.last for job in jobs if job.last is not None]


def _hand_over(jobs: Iterable[_Job], watches: Iterable[Watch]) -> None:
    """Have watches hold what is known of jobs."""
    for job, watch in zip(jobs, watches, strict=True):
        job.last, job.watch = None, watch


def _job_of(record: JobRecord, acknowledged: int, now: float) -> _Job:
    return _Job(with_times_until(record.watched, now), record.generation, record.seq, acknowledged, record.health)


def _overview_of(job_id: str, job: _Job, refused: str | None) -> WatchedJob:
    watched = job.watched
    blocked = watched.blocked if watched.is_blocked else None
    return WatchedJob(
        job_id=job_id,
        status=watched.status,
        phase=watched.phase,
        outcome=watched.outcome,
        health=job.health,
        looked_at=_utc(watched.looked_at),
        fault=watched.fault,
        changes=job.seq,
        acknowledged=job.acknowledged,
        refused=refused,
        blocked_since=None if blocked is None else _utc(blocked.since),
        asked=None if blocked is None else blocked.asked,
        url=None if blocked is None else blocked.url,
        error=watched.error,
    )


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
