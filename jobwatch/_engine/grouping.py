"""Many jobs read by one request: which watches an errand takes along, and what becomes of those it does not show.

It decides and keeps account; the poller enters what is shown, and puts back on the agenda what is not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .._errors import ConfigError
from .._models import Fault, FaultKind, Job
from .batches import Batches, agreed
from .watch import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from .._core.look import Policy
    from .._http.origin import Origin
    from .._http.transport import Target
    from .due_queue import DueQueue
    from .fair_queue import FairQueue
    from .lists import Page, Pages
    from .watch import Watch


class JointRequest(Struct, frozen=True, eq=False):
    """One request for many jobs: when each watch that it may serve was due, and its page; None if it names their ids.

    `NEVER` stands for a newcomer, and None for the one whose turn it was.
    """

    due: dict[Watch, float | None]
    page: Page | None = None


class Grouping:
    """Reads many jobs at once.

    Args:
        policy: Reads the replies.
        pages: Which jobs one request can read; learns what came of it.
        due_queue: What the watches that go along are taken off.
        origin: Makes the requests.
        list_target_of: Makes the URL of a project's list from its id and the most jobs to show.
        batch_target_of: Makes the request for several jobs from their ids, where the API can be asked so.
        history_target_of: Makes the URL of a job's history, where the API tells it by a request of its own.

    Attributes:
        batches: How many jobs may be named by their ids, where the API can be asked so.
    """

    def __init__(
        self,
        policy: Policy,
        pages: Pages,
        due_queue: DueQueue,
        origin: Origin,
        *,
        list_target_of: Callable[[str, int], Target],
        batch_target_of: Callable[[Collection[str]], Target] | None,
        history_target_of: Callable[[str], Target] | None,
    ) -> None:
        self._policy = policy
        self._pages = pages
        self._due_queue = due_queue
        self._origin = origin
        self._list_target_of = list_target_of
        self._batch_target_of = batch_target_of
        self._history_target_of = history_target_of
        self.batches = None if batch_target_of is None else Batches(policy.api.batch_most)
        self._time = asyncio.get_running_loop().time

    def join_batch(self, first: Watch, queue: FairQueue, until: float) -> JointRequest | None:
        """Take along who is due by a time, to be named by their ids; None if nobody can be."""
        if self.batches is None or not (room := self.batches.room(first, self._time())):
            return None
        members = queue.members(room, until)
        self.batches.asked(1 + len(members))
        if not members:
            return None
        for watch in members:
            watch.looking, watch.fresh = True, False
        return JointRequest({first: None} | members)

    def join_list(self, first: Watch, page: Page) -> JointRequest:
        """Take along, off the agenda, the watches that a page can serve beside the one whose turn it is."""
        due: dict[Watch, float | None] = {first: None}
        for watch in page.others:
            due[watch] = NEVER if watch.fresh else watch.due
            self._due_queue.remove(watch)
            watch.looking, watch.fresh = True, False
        return JointRequest(due, page)

    async def jobs_of(self, joint: JointRequest) -> tuple[Job, ...] | None:
        """Read the page, or learn that it cannot be read; none of the watches is being looked at from then on."""
        try:
            jobs = await (self._jobs_named(joint) if joint.page is None else self._jobs_on(joint.page))
        except Exception as error:  # noqa: BLE001 - each job is then asked for by itself, and shows whose fault it was
            jobs = Fault(FaultKind.UNREADABLE, f"the request for several jobs failed within jobwatch: {type(error)}")
        for watch in joint.due:
            watch.looking = False
        if not isinstance(jobs, Fault):
            return jobs
        if joint.page is not None:
            self._pages.failed(joint.page, jobs, self._time())
        elif self.batches is not None:
            self.batches.failed(len(joint.due), jobs, self._time())
        return None

    def left_over(
        self, joint: JointRequest, jobs: tuple[Job, ...] | None, shown: Collection[Watch]
    ) -> Iterator[tuple[Watch, float]]:
        """Yield each watch that was not shown, and when it is due; `NEVER` for one that is a newcomer still."""
        if joint.page is not None and joint.page.guess and any(watch.watched.looks == 1 for watch in shown):
            self._pages.guessed_right()
        for unseen, due in joint.due.items():
            if unseen not in shown and unseen.wanted and unseen.watched.outcome is None:
                if jobs is not None and joint.page is not None:
                    self._pages.missed(unseen, joint.page, len(jobs))
                elif jobs is not None:
                    unseen.alone = True
                yield unseen, self._time() if due is None else due

    async def list_of(self, project_id: str, limit: int) -> tuple[Job, ...] | Fault:
        """Read a project's latest jobs."""
        return await self._read(self._list_target_of(project_id, limit))

    async def _jobs_on(self, page: Page) -> tuple[Job, ...] | Fault:
        try:
            target = self._list_target_of(page.project_id, page.limit)
        except ConfigError as error:  # an id that the server gave, and that cannot stand in a URL
            return Fault(FaultKind.REFUSED, str(error))
        return await self._read(target)

    async def _jobs_named(self, joint: JointRequest) -> tuple[Job, ...] | Fault:
        assert self._batch_target_of is not None  # noqa: S101 - nobody sets out without it
        job_ids = dict.fromkeys(watch.watched.job_id for watch in joint.due)
        reply = await self._origin.read(self._batch_target_of(job_ids))
        jobs = reply if isinstance(reply, Fault) else self._policy.api.batch(reply.body)
        jobs = jobs if isinstance(jobs, Fault) else agreed(jobs, job_ids)
        if isinstance(jobs, Fault) or self._history_target_of is None:
            return jobs
        known = {watch.watched.job_id: watch.watched.status or "" for watch in joint.due}
        async with asyncio.TaskGroup() as group:
            told = [
                job if known[job.id].casefold() == job.status.casefold() else group.create_task(self._told(job))
                for job in jobs
            ]
        return tuple(job if isinstance(job, Job) else job.result() for job in told)

    async def _told(self, job: Job) -> Job:
        """Add its history to a job in a new state."""
        assert self._history_target_of is not None  # noqa: S101 - see above
        reply, _ = await self._origin.read_in_turn(self._history_target_of(job.id))
        events = None if isinstance(reply, Fault) else self._policy.api.history(reply.body)
        return job if events is None else replace(job, events=events)

    async def _read(self, target: Target) -> tuple[Job, ...] | Fault:
        reply = await self._origin.read(target)
        return reply if isinstance(reply, Fault) else self._policy.jobs_in(reply)
