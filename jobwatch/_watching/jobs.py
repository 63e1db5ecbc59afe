"""The roll: every job that a watcher watches, what its looks change, and how much of that was acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .._core.tracker import Watched
from .._models import Outcome
from .changes import Change, ChangeKind, Health, WatchedJob
from .records import Done, Forgotten, Row, RowState, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._core.look import Looked
    from .._engine.poller import Poller
    from .._engine.watch import Watch
    from .journal import Journal, Memory

_TROUBLED: dict[Outcome | None, Health] = {
    Outcome.UNREACHABLE: Health.UNREACHABLE,
    Outcome.UNREADABLE: Health.UNREADABLE,
    Outcome.AUTH: Health.AUTH,
}
"""Outcomes of looks that end a wait, and not a watch."""


class _Record(Struct, eq=False):
    """One job of the watcher's: what is known of it is with its watch, until it has ended."""

    watched: Watched
    seq: int = 0
    acknowledged: int = 0
    health: Health = Health.OK
    watch: Watch | None = None

    def now(self) -> Watched:
        return self.watched if self.watch is None else self.watch.watched


class JobList:
    """The jobs of a watcher.

    Args:
        poller: Looks at them.
        journal: Writes down what changes.
        stale_after: For how many seconds looks at a job may fail before it is stale.

    Attributes:
        undelivered: How many changes were told and not acknowledged.
    """

    def __init__(self, poller: Poller, journal: Journal | Memory, stale_after: float) -> None:
        self.undelivered = 0
        self._poller = poller
        self._on_look = self._saw  # one bound method for all jobs
        self._journal = journal
        self._stale_after = stale_after
        self._records: dict[str, _Record] = {}
        self._failing: dict[str, float] = {}
        self._alarm: asyncio.TimerHandle | None = None

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._records

    def close(self) -> None:
        """Have no more looks made."""
        if self._alarm is not None:
            self._alarm.cancel()
        for record in self._records.values():
            if record.watch is not None:
                self._poller.drop(record.watch)

    # --- who is on it --------------------------------------------------------------------------------------

    def restore(self, rows: Iterable[Row]) -> None:
        """Go on with the jobs that the journal held.

        Raises:
            ConfigError: Another watcher of the client watches one of them.
        """
        for row in rows:
            record = self._records[row.job_id] = _Record(row.watched, row.seq, row.acknowledged, row.health)
            self.undelivered += row.seq - row.acknowledged
            if row.state is RowState.WATCHED:
                record.watch = self._poller.watch(row.watched, self._on_look)

    def enter(self, jobs: Iterable[Watched], rows: Mapping[str, Row]) -> tuple[str, ...]:
        """Begin to watch those jobs that are neither watched nor known to have ended, and return their ids.

        Args:
            jobs: What is known of them.
            rows: What the journal has of any of them: one that was dropped is taken up there.

        Raises:
            ConfigError: Another watcher of the client watches one of them.
        """
        added: list[str] = []
        for watched in jobs:
            job_id, row = watched.job_id, rows.get(watched.job_id)
            if job_id in self._records or (row is not None and row.state is RowState.ENDED):
                continue
            record = _Record(watched) if row is None else _Record(row.watched, row.seq, row.seq, row.health)
            record.watch = self._poller.watch(record.watched, self._on_look)
            self._records[job_id] = record
            self._journal.put(Told(self._row(record, RowState.WATCHED)))
            added.append(job_id)
        return tuple(added)

    def drop(self, job_id: str) -> bool:
        """Stop watching a job, and want no more of its changes; False if it is not on the roll."""
        record = self._remove(job_id)
        if record is not None:
            state = RowState.ENDED if record.watched.outcome is not None else RowState.DROPPED
            self._journal.put(Told(self._row(record, state)), Done(job_id, record.seq))
        return record is not None

    def forget(self, job_id: str) -> None:
        """Drop a job, and keep nothing of it."""
        self._remove(job_id)
        self._journal.put(Forgotten(job_id))

    def overview(self, refused: Mapping[str, str]) -> tuple[WatchedJob, ...]:
        """Return how each job stands; `refused` tells of which jobs the consumer would not take a change."""
        return tuple(_overview_of(job_id, record, refused.get(job_id)) for job_id, record in self._records.items())

    def count(self) -> tuple[int, dict[Health, int]]:
        """Return how many jobs are watched, and how many of them are in trouble, by what it is."""
        watched = [record for record in self._records.values() if record.watch is not None]
        return len(watched), dict(Counter([record.health for record in watched if record.health is not Health.OK]))

    def _remove(self, job_id: str) -> _Record | None:
        record = self._records.pop(job_id, None)
        if record is not None:
            self.undelivered -= record.seq - record.acknowledged
            self._unwatch(record)
        return record

    def _unwatch(self, record: _Record) -> None:
        """Have no more looks made at a job, and keep what is known of it."""
        watch, record.watch = record.watch, None
        if watch is not None:
            record.watched = watch.watched
            self._failing.pop(watch.watched.job_id, None)
            self._poller.drop(watch)

    # --- what is done with ---------------------------------------------------------------------------------

    def wants(self, change: Change) -> bool:
        """Whether a change is still to be handed to the consumer."""
        record = self._records.get(change.job_id)
        return record is not None and change.seq > record.acknowledged

    def done(self, change: Change) -> int:
        """Acknowledge a change, and return the journal's mark to wait for."""
        record = self._records.get(change.job_id)
        if record is not None and change.seq > record.acknowledged:
            self.undelivered -= change.seq - record.acknowledged
            record.acknowledged = change.seq
            if record.watch is None and record.seq == change.seq:
                del self._records[change.job_id]
        return self._journal.put(Done(change.job_id, change.seq))

    # --- what changes --------------------------------------------------------------------------------------

    def _saw(self, watch: Watch, looked: Looked) -> None:
        """Take in what a look at a job changed; the poller calls this."""
        job_id = watch.watched.job_id
        record = self._records.get(job_id)
        if record is None or record.watch is not watch:
            return
        changes = changes_of(looked, record.seq, record.health, self._now())
        if looked.outcome in _TROUBLED:
            self._poller.resume(watch)
        self._mind(job_id, failing=looked.watched.fault is not None and looked.outcome is None)
        if _has_ended(looked):
            self._unwatch(record)
            record.watched = replace(record.watched, delivered=record.watched.delivered[-1:])
        self._tell(record, changes)

    def _tell(self, record: _Record, changes: tuple[Change, ...]) -> None:
        if not changes:
            return
        record.seq = changes[-1].seq
        record.health = next((change.health for change in reversed(changes) if change.health), record.health)
        self.undelivered += len(changes)
        state = RowState.ENDED if record.watched.outcome is not None else RowState.WATCHED
        self._journal.put(Told(self._row(record, state), changes))

    def _row(self, record: _Record, state: RowState) -> Row:
        watched = record.now()
        return Row(
            job_id=watched.job_id,
            state=state,
            health=record.health,
            seq=record.seq,
            watched=watched,
            changed_at=self._poller.unix(),
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._poller.unix(), UTC)

    # --- what goes stale -----------------------------------------------------------------------------------

    def _mind(self, job_id: str, *, failing: bool) -> None:
        """Begin to count the time for which looks at a job fail, or stop counting."""
        if not failing:
            self._failing.pop(job_id, None)
        elif job_id not in self._failing:
            self._failing[job_id] = self._poller.now() + self._stale_after
            if self._alarm is None:
                self._set_alarm()

    def _set_alarm(self) -> None:
        first = next(iter(self._failing.values()), None)
        self._alarm = None if first is None else asyncio.get_running_loop().call_at(first, self._ring_alarm)

    def _ring_alarm(self) -> None:
        now = self._poller.now()
        while self._failing:
            job_id, due = next(iter(self._failing.items()))
            if due > now:
                break
            del self._failing[job_id]
            record = self._records.get(job_id)
            if record is not None and record.watch is not None and record.health is Health.OK:
                change = Change(
                    job_id=job_id,
                    seq=record.seq + 1,
                    kind=ChangeKind.HEALTH,
                    seen_at=self._now(),
                    health=Health.STALE,
                    fault=record.watch.watched.fault,
                )
                self._tell(record, (change,))
        self._set_alarm()


