"""Which watched jobs one list request can read together.

A project's list costs one request however many of its jobs are watched, so with two or more it is what a look at
any of them asks for. A job that is missing from the page was not looked at; it is asked for singly from then on. A
list that cannot be read says nothing about any job: its project is read singly for a while.

A project's list also shows how long past jobs of a type took. For a type of which nothing is known it replaces one
look at a job that has been looked at a few times already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from ._models import FaultKind

if TYPE_CHECKING:
    from ._agenda import Watch
    from ._api import JobAPI
    from ._history import History
    from ._models import Fault

_SMALLEST = 25  # CapyDB's default
_LARGEST = 1000
_FOR_HISTORY = 100
_LOOKS_BEFORE_HISTORY = 4
_PAUSE = 60.0
_WORTH_A_GUESS = 4
_NEVER_AGAIN = float("inf")
_SHARED_AT_MOST = 25


class Page(Struct, frozen=True, eq=False):
    """One list request: whose jobs, how many, and the watches it can serve beside the one that is due."""

    project_id: str
    limit: int
    others: tuple[Watch, ...] = ()


class Pages:
    """Knows which watches belong to one project, and what its list is good for."""

    def __init__(self, api: JobAPI, history: History) -> None:
        self._api = api
        self._history = history
        self._groups: dict[str, dict[str, Watch]] = {}
        self._paused_until: dict[str, float] = {}
        self._largest = _LARGEST
        self._guessed: set[str] = set()
        self._asked: set[tuple[str, str | None]] = set()

    def join(self, watch: Watch) -> None:
        """Take in a watch whose project is known."""
        project_id = watch.watched.project_id
        if self._api.list_path is not None and project_id is not None and not watch.alone:
            self._groups.setdefault(project_id, {})[watch.watched.job_id] = watch

    def leave(self, watch: Watch) -> None:
        """Forget a watch."""
        project_id = watch.watched.project_id
        group = self._groups.get(project_id) if project_id is not None else None
        if group is not None and project_id is not None and group.get(watch.watched.job_id) is watch:
            del group[watch.watched.job_id]
            if not group:
                del self._groups[project_id]

    def sharers(self, watch: Watch) -> int:
        """Return among how many jobs the cost of a look at this one is shared."""
        project_id = watch.watched.project_id
        if project_id is None or watch.alone:
            return 1
        return min(max(len(self._groups.get(project_id, ())), 1), _SHARED_AT_MOST)

    def page_for(self, watch: Watch, now: float, newcomers: int) -> Page | None:
        """Return the list request to make in place of a look at one job, if there is one worth making.

        Args:
            watch: Whose turn it is.
            now: When, on the clock that `failed` is told of.
            newcomers: How many other jobs have not been looked at yet.
        """
        project_id = watch.watched.project_id
        if project_id is None:
            return self._page_for_newcomers(now, newcomers)
        if self._api.list_path is None or now < self._paused_until.get(project_id, 0.0):
            return None
        if not watch.alone:
            others = tuple(each for each in self._groups.get(project_id, {}).values() if not each.looking)
            if others:
                limit = min(max(_SMALLEST, len(others) + len(others) // 4), self._largest)
                return Page(project_id, limit, others)
        return self._page_for_history(watch, project_id)

    def failed(self, page: Page, fault: Fault, now: float) -> None:
        """Learn that a list could not be read."""
        match fault.kind:
            case FaultKind.UNREADABLE | FaultKind.REFUSED if self._largest > _SMALLEST and page.limit > _SMALLEST:
                self._largest = max(page.limit // 4, _SMALLEST)
            case FaultKind.REFUSED | FaultKind.AUTH | FaultKind.NOT_FOUND | FaultKind.GONE:
                self._paused_until[page.project_id] = _NEVER_AGAIN
            case _:
                self._paused_until[page.project_id] = now + _PAUSE

    def missed(self, watch: Watch) -> None:
        """Learn that a project's list does not show a job."""
        self.leave(watch)
        watch.alone = watch.watched.project_id is not None

    def _page_for_newcomers(self, now: float, newcomers: int) -> Page | None:
        """Guess that many jobs which came together belong to a project that is known already; one guess a project."""
        if newcomers < _WORTH_A_GUESS:
            return None
        for project_id, group in self._groups.items():
            if project_id not in self._guessed and now >= self._paused_until.get(project_id, 0.0):
                self._guessed.add(project_id)
                wanted = newcomers + len(group)
                return Page(project_id, min(max(_SMALLEST, wanted + wanted // 4), self._largest))
        return None

    def _page_for_history(self, watch: Watch, project_id: str) -> Page | None:
        kind = project_id, watch.watched.type
        if watch.watched.looks < _LOOKS_BEFORE_HISTORY or kind in self._asked:
            return None
        self._asked.add(kind)
        if self._history.knows(self._api.name, watch.watched.type):
            return None
        return Page(project_id, min(_FOR_HISTORY, self._largest))
