"""Many jobs shown by one request: which watches it takes along, and what becomes of those that it does not show.

It decides and keeps account; the looks enter what is shown, and put back on the schedule what is not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .._core.source import SeenMany
from .._errors import ConfigError
from .._models import Fault, FaultKind, Job
from .batches import Batches, agreed
from .lists import Pages
from .watch import FIRST, NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .._core.durations import LearnedDurations
    from .._core.source import Source
    from .counters import Counters
    from .lists import Page
    from .schedule import Schedule
    from .watch import Watch


class JointRequest(Struct, frozen=True, eq=False):
    """One request for many jobs: when each watch that it may serve was due, and its page; None if it names their ids.

    `NEVER` stands for a job that waits for its first look, and None for the one whose turn it was.
    """

    due: dict[Watch, float | None]
    page: Page | None = None


class Grouping:
    """Knows which watched jobs one request can show.

    Args:
        source: What is asked.
        schedule: What the watches that are taken along are taken off.
        history: What is known of how long jobs take.
        counters: Counts the requests.

    Attributes:
        is_possible: Whether any request can show several jobs.
    """

    def __init__(self, source: Source, schedule: Schedule, history: LearnedDurations, counters: Counters) -> None:
        self._counters = counters
        self._source = source
        self._schedule = schedule
        has_lists = source.has_lists and not source.has_moves
        self._pages = Pages(source.name, history, has_lists=has_lists)
        self._batches = Batches(source.batch_most) if source.batch_most and not source.has_moves else None
        self._time = asyncio.get_running_loop().time
        self.is_possible = has_lists or self._batches is not None

    def join(self, watch: Watch) -> None:
        """Take in a watch whose project is known."""
        self._pages.join(watch)

    def leave(self, watch: Watch) -> None:
        """Forget a watch."""
        self._pages.leave(watch)

    def set_apart(self, watch: Watch) -> None:
        """Have a watch asked for singly from now on."""
        self._pages.set_apart(watch)

    def readers(self, watch: Watch, now: float) -> float:
        """Return how many jobs a look at this one shows."""
        readers: float = self._pages.readers(watch, now)
        return readers if self._batches is None else max(readers, self._batches.readers(watch, now))

    def sharers(self, watch: Watch, now: float) -> float:
        """Return among how many jobs the cost of a look at this one is shared, as far as that may hasten it."""
        sharers: float = self._pages.sharers(watch, now)
        return sharers if self._batches is None else max(sharers, self._batches.sharers(watch, now))

    def to_wake(self, project_id: str) -> tuple[str, ...]:
        """Return whom to look at for news of a project: one job, where a list shows the others with it."""
        return self._pages.to_wake(project_id, self._time())

    def joint(self, watch: Watch, interval: float) -> JointRequest | None:
        """Return the request to make in place of a look at one job, with those that join it; None if there is none.

        Args:
            watch: Whose turn it is.
            interval: How long it has been since it was looked at, in seconds.
        """
        now = self._time()
        joint = None if self._batches is None else self._join_batch(self._batches, watch, now, now + interval)
        if joint is not None:
            return joint
        page = self._pages.page_for(watch, now, self._schedule.first_looks)
        return None if page is None else self._join_list(watch, page)

    async def jobs_of(self, joint: JointRequest) -> tuple[tuple[Job, ...], float | None] | None:
        """Ask for the jobs, all as they are told, or learn that they cannot be read.

        Returns:
            The jobs, and for how many seconds their answer asks not to be asked about them; None where there is none.
        """
        try:
            told = await (self._jobs_named(joint) if joint.page is None else self._jobs_on(joint.page))
        except Exception as error:  # noqa: BLE001 - each job is then asked about by itself, and shows whose fault it was
            failed = f"the request for several jobs failed: {type(error).__name__}"
            told = SeenMany(Fault(FaultKind.UNREADABLE, failed))
        jobs = told.what
        if not isinstance(jobs, Fault):
            # When to come back to a list says nothing of when to come back to one of its jobs.
            return jobs, told.retry_after if joint.page is None else None
        if joint.page is not None:
            self._pages.failed(joint.page, jobs, self._time())
        elif self._batches is not None:
            self._batches.failed(len(joint.due), jobs, self._time())
        return None

    def left_over(
        self, joint: JointRequest, jobs: tuple[Job, ...] | None, shown: Collection[Watch]
    ) -> Iterator[tuple[Watch, float]]:
        """Yield each watch that was not shown, and when it is due; `NEVER` for one that waits for its first look."""
        if joint.page is not None and joint.page.guess and any(watch.watched.looks == 1 for watch in shown):
            self._pages.guessed_right()
        for unseen, due in joint.due.items():
            if unseen not in shown and unseen.goes_on:
                if jobs is not None and joint.page is not None:
                    self._pages.missed(unseen, joint.page, len(jobs))
                elif jobs is not None:
                    self._pages.set_apart(unseen)
                yield unseen, self._time() if due is None else due

    def _join_batch(self, batches: Batches, first: Watch, now: float, until: float) -> JointRequest | None:
        """Take along who is due by a time, to be named by their ids; None if nobody can be."""
        room = batches.room(first, now)
        if not room:
            return None
        members = self._schedule.members(room, until)
        batches.asked(1 + len(members))
        for watch in members:
            watch.begin_look()
        return JointRequest({first: None} | members) if members else None

    def _join_list(self, first: Watch, page: Page) -> JointRequest:
        """Take along the watches that a page can serve beside the one whose turn it is."""
        due: dict[Watch, float | None] = {first: None}
        for watch in page.others:
            was_due = self._schedule.remove(watch)
            due[watch] = NEVER if watch.stage is FIRST else was_due
            watch.begin_look()
        return JointRequest(due, page)

    async def _jobs_on(self, page: Page) -> SeenMany:
        try:
            told = await self._schedule.answer(self._source.project(page.project_id, page.limit, self._schedule.turn))
        except ConfigError as error:  # a project's id is the server's word, and need not be fit for a URL
            return SeenMany(Fault(FaultKind.REFUSED, str(error)))
        self._counters.joint += 1
        return told

    async def _jobs_named(self, joint: JointRequest) -> SeenMany:
        known = {watch.watched.job_id: watch.watched.status for watch in joint.due}
        told = await self._schedule.answer(self._source.batch(known, self._schedule.turn))
        self._counters.joint += 1
        return told if isinstance(told.what, Fault) else replace(told, what=agreed(told.what, known))