def changes_of(looked: Looked, seq: int, health: Health, seen_at: datetime) -> tuple[Change, ...]:
    """Return what a look changed, as it is told.

    Args:
        looked: What the look gave.
        seq: How many changes have been told of the job.
        health: How well it could be seen before.
        seen_at: When the look was made.
    """
    fault, states, ended = looked.watched.fault, looked.transitions, _has_ended(looked)
    changes: list[Change] = []

    def change(kind: ChangeKind) -> Change:
        return Change(job_id=looked.watched.job_id, seq=seq + len(changes) + 1, kind=kind, seen_at=seen_at)

    now = Health.OK if fault is None else _TROUBLED.get(looked.outcome, health)
    if now is not health:
        changes.append(replace(change(ChangeKind.HEALTH), health=now, fault=fault))
    last = states[-1] if ended and states and states[-1].phase.ended else None
    for transition in states if last is None else states[:-1]:
        changes += [replace(change(ChangeKind.STATE), transition=transition)]
    if ended:
        error = looked.job.error if looked.job is not None else None
        end = replace(change(ChangeKind.END), transition=last, outcome=looked.outcome, error=error, fault=fault)
        changes.append(end)
    return tuple(changes)


def _has_ended(looked: Looked) -> bool:
    return looked.outcome is not None and looked.outcome not in _TROUBLED


def _overview_of(job_id: str, record: _Record, refused: str | None) -> WatchedJob:
    watched = record.now()
    looked_at = None if watched.looked_at is None else datetime.fromtimestamp(watched.looked_at, UTC)
    return WatchedJob(
        job_id=job_id,
        status=watched.status,
        phase=watched.phase,
        outcome=watched.outcome,
        health=record.health,
        looked_at=looked_at,
        fault=watched.fault,
        changes=record.seq,
        acknowledged=record.acknowledged,
        refused=refused,
    )
