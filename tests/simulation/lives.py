"""One who watches in the background with a journal, and whose process dies and is started again.

What was told is written down in every life. The rules:

* J1 **numbers**: the changes of a job are numbered from 1 without a hole, over all lives, and in order.
* J2 **again**: nothing is told twice but what was in hand when the life before ended, and that under the same key and
  word for word.
* J3 **in hand**: what was handed over and not done with is told again.
* J4 **the end** of a job is its last change, and two changes of its health in a row are different.
* J6 **blocked**: that a job waits for a person is told once for each time that it does, 10 s after its state or later.
  Where a job's status may be behind its history, it may wait by the one and not by the other.
* J5 **the journal** was given what was told, and nothing else before it.

A job that was forgotten and added again begins anew: these hold of each run of it, and no run uses a key of another.

The transitions of all lives together are held against the truth in `oracle.py`, where they are one listener's.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct

from jobwatch import Change, ChangeKind, Client, JobwatchError, Outcome, Phase, Watcher

from .disk import MEMORY, Life, written
from .people import CANCELLED, LEFT, STOPPED, Heard, Leg
from .truth import EPOCH, log_uniform

if TYPE_CHECKING:
    from .clock import VirtualLoop
    from .world import World


class Telling(Struct):
    """One change as it was handed over: in which life and when, and whether the consumer has done with it, and how."""

    life: int
    at: float
    change: Change
    done: bool = False
    acknowledged: bool = False
    refused: bool = False
    forgotten: bool = False


class Keeper:
    """Watches some jobs, from life to life.

    Args:
        world: What it is part of.
        loop: The loop of that.
        client: Makes a client by its name.
        job_ids: What it watches.
        rng: What decides how it lives.
    """

    def __init__(
        self, world: World, loop: VirtualLoop, client: Callable[[str], Client], job_ids: Sequence[str], rng: Random
    ) -> None:
        self.world = world
        self.tellings: list[Telling] = []
        self.by_callback = rng.random() < 0.3
        apart = Random(f"{world.plan.seed}/journal apart")
        self.by_plain_function = self.by_callback and apart.random() < 0.5
        self._forgets = apart.choice((0, 0, 1, 2))
        self._apart = apart
        self._forgetting: asyncio.Future[None] | None = None
        self._loop = loop
        self._client = client
        self._job_ids = job_ids
        self._rng = rng
        self._stir = asyncio.Event()
        self._stirs = 0
        self._heard: dict[str, Heard] = {}
        self._forgotten: dict[str, list[float]] = {}

    async def lives(self) -> None:
        """Live some lives, the last of them to the end of the world."""
        now = self._loop.time()
        self._heard = {job_id: Heard("journals", job_id, [], now, prompt=False) for job_id in self._job_ids}
        self._all_heard = {job_id: [heard] for job_id, heard in self._heard.items()}
        self.world.heard += self._heard.values()
        count = self._rng.choice(self.world.plan.size.lives)
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            path = Path(folder) / "watch.db"
            try:
                for number in range(count):
                    if await self._live(number, path, is_last=number == count - 1):
                        break
                    await asyncio.sleep(log_uniform(self._rng, 0.001, 20.0))
                self._over(LEFT)
            except asyncio.CancelledError:
                self._over(CANCELLED)
                raise
            except JobwatchError as error:
                for heard in self._heard.values():
                    heard.error = heard.error or error
                self._over(STOPPED)
            finally:
                self.world.violations += [f"journal: {wrong}" for wrong in self._wrongs(path)]

    async def _live(self, number: int, path: Path, *, is_last: bool) -> bool:
        """Live one life; True if nothing is left to do."""
        life = Life(f"life-{number}", self._rng, self._stirred)
        began = self._loop.time()
        for heard in self._heard.values():
            if not heard.ending:
                heard.legs.append(Leg(life.name, began, until=float("inf")))
        main = life.begin(self._registry(life, number, path, is_last=is_last))
        main.add_done_callback(lambda _: self._stirred())
        try:
            if is_last:
                await asyncio.wait([main])
            else:
                await self._until_something(main, began)
            if self._forgetting is not None and not main.done():  # to die meanwhile would leave open which run it was
                await asyncio.wait([main, self._forgetting], return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                life.saved_until = self._loop.time()
                main.result()
            else:
                self.world.sometimes["a life that died"] += 1
        finally:
            self.world.violations += await life.die(self._loop)
            for heard in self._heard.values():
                if heard.legs[-1].client == life.name:
                    heard.legs[-1].until = life.saved_until
        return all(heard.ending for heard in self._heard.values())

    async def _until_something(self, main: asyncio.Task[None], began: float) -> None:
        """Wait for a moment to die at: some time, or some steps after something was told or written."""
        until = began + log_uniform(self._rng, 0.05, self.world.plan.horizon / 2.0)
        if self._rng.random() < 0.7:
            stirs = self._stirs + self._rng.randint(1, 12)
            while self._stirs < stirs and self._loop.time() < until and not main.done():
                self._stir.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await self._stir.wait()
            for _ in range(self._rng.choice((0, 0, 1, 2, 4, 8, 16))):
                await asyncio.sleep(0)
            if self._rng.random() < 0.3:
                await asyncio.sleep(self._rng.choice((0.001, 0.003, 0.015)))
        else:
            await asyncio.wait([main], timeout=until - self._loop.time())

    def _stirred(self) -> None:
        self._stirs += 1
        self._stir.set()

    # --- in a life ---------------------------------------------------------------------------------------------------

    async def _registry(self, life: Life, number: int, path: Path, *, is_last: bool) -> None:
        leaves_after = None if is_last else self._rng.choice((None, None, 1, 3, 8))
        watcher = Watcher(
            self._client(life.name),
            journal=path,
            stale_after=self._rng.choice((5.0, 60.0)),
            on_change=self._callback(life, number),
            callback_attempts=10**6,
        )
        async with watcher:
            if watcher._opened is not None:
                life.lists.append(watcher._opened.jobs)
            await watcher.add(*self._job_ids)
            if self.by_callback:
                await self._until_done(life, leaves_after)
                return
            count = 0
            async for change in watcher:
                telling = self._told(life, number, change)
                await self._works()
                if life.dead:
                    return
                telling.done = True
                self._known(change)
                count += 1
                if self._forgets and self._apart.random() < 0.1:
                    await self._forget(watcher, life, change.job_id)
                if count == leaves_after or self._is_done():
                    break
            if self._rng.random() < 0.7 or self._is_done():
                await watcher.acknowledge()
                if self.tellings and not life.dead:
                    self.tellings[-1].acknowledged = True
            elif self.tellings:
                self.tellings[-1].done = False  # and so it is to be told again

    async def _forget(self, watcher: Watcher, life: Life, job_id: str) -> None:
        """Forget a job while a change of it is in hand, and watch it anew: what is told of it begins again."""
        self._forgets -= 1
        self.tellings[-1].forgotten = True  # so it is not told again
        self._forgetting = forgetting = self._loop.create_future()
        try:
            await watcher.forget(job_id)
            now, old = self._loop.time(), self._heard[job_id]
            if not old.ending:
                old.ending, old.until = LEFT, now
            old.legs[-1].until = min(now, old.legs[-1].until or now)
            self._forgotten.setdefault(job_id, []).append(now)
            heard = Heard("journals", job_id, [Leg(life.name, now, until=float("inf"))], now, prompt=False)
            self._heard[job_id] = heard
            self._all_heard[job_id].append(heard)
            self.world.heard.append(heard)
            self.world.sometimes["a job forgotten and added again"] += 1
            await watcher.add(job_id)
        finally:
            self._forgetting = None
            forgetting.set_result(None)

    def _callback(self, life: Life, number: int) -> Callable[[Change], Awaitable[object] | object] | None:
        if not self.by_callback:
            return None
        return lambda change: (self._called_plainly if self.by_plain_function else self._called)(life, number, change)

    def _called_plainly(self, life: Life, number: int, change: Change) -> object:
        telling = self._told(life, number, change)
        if not life.dead:
            telling.done = True
            self._known(change)
        self.world.sometimes["a plain function called"] += 1
        return self._apart.choice((None, 7, "done"))  # which nobody is to await

    async def _called(self, life: Life, number: int, change: Change) -> None:
        telling = self._told(life, number, change)
        await self._works()
        if self._rng.random() < 0.05 or self._apart.random() < 0.1:
            telling.refused = True
            raise ValueError("not now")
        if not life.dead:
            telling.done = True
            self._known(change)

    async def _until_done(self, life: Life, leaves_after: int | None) -> None:
        first = len(self.tellings)
        while not self._is_done() and (leaves_after is None or len(self.tellings) - first < leaves_after):
            self._stir.clear()
            await self._stir.wait()
            if life.dead:
                return

    async def _works(self) -> None:
        """Take some time over a change."""
        match self._rng.randrange(4):
            case 0:
                await asyncio.sleep(log_uniform(self._rng, 0.001, 1.0))
            case 1:
                for _ in range(self._rng.randint(1, 4)):
                    await asyncio.sleep(0)
            case _:
                pass

    def _told(self, life: Life, number: int, change: Change) -> Telling:
        telling = Telling(number, self._loop.time(), change)
        if not life.dead:
            self.tellings.append(telling)
            self._stirred()
        return telling

    def _known(self, change: Change) -> None:
        if change.outcome is not None:
            heard = self._heard[change.job_id]
            heard.ending, heard.until = change.outcome, self._loop.time()

    def _is_done(self) -> bool:
        return all(heard.ending for heard in self._heard.values())

    def _over(self, ending: Outcome | str) -> None:
        for heard in self._heard.values():
            if not heard.ending:
                heard.ending, heard.until = ending, self._loop.time()

    # --- what came of it ---------------------------------------------------------------------------------------------

    def _wrongs(self, path: Path) -> Iterable[str]:
        by_run: dict[tuple[str, int], list[Telling]] = {
            (job_id, run): [] for job_id, heard in self._all_heard.items() for run in range(len(heard))
        }
        for telling in self.tellings:
            by_run[telling.change.job_id, self._run_of(telling.change)].append(telling)
        logs = self._logs(path)
        for (job_id, run), tellings in by_run.items():
            first = _firsts(tellings)
            log = [change for change in logs.get(job_id, ()) if self._run_of(change) == run]
            yield from _wrong_numbers(job_id, first)
            is_behind = "status behind" in self.world.plan.rates
            yield from _wrong_changes(job_id, [telling.change for telling in first], is_behind=is_behind)
            yield from self._wrong_journal(job_id, [telling.change for telling in first], log)
            # What the consumer had no time for was not lost: it is in the journal.
            seen = [change.transition for change in log if change.transition is not None]
            self._all_heard[job_id][run].got += [(each.seen_at.timestamp() - EPOCH, each) for each in seen]
        for group in by_run.values() if self.by_callback else [self.tellings]:
            yield from self._wrong_again(group)

    def _run_of(self, change: Change) -> int:
        """Return how often the job had been forgotten when a change of it was seen."""
        seen_at = change.seen_at.timestamp() - EPOCH
        return sum(at < seen_at - 1e-5 for at in self._forgotten.get(change.job_id, ()))

    @staticmethod
    def _logs(path: Path) -> Mapping[str, Sequence[Change]]:
        return written(path)

    def _wrong_journal(self, job_id: str, told: Sequence[Change], log: Sequence[Change]) -> Iterable[str]:
        if list(log[: len(told)]) != list(told):
            yield f"J5 {job_id}: told {[change.key for change in told]}, and it holds {[each.key for each in log]}"

    def _wrong_again(self, tellings: Sequence[Telling]) -> Iterable[str]:
        """Judge what was told one after the other: what was told again, and what should have been."""
        told: dict[str, Change] = {}
        last: Telling | None = None
        for telling in tellings:
            key = telling.change.key
            if key in told:
                in_hand = last is not None and last.change.key == key
                over = last is not None and (last.acknowledged or (last.life == telling.life and not last.refused))
                if not in_hand or over:
                    yield f"J2 {key} was told again in life {telling.life} at {telling.at:.3f}"
                if told[key] != telling.change:
                    yield f"J2 {key} was told otherwise: {telling.change} and {told[key]}"
                self.world.sometimes["a change told again"] += 1
            elif last is not None and not (last.done or last.forgotten) and last.change.key != key:
                yield f"J3 {last.change.key} was not done with, and {key} was told next"
            told[key] = telling.change
            last = telling


def _firsts(tellings: Iterable[Telling]) -> list[Telling]:
    first: dict[str, Telling] = {}
    for telling in tellings:
        first.setdefault(telling.change.key, telling)
    return list(first.values())


def _wrong_numbers(job_id: str, first: Sequence[Telling]) -> Iterable[str]:
    numbers = [telling.change.seq for telling in first]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"J1 {job_id}: the changes are numbered {numbers}"


def _wrong_changes(job_id: str, changes: Sequence[Change], *, is_behind: bool) -> Iterable[str]:
    if any(change.kind is ChangeKind.END for change in changes[:-1]):
        yield f"J4 {job_id}: its end is not its last change: {[change.kind.value for change in changes]}"
    last: Change | None = None
    for change in changes:
        if change.kind is ChangeKind.BLOCKED:
            state = None if last is None or last.kind is ChangeKind.BLOCKED else last.transition
            if (
                state is None
                or (state.phase is not Phase.BLOCKED and not is_behind)
                or (change.seen_at - state.seen_at).total_seconds() < 10
            ):
                yield f"J6 {job_id}: told to be blocked at {change.seen_at}, after {last}"
        if change.kind not in (ChangeKind.HEALTH, ChangeKind.REMARK):
            last = change
    healths = [change.health for change in changes if change.kind is ChangeKind.HEALTH]
    if any(one is other for one, other in itertools.pairwise(healths)):
        yield f"J4 {job_id}: its health changes to the same: {healths}"
