"""What a watcher has its journal write down, entry by entry, and what it finds there again."""

from __future__ import annotations

import enum
from typing import TypeAlias

from msgspec import Struct

from .._core.tracker import Watched
from .changes import Change, Health


class RowState(enum.Enum):
    """Whether a job is watched."""

    WATCHED = "watched"
    ENDED = "ended"
    DROPPED = "dropped"


class Row(Struct, frozen=True, kw_only=True):
    """What the journal holds of one job.

    Attributes:
        job_id: Its id.
        state: Whether it is watched.
        health: How well it could be seen.
        seq: How many changes of it there have been.
        watched: What was known of it at the last of them.
        changed_at: When that was, in Unix seconds.
        acknowledged: How many of its changes the consumer has done with; read only.
    """

    job_id: str
    state: RowState
    health: Health
    seq: int
    watched: Watched
    changed_at: float
    acknowledged: int = 0


class Project(Struct, frozen=True, kw_only=True):
    """A project that is followed: since when, in Unix seconds, and the jobs last listed, None before the first list."""

    project_id: str
    added_at: float
    known: tuple[str, ...] | None = None


class Told(Struct, frozen=True):
    """Entry: a job as it stands now, and the changes that made it so."""

    row: Row
    changes: tuple[Change, ...] = ()


class Done(Struct, frozen=True):
    """Entry: the consumer has done with the changes of a job up to one."""

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


class Aged(Struct, frozen=True):
    """Entry: of jobs that ended before a moment in Unix seconds, and were acknowledged, nothing need be kept."""

    before: float


Entry: TypeAlias = Told | Done | Forgotten | Followed | Unfollowed | Aged


class Kept(Struct, frozen=True):
    """What a journal held when it was opened: jobs that are watched or unacknowledged, and projects."""

    rows: tuple[Row, ...] = ()
    projects: tuple[Project, ...] = ()
