"""Many jobs read by one request: which watches an errand takes along, and what becomes of those it does not show.

It decides and keeps account; the poller enters what is shown, and puts back on the agenda what is not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from ._agenda import NEVER
from ._errors import ConfigError
from ._models import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from ._agenda import Agenda, Watch
    from ._api import JobAPI
    from ._models import Job
    from ._origin import Origin
    from ._pages import Page, Pages
    from ._transport import Target


class Errand(Struct, frozen=True, eq=False):
    """One request for many jobs: its page, and when each watch that it may serve was due.

    `NEVER` stands for a newcomer, and None for the one whose turn it was.
    """

    page: Page
    due: dict[Watch, float | None]


class Together:
    """Reads many jobs at once.

    Args:
        api: Reads the replies.
        pages: Which jobs one request can read; learns what came of it.
        agenda: What the watches that go along are taken off.
        origin: Makes the requests.
        list_target_of: Makes the URL of a project's list from its id and the most jobs to show.
    """

    def __init__(
        self,
        api: JobAPI,
        pages: Pages,
        agenda: Agenda,
        origin: Origin,
        list_target_of: Callable[[str, int], Target],
    ) -> None:
        self._api = api
        self._pages = pages
        self._agenda = agenda
        self._origin = origin
        self._list_target_of = list_target_of
        self._time = asyncio.get_running_loop().time

    def set_out(self, first: Watch, page: Page) -> Errand:
        """Take along, off the agenda, the watches that a page can serve beside the one whose turn it is."""
        due: dict[Watch, float | None] = {first: None}
        for watch in page.others:
            due[watch] = NEVER if watch.fresh else watch.due
            self._agenda.remove(watch)
            watch.looking, watch.fresh = True, False
        return Errand(page, due)

    async def jobs_of(self, errand: Errand) -> tuple[Job, ...] | None:
        """Read the page, or learn that it cannot be read; none of the watches is being looked at from then on."""
        jobs = await self._jobs_on(errand.page)
        for watch in errand.due:
            watch.looking = False
        if not isinstance(jobs, Fault):
            return jobs
        self._pages.failed(errand.page, jobs, self._time())
        return None

    def come_back(
        self, errand: Errand, jobs: tuple[Job, ...] | None, shown: Collection[Watch]
    ) -> Iterator[tuple[Watch, float]]:
        """Yield each watch that was not shown, and when it is due; `NEVER` for one that is a newcomer still."""
        if errand.page.guess and any(watch.watched.looks == 1 for watch in shown):
            self._pages.guessed_right()
        for unseen, due in errand.due.items():
            if unseen not in shown and unseen.wanted and unseen.watched.outcome is None:
                if jobs is not None:
                    self._pages.missed(unseen, errand.page, len(jobs))
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

    async def _read(self, target: Target) -> tuple[Job, ...] | Fault:
        reply = await self._origin.read(target)
        return reply if isinstance(reply, Fault) else self._api.jobs(reply.body)
