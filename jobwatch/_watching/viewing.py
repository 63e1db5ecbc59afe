"""What a view of watched jobs is made of, whoever watches them: values, and where they come from.

A view never acknowledges anything of somebody else's, and never makes a look: it reads what a source has.
"""

from __future__ import annotations

import enum
from typing import Protocol

from msgspec import Struct

from .._core.stats import Stats
from .._models import Job
from .changes import Change
from .records import JobRecord


class Sighting(Struct, frozen=True, kw_only=True):
    """What a source knows of one job at one moment.

    Attributes:
        record: The job, as a journal holds it.
        next_look: When it will be looked at, in Unix seconds; None while a look is under way, and where nobody tells.
        ahead: How far the API's clock is ahead of ours, in seconds, as far as that can be told.
        job: The job as last read; None where it was not read since the last sighting, and where others read it.
    """

    record: JobRecord
    job: Job | None = None
    next_look: float | None = None
    ahead: float = 0.0


class Watching(enum.Enum):
    """Whether anybody makes looks at the jobs that a source tells of."""

    WE = "we"
    """The watcher of this process."""
    OTHERS = "others"
    """The process that holds the journal."""
    NOBODY = "nobody"
    """The journal is held by nobody: what it says is how things stood when it was last written."""
    UNKNOWN = "unknown"
    """The system does not tell whether anybody holds the journal."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a view has its jobs from.

    Attributes:
        api: The name of the jobs' API.
        watching: Whether anybody makes looks at them.
        journal: The path of the journal that is read; None where nothing is.
        pid: The process that holds the journal, where the system tells.
        written_at: When the journal was last written, in Unix seconds; None where there is none.
        projects: The projects whose new jobs come by themselves, with what keeps them from coming; empty if nothing.
        trouble: Why the jobs cannot be told of at present, or will not be any more; None if nothing is wrong.
    """

    api: str
    watching: Watching
    journal: str | None = None
    pid: int | None = None
    written_at: float | None = None
    projects: dict[str, str] = {}
    trouble: str | None = None


class Reading(Struct, frozen=True, kw_only=True):
    """What is new at a source.

    Attributes:
        origin: Where it comes from, as that stands now.
        sightings: The jobs that are new or have changed.
        changes: The changes that were not read before, in order; of a journal that somebody else acknowledges, not
            all of them are seen.
        gone: The ids of jobs that are known no more.
        stats: What the client has done so far; None where somebody else asks.
    """

    origin: Origin
    sightings: tuple[Sighting, ...] = ()
    changes: tuple[Change, ...] = ()
    gone: tuple[str, ...] = ()
    stats: Stats | None = None


class ViewSource(Protocol):
    """Where a view has its jobs from: `own.OwnWatch`, or `journal_view.JournalView`."""

    async def read(self, within: float) -> Reading:
        """Return what is new, as soon as there is anything, and after so many seconds at the latest.

        The first time that is all there is.
        """
        ...
