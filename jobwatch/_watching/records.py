"""The entries that a watcher writes into its journal, and what it reads back after a restart."""

from __future__ import annotations

import enum
from typing import TypeAlias

from msgspec import Struct

from .._core.tracker import Watched
from .changes import Change, Health


class RecordState(enum.Enum):
    """Whether a job is watched."""

    WATCHED = "watched"
    ENDED = "ended"
    DROPPED = "dropped"


class JobRecord(Struct, frozen=True, kw_only=True, gc=False):
    """What the journal holds of one job.

    Attributes:
        job_id: Its id.
        state: Whether it is watched.
        health: How well it could be seen.
        seq: How many changes of it there have been.
        watched: What was known of it at the last of them.
        changed_at: When that was, in Unix seconds.
        generation: Sets it apart from earlier jobs of the same id; see `Change.generation`.
        acknowledged: How many of its changes the consumer has acknowledged; computed when read, and not written.
    """

    job_id: str
    state: RecordState
    health: Health
    seq: int
    watched: Watched
    changed_at: float
    generation: int = 0
    acknowledged: int = 0


class Project(Struct, frozen=True, kw_only=True):
    """A project that is followed.

    Attributes:
        project_id: Its id.
        added_at: Since when, in Unix seconds.
        known: The ids of the jobs last listed; None before the first list.
    """

    project_id: str
    added_at: float
    known: tuple[str, ...] | None = None


class Changed(Struct, frozen=True, gc=False):
    """Entry: a job as it stands now, and the changes that made it so."""

    record: JobRecord
    changes: tuple[Change, ...] = ()


class Acknowledged(Struct, frozen=True, gc=False):
    """Entry: the consumer has acknowledged the changes of a job up to one."""

    job_id: str
    seq: int


class Forgotten(Struct, frozen=True):
    """Entry: nothing of a job is to be kept."""

    job_id: str


class Followed(Struct, frozen=True):
    """Entry: a project is followed, with what is known of it."""

    project: Project


class Unfollowed(Struct, frozen=True):
    """Entry: a project is not followed any more."""

    project_id: str


class Expired(Struct, frozen=True):
    """Entry: jobs that ended before a moment in Unix seconds, and are acknowledged, need not be kept."""

    before: float


Entry: TypeAlias = Changed | Acknowledged | Forgotten | Followed | Unfollowed | Expired


class Contents(Struct, frozen=True):
    """What a journal held when it was opened: jobs that are watched or have unacknowledged changes, and projects."""

    records: tuple[JobRecord, ...] = ()
    projects: tuple[Project, ...] = ()
