"""Which watched jobs one list request can read together.

A project's list costs one request however many of its jobs are watched, so with two or more it is what a look at
any of them asks for. A job that is missing from the page was not looked at; it is asked for singly from then on. A
list that cannot be read says nothing about any job: its project is read singly for a while.

A project's list also shows how long past jobs of a type took. For a type of which nothing is known it replaces one
look at a job that has been looked at a few times already.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from .._models import FaultKind
from .watch import LOOKING

if TYPE_CHECKING:
    from .._core.durations import LearnedDurations
    from .._models import Fault
    from .watch import Watch

_SMALLEST = 25  # CapyDB's default
_LARGEST = 1000
_FOR_HISTORY = 100
_LOOKS_BEFORE_HISTORY = 4
_PAUSE = 60.0
_WORTH_A_GUESS = 4
_WRONG_GUESSES = 3
_KINDS_ASKED = 4096
_NEVER_AGAIN = float("inf")
_SHARED_AT_MOST = 25


class Page(Struct, frozen=True, eq=False):
    """One list request: whose jobs, how many, and the watches it can serve beside the one that is due.

    A guess is one that may show none of the jobs that are due.
    """

    project_id: str
    limit: int
    others: tuple[Watch, ...] = ()
    guess: bool = False


class Pages:
    """Knows which watches belong to one project, and what its list is good for.

    Args:
        name: The name of the API.
        history: What is known of how long jobs take.
        has_lists: Whether a project's jobs can be asked for at all.
    """

    def __init__(self, name: str, history: LearnedDurations, *, has_lists: bool) -> None:
        self._name = name
        self._has_lists = has_lists
        self._history = history
        self._groups: dict[str, dict[Watch, None]] = {}
        self._apart: dict[str, dict[Watch, None]] = {}  # those asked for singly
        self._paused_until: dict[str, float] = {}
        self._largest: dict[str, int] = {}
        self._room: dict[str, int] = {}
        self._guessed: set[str] = set()
        self._guesses_left = _WRONG_GUESSES
        self._history_read_until: dict[str, float] = {}
        self._asked: set[tuple[str, str | None]] = set()

    def join(self, watch: Watch) -> None:
        """Take in a watch whose project is known."""
        project_id = watch.watched.project_id
        if project_id is not None:
            self._groups_for(watch).setdefault(project_id, {})[watch] = None

    def leave(self, watch: Watch) -> None:
        """Forget a watch."""
        project_id = watch.watched.project_id
        if project_id is None:
            return
        groups = self._groups_for(watch)
        group = groups.get(project_id)
        if group is not None and watch in group:
            del group[watch]
            if not group:
                del groups[project_id]

    def set_apart(self, watch: Watch) -> None:
        """Have a watch asked for singly from now on."""
        self.leave(watch)
        watch.alone = True
        self.join(watch)

    def readers(self, watch: Watch, now: float) -> int:
        """Return how many jobs a look at this one reads."""
        project_id = watch.watched.project_id
        if project_id is None or watch.alone or now < self._paused_until.get(project_id, 0.0):
            return 1
        return min(max(len(self._groups.get(project_id, ())), 1), self._most(project_id))

    def sharers(self, watch: Watch, now: float) -> int:
        """Return among how many jobs the cost of a look at this one is shared, as far as that may hasten it."""
        return min(self.readers(watch, now), _SHARED_AT_MOST)

    def to_wake(self, project_id: str, now: float) -> tuple[str, ...]:
        """Return whom to look at for news of a project: one job, where a list shows the others with it.

        Beside it, those that are asked for singly; not all of a crowd.
        """
        first = tuple(islice(self._groups.get(project_id, ()), _SHARED_AT_MOST))
        if first and self.readers(first[0], now) > 1:
            first = first[:1]
        apart = islice(self._apart.get(project_id, ()), _SHARED_AT_MOST)
        return tuple(watch.watched.job_id for watch in (*first, *apart))

    def page_for(self, watch: Watch, now: float, first_looks: int) -> Page | None:
        """Return the list request to make in place of a look at one job, if there is one worth making.

        Args:
            watch: Whose turn it is.
            now: When, on the clock that `failed` is told of.
            first_looks: How many other jobs have not been looked at yet.
        """
        project_id = watch.watched.project_id
        if project_id is None:
            return self._page_for_newcomers(now, first_looks)
        if not self._has_lists or now < self._paused_until.get(project_id, 0.0):
            return None
        if not watch.alone:
            others = self._others(watch, project_id)
            if others:
                return Page(project_id, self._limit(project_id, len(others)), others)
        return self._page_for_history(watch, project_id, now)

    def failed(self, page: Page, fault: Fault, now: float) -> None:
        """Learn that a list could not be read."""
        match fault.kind:
            case FaultKind.UNREADABLE | FaultKind.REFUSED if page.limit > _SMALLEST:
                self._largest[page.project_id] = max(page.limit // 4, _SMALLEST)
            case FaultKind.REFUSED | FaultKind.AUTH | FaultKind.NOT_FOUND | FaultKind.GONE:
                self._paused_until[page.project_id] = _NEVER_AGAIN
            case _:
                self._paused_until[page.project_id] = now + _PAUSE

    def guessed_right(self) -> None:
        """Learn that a guess showed jobs that were due."""
        self._guesses_left = _WRONG_GUESSES

    def missed(self, watch: Watch, page: Page, shown: int) -> None:
        """Learn that a project's list does not show a job, among so many others.

        A page that was full may have ended before it: the next one is to be larger. Else the job is asked for singly.
        """
        if shown >= page.limit and page.limit < self._most(page.project_id):
            self._room[page.project_id] = page.limit * 2
            return
        if watch.watched.project_id is not None:
            self.set_apart(watch)

    def _groups_for(self, watch: Watch) -> dict[str, dict[Watch, None]]:
        return self._groups if self._has_lists and not watch.alone else self._apart

    def _others(self, watch: Watch, project_id: str) -> tuple[Watch, ...]:
        """Return those of a project that a list can show beside one: where there are more, other ones each time."""
        group, most = self._groups.get(project_id, {}), self._most(project_id)
        others = tuple(islice((each for each in group if each is not watch and each.stage < LOOKING), most))
        if len(group) > most:
            for each in others:
                del group[each]
                group[each] = None
        return others

    def _page_for_newcomers(self, now: float, first_looks: int) -> Page | None:
        """Guess that many jobs which came together belong to a project that is known already.

        One guess a project, and none after a few wrong ones: each job may have a project of its own.
        """
        if first_looks < _WORTH_A_GUESS or not self._guesses_left:
            return None
        for project_id, group in self._groups.items():
            if project_id not in self._guessed and now >= self._paused_until.get(project_id, 0.0):
                self._guessed.add(project_id)
                self._guesses_left -= 1
                return Page(project_id, self._limit(project_id, first_looks + len(group)), guess=True)
        return None

    def _page_for_history(self, watch: Watch, project_id: str, now: float) -> Page | None:
        kind = project_id, watch.watched.type
        if now < self._history_read_until.get(project_id, now):
            return None  # a list just read, or on its way, shows jobs of every type
        if watch.watched.looks < _LOOKS_BEFORE_HISTORY or kind in self._asked or len(self._asked) >= _KINDS_ASKED:
            return None
        self._asked.add(kind)
        if self._history.knows(self._name, watch.watched.type):
            return None
        self._history_read_until[project_id] = now + _PAUSE
        return Page(project_id, min(_FOR_HISTORY, self._most(project_id)))

    def _limit(self, project_id: str, wanted: int) -> int:
        room = self._room.get(project_id, _SMALLEST)  # jobs that have ended stay on the list
        return min(max(room, wanted + wanted // 4), self._most(project_id))

    def _most(self, project_id: str) -> int:
        return self._largest.get(project_id, _LARGEST)
