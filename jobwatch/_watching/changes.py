"""What a watcher hands out: one change of a job after another, each under a key of its own, and how jobs stand."""

from __future__ import annotations

import enum
from datetime import datetime

from msgspec import Struct

from .._models import AsJSON, Fault, Outcome, Phase, Problem, Transition, clock, excerpt, need, printable, shown, state


class ChangeKind(enum.Enum):
    """What a change is about."""

    STATE = "state"
    BLOCKED = "blocked"
    """Two looks, 10 s apart, have shown that the job goes on only when somebody acts; its state was told before."""
    HEALTH = "health"
    REMARK = "remark"
    """Something about the watch that is worth a word, told once: `Change.remark`."""
    END = "end"


class Health(enum.Enum):
    """How well a watched job can be seen; it says nothing about how the job does.

    OK: the last looks were good, or have failed for a short time only. STALE: they have failed for a while, so what
    is known may be out of date. UNREACHABLE, UNREADABLE, AUTH: they have failed for so long, or in such a way, that
    a wait would have been given up; the job is still looked at, slowly.
    """

    OK = "ok"
    STALE = "stale"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    AUTH = "auth"


class Change(Struct, AsJSON, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One thing that happened to a watched job, handed out once.

    Attributes:
        job_id: Whose change it is.
        seq: Its place among the changes of this job, from 1, without holes.
        generation: Sets this job apart from an earlier one of the same id that was forgotten, or not kept any longer.
            It is 0 until the journal has let go of any job, and for each job as it was when that was added.
        kind: What it is about. Nothing follows the `ChangeKind.END` of a job.
        seen_at: When it was seen, by our clock, in UTC.
        transition: The state entered, for a `ChangeKind.STATE`, and for the end of a job that was seen to end. Its
            own ``seq`` counts states only.
        outcome: How the job ended, for a `ChangeKind.END`.
        error: What the API says went wrong with a job that failed.
        health: How well the job can be seen from now on, for a `ChangeKind.HEALTH`.
        fault: Why it cannot be seen, or why the API is believed not to know it.
        end_missed: Whether the API has forgotten it after no look was good for longer than it keeps jobs.
        asked: What the job asks of somebody, for a `ChangeKind.BLOCKED`, where the API tells.
        url: A page about that for people, where the API names one.
        remark: What is told, for a `ChangeKind.REMARK`.
    """

    job_id: str
    seq: int
    generation: int = 0
    kind: ChangeKind
    seen_at: datetime
    transition: Transition | None = None
    outcome: Outcome | None = None
    error: Problem | None = None
    health: Health | None = None
    fault: Fault | None = None
    end_missed: bool = False
    asked: str | None = None
    url: str | None = None
    remark: str | None = None

    @property
    def key(self) -> str:
        """The name of this change for good, the same however often it is handed out, and no other's.

        It is ``job_id:seq``, or ``job_id:generation.seq`` for a job whose id may have been watched before.
        """
        return f"{self.job_id}:{self.generation}.{self.seq}" if self.generation else f"{self.job_id}:{self.seq}"

    @property
    def status(self) -> str | None:
        """The API's word for the state entered, if one was."""
        return self.transition.status if self.transition is not None else None

    @property
    def at(self) -> datetime:
        """When it happened: by the API's clock where it says so, else when it was seen."""
        at = self.transition.at if self.transition is not None else None
        return at or self.seen_at

    def __repr__(self) -> str:
        what = f"Change {excerpt(self.key)} at {clock(self.at)}: {self.kind.value} {excerpt(self._word, 24)}"
        return shown(what, self._reason)

    def __str__(self) -> str:
        reason = self._reason
        told = f"{printable(self.job_id)} {printable(self._word)}"
        return told if reason is None else f"{told}: {printable(reason)}"

    @property
    def _word(self) -> str:
        return self.status or (self.outcome or self.health or self.kind).value

    @property
    def _reason(self) -> str | None:
        if (wrong := self.error or self.fault) is not None:
            return wrong.text
        return need(self.asked, self.url) if self.kind is ChangeKind.BLOCKED else self.remark


class WatchedJob(Struct, AsJSON, frozen=True, kw_only=True):
    """How a watched job stands.

    Attributes:
        job_id: Its id.
        status: The API's word for its state, or None before the first good look.
        phase: Our word for it.
        outcome: How it ended, or None while it is watched.
        health: How well it can be seen.
        looked_at: When the last good look at it was made, in UTC; None before that.
        fault: The fault of the last look, or None if that was good.
        changes: How many changes of it there have been.
        acknowledged: How many of them the consumer has acknowledged.
        refused: What `on_change` raised so often that no more changes of this job are handed to it.
        blocked_since: Since when it has been seen to go on only when somebody acts, in UTC; None while it does not, or
            while one look alone has shown it.
        asked: What it asks of somebody then, where the API tells.
        url: A page about that for people, where the API names one.
        error: What the API says went wrong with a job that ended, its message shortened to 400 characters.
    """

    job_id: str
    status: str | None
    phase: Phase | None
    outcome: Outcome | None
    health: Health
    looked_at: datetime | None
    fault: Fault | None
    changes: int
    acknowledged: int
    refused: str | None = None
    blocked_since: datetime | None = None
    asked: str | None = None
    url: str | None = None
    error: Problem | None = None

    def __repr__(self) -> str:
        told = "never read" if self.status is None or self.phase is None else state(self.status, self.phase)
        end = None if self.outcome is None else f"over: {self.outcome.value}"
        seen = None if self.health is Health.OK else self.health.value
        wrong = self.error or self.fault
        why = None if wrong is None else wrong.text
        return shown(f"WatchedJob {excerpt(self.job_id)}: {told}", end, seen, why or self.refused or self.asked)


class WatcherHealth(Struct, AsJSON, frozen=True, kw_only=True):
    """How a watcher stands.

    Attributes:
        jobs: How many jobs are watched, those that have ended not counted.
        troubled: How many of them stand otherwise than `Health.OK`, by how they stand.
        undelivered: How many changes the consumer has not acknowledged.
        journal: Why the journal cannot be written or read at present, or None. Changes are kept, and not handed out.
        refused: The jobs of which `on_change` would not take a change, and what it raised.
        projects: The projects that cannot be followed at present, and why.
        blocked: How many jobs go on only when somebody acts; that is nothing amiss.
        stopped: Why nothing is watched any more, or None.
    """

    jobs: int
    troubled: dict[Health, int]
    undelivered: int
    journal: str | None = None
    refused: dict[str, str] = {}
    projects: dict[str, str] = {}
    blocked: int = 0
    stopped: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing at all is amiss."""
        return not (self.troubled or self.journal or self.refused or self.projects or self.stopped)
