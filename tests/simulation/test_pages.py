"""Lists that move while their pages are read: no end that was not so at any moment of the look that told it.

A world has a list of checks, newest first, on pages of a few. Before each request something may happen: a check is
done or fails, one is added in front, one that is done goes, or the request is not answered. What moves the others from
page to page happens seldom enough that it disturbs one of two readings at most, which is what the second one is for.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import pytest

from jobwatch import Client, Fault, FaultKind, Job, JobwatchError, Pace
from jobwatch._http.pages import Pages as PagesRead
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._reading.pages import Items
from jobwatch._table.compile import api_of
from tests.table.test_pages import CHECKS, Pages
from tests.virtual import Loop

SEEDS = 150
SIZE = 3
MOST_ITEMS = 14
UNDISTURBED = 2 * (MOST_ITEMS // SIZE + 2)
"""For how many requests nothing moves after something did: as many as two readings take."""


class World:
    """A list that changes, and what was so of it at each request.

    Args:
        seed: Says what happens.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._made = 0
        self._still = 0
        self._left = self._rng.randint(0, 6)
        self.items: list[dict[str, object]] = []
        self.truths: list[str] = []
        for _ in range(self._rng.randint(SIZE, 8)):
            self._add()

    def _add(self) -> None:
        self._made += 1
        self.items.insert(0, {"id": self._made, "state": "run", "bad": False})

    def truth(self) -> str:
        """Return what is so of the whole list at this moment."""
        if any(item["state"] == "run" for item in self.items):
            return "running"
        return "failed" if any(item["bad"] for item in self.items) else "succeeded"

    def answer(self, name: str, _: bytes | None) -> object:
        """Let something happen, and answer a request."""
        rng = self._rng
        self.truths.append(self.truth())
        number = int(name.partition("?page=")[2] or 1)
        running = [item for item in self.items if item["state"] == "run"]
        if running and rng.random() < 0.5:
            rng.choice(running).update(state="done", bad=rng.random() < 0.2)
        self._still -= 1
        is_late = len(running) <= 1 and number > 1
        if self._still < 0 and self._left and rng.random() < (0.8 if is_late else 0.1):
            self._still, self._left = UNDISTURBED, self._left - 1
            done = [index for index, item in enumerate(self.items) if item["state"] != "run" and not item["bad"]]
            if done and rng.random() < 0.7 and len(self.items) > SIZE:
                del self.items[rng.choice(done[:SIZE])]
            elif len(self.items) < MOST_ITEMS:
                self._add()
        self.truths.append(self.truth())
        if rng.random() < 0.06:
            return Fault(rng.choice([FaultKind.UNREACHABLE, FaultKind.NOT_FOUND]), "not now", 503)
        page: dict[str, object] = {"checks": self.items[(number - 1) * SIZE : number * SIZE]}
        return page | ({"next": f"?page={number + 1}"} if len(self.items) > number * SIZE else {})


async def untrue(seed: int) -> str | None:
    """Watch a list to its end; return what was told of it and was not so at any moment of the last look, if so."""
    world = World(seed)
    api = api_of(tomllib.loads(CHECKS), "own")
    pages = Pages(world.answer, delay=0.05)
    client = Client(api, pace=Pace(min_interval=0.5))
    source = HttpSource(api, Given(None, None, None), transport=pages)  # type: ignore[arg-type]
    began = 0

    async def job(*args: Any, **options: Any) -> Any:
        nonlocal began
        began = len(world.truths)
        return await asked(*args, **options)

    asked, source.job = source.job, job  # type: ignore[method-assign]
    client._source = source
    async with client:
        try:
            ended = await client.wait_for("j1", check=False, timeout=600.0)
        except JobwatchError as error:
            return f"seed {seed}: no end: {error}"
    told = ended.status
    return None if told in world.truths[began:] else f"seed {seed}: {told}, and it was {world.truths[began:]}"


def first_untrue(seeds: int) -> str | None:
    """Return the first seed's untruth, if there is any."""
    for seed in range(seeds):
        loop = Loop()
        try:
            if (found := loop.run_until_complete(untrue(seed))) is not None:
                return found
        finally:
            loop.close()
    return None


def test_no_end_is_told_that_was_not_so() -> None:
    assert first_untrue(SEEDS) is None


def _without_a_second_reading() -> AbstractContextManager[object]:
    async def proved(_self: object, items: Items, read: Any, job: Job, _turn: object) -> Job | Fault:
        doubt = items.doubt(read.body, len(read.pages))
        return job if doubt is None else Fault(FaultKind.UNREADABLE, doubt)

    return mock.patch.object(HttpSource, "_proved", proved)


def _pages_but(change: Callable[[PagesRead], PagesRead]) -> AbstractContextManager[object]:
    from jobwatch._http.pages import pages_of as real

    async def pages_of(*args: Any, **options: Any) -> PagesRead:
        return change(await real(*args, **options))

    return mock.patch("jobwatch._http.pages.pages_of", pages_of)


PLANTED: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no second reading": _without_a_second_reading,
    "the last page is left out": lambda: _pages_but(
        lambda read: PagesRead(read.replies[: max(1, len(read.replies) - 1)])
    ),
    "a page that fails ends the list": lambda: _pages_but(lambda read: PagesRead(read.replies)),
    "the first page is all": lambda: _pages_but(lambda read: PagesRead(read.replies[:1])),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(bug: str) -> None:
    with PLANTED[bug]():
        assert first_untrue(SEEDS) is not None
