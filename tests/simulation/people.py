"""Those who wait: each uses the public API in one way, and writes down what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from jobwatch import Client, Job, JobEnded, JobwatchError, Outcome, Transition, WaitTimeout, Watched, Watcher
from jobwatch._client.wait import Wait

LEFT = "left"
CANCELLED = "cancelled by its caller"
STOPPED = "stopped"


class Leg(Struct):
    """A client that somebody listened through, whether its poller made the looks, and until when they count."""

    client: str
    began: float
    polled: bool = True
    until: float | None = None


class Heard(Struct, eq=False):
    """What one listener was told of one job.

    Attributes:
        legs: Through which clients, in order of time.
        began: When it began to wait, on the loop's clock.
        until: When it knew the end, or left.
        got: The transitions, each with the time at which it came.
        ending: How it ended: an `Outcome`, one of the words above, or "" while it goes on.
        error: What was raised, if something was.
        job: The job it was given.
        prompt: Whether it took each transition as soon as it could.
        stops: Whether its wait was to end once the job is known to wait for a person.
    """

    who: str
    job_id: str
    legs: list[Leg]
    began: float
    timeout: float | None = None
    until: float | None = None
    got: list[tuple[float, Transition]] = []
    ending: Outcome | str = ""
    error: BaseException | None = None
    job: Job | None = None
    prompt: bool = True
    alone: bool = False
    stops: bool = False


_BLOCKED = frozenset({Outcome.BLOCKED})


class Person:
    """Listens by way of one client and keeps the record."""

    def __init__(self, name: str, client: Client, records: list[Heard]) -> None:
        self.name = name
        self.client = client
        self.records = records

    def _heard(self, who: str, job_id: str, timeout: float | None = None) -> Heard:
        now = asyncio.get_running_loop().time()
        heard = Heard(who, job_id, [Leg(self.name, now)], now, timeout)
        self.records.append(heard)
        return heard

    async def awaits(
        self, job_id: str, timeout: float | None = None, check: bool = True, *, stops: bool = False
    ) -> None:
        """Await the end; then read the log, which costs nothing."""
        heard = self._heard("awaits", job_id, timeout)
        heard.prompt, heard.stops = False, stops
        await self._to_the_end(heard, self.client.wait_for(job_id, timeout, check, fail_on=_BLOCKED if stops else ()))

    async def _to_the_end(self, heard: Heard, wait: Wait) -> None:
        try:
            heard.job = await wait
            self._ended(heard, wait)
        except asyncio.CancelledError:
            _over(heard, CANCELLED)
            await self._drain(heard, wait)
            raise
        except JobEnded as error:
            heard.job, heard.error = error.job, error
            self._ended(heard, wait)
        except Exception as error:  # noqa: BLE001  # which ones may come is for the oracle to say
            heard.error = error
            self._ended(heard, wait)
        await self._drain(heard, wait)

    async def iterates(
        self, job_id: str, timeout: float | None = None, pause: float = 0.0, *, stops: bool = False
    ) -> None:
        """Take every transition, perhaps slowly, and ask for the job afterwards."""
        heard = self._heard("iterates", job_id, timeout)
        heard.prompt, heard.stops = pause == 0.0, stops
        wait = self.client.wait_for(job_id, timeout, check=False, fail_on=_BLOCKED if stops else ())
        try:
            async for change in wait:
                _note(heard, change)
                if pause:
                    await asyncio.sleep(pause)
            self._ended(heard, wait)
            heard.job = await wait
        except asyncio.CancelledError:
            _over(heard, CANCELLED)
            wait.close()
            await self._drain(heard, wait)
            raise
        except Exception as error:  # noqa: BLE001  # as above
            heard.error = error
            self._ended(heard, wait)

    async def leaves(self, job_id: str, after: float, changes: int) -> Watched | None:
        """Take a few transitions, or listen for a while, and leave; return what is known then."""
        return await self._listens(self._heard("leaves", job_id), after, changes)

    async def _listens(self, heard: Heard, after: float, changes: int) -> Watched | None:
        wait = self.client.wait_for(heard.job_id, check=False)
        try:
            async with asyncio.timeout(after), wait:
                async for change in wait:
                    _note(heard, change)
                    if len(heard.got) >= changes:
                        break
                else:
                    self._ended(heard, wait)
                    return None
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            _over(heard, CANCELLED)
            raise
        except Exception as error:  # noqa: BLE001  # as above
            heard.error = error
            self._ended(heard, wait)
            return None
        _over(heard, LEFT)
        await self._drain(heard, wait)
        return wait.watched

    async def carries_on(self, job_id: str, after: float, changes: int, others: Sequence[tuple[str, Client]]) -> None:
        """Leave, and go on look by look by other clients, with what is known carried over as text."""
        heard = self._heard("leaves", job_id)
        watched = await self._listens(heard, after, changes)
        if watched is not None and heard.ending == LEFT:
            heard.ending, heard.until, heard.prompt = "", None, False
            heard.who = "carries on"
            await _look_by_look(heard, watched, others)

    async def looks(self, job_id: str, clients: Sequence[tuple[str, Client]]) -> None:
        """Wait look by look, each by another client, as machines do that hand a job on."""
        heard = self._heard("looks", job_id)
        heard.legs, heard.alone = [], True
        await _look_by_look(heard, self.client.watched(job_id), clients)

    async def all_of(self, job_ids: Sequence[str], timeout: float | None) -> None:
        """Wait for several until the first goes wrong."""
        loop = asyncio.get_running_loop()
        records = [self._heard("all", job_id, timeout) for job_id in job_ids]
        for heard in records:
            heard.prompt = False
        try:
            jobs = await self.client.wait_all(job_ids, timeout)
        except asyncio.CancelledError:
            for heard in records:
                _over(heard, CANCELLED)
            raise
        except Exception as error:  # noqa: BLE001  # as above
            culprit = getattr(error, "job_id", None) or getattr(getattr(error, "job", None), "id", None)
            for heard in records:
                if heard.job_id == culprit:
                    heard.error, heard.until = error, loop.time()
                    heard.ending = _outcome(error) or STOPPED
                    heard.job = error.job if isinstance(error, JobEnded) else None
                else:
                    _over(heard, STOPPED)
                    heard.error = error if culprit is None else None
            return
        for heard, job in zip(records, jobs, strict=True):
            heard.job, heard.until, heard.ending = job, loop.time(), Outcome(job.phase.value)

    async def as_they_end(self, job_ids: Sequence[str], timeout: float | None, most: int) -> None:
        """Take handles as they come out, and leave after some."""
        records = {job_id: self._heard("as completed", job_id, timeout) for job_id in job_ids}
        for heard in records.values():
            heard.prompt = False
        completions = self.client.as_completed(job_ids, timeout, check=False)
        try:
            async with completions:
                async for wait in completions:
                    heard = records[wait.job_id]
                    with suppress(asyncio.CancelledError):
                        await self._to_the_end(heard, wait)
                    if sum(1 for each in records.values() if each.ending) >= most:
                        break
        finally:
            for heard in records.values():
                if not heard.ending:
                    _over(heard, LEFT)

    async def watches(self, job_ids: Sequence[str]) -> None:
        """Watch in the background, until all have ended."""
        records = {job_id: self._heard("watches", job_id) for job_id in job_ids}
        try:
            async with Watcher(self.client) as watcher:
                await watcher.add(*job_ids)
                async for change in watcher:
                    heard = records[change.job_id]
                    if change.transition is not None:
                        _note(heard, change.transition)
                    if change.outcome is not None:
                        _over(heard, change.outcome)
                    if all(each.ending for each in records.values()):
                        break
        except asyncio.CancelledError:
            for heard in records.values():
                if not heard.ending:
                    _over(heard, CANCELLED)
            raise
        except Exception as error:  # noqa: BLE001  # as above
            for heard in records.values():
                if not heard.ending:
                    heard.error = error
                    _over(heard, STOPPED)

    def _ended(self, heard: Heard, wait: Wait) -> None:
        _over(heard, wait.outcome or STOPPED)

    async def _drain(self, heard: Heard, wait: Wait) -> None:
        """Read what is in the log already."""
        error = heard.error
        with suppress(JobwatchError):
            async for change in wait:
                _note(heard, change)
        heard.error = error


async def _look_by_look(heard: Heard, watched: Watched, clients: Sequence[tuple[str, Client]]) -> None:
    loop = asyncio.get_running_loop()
    heard.legs += [Leg(name, loop.time(), polled=False) for name, _ in clients]
    turn = 0
    try:
        while True:
            client = clients[turn % len(clients)][1]
            turn += 1
            looked = await client.look(msgspec.json.decode(msgspec.json.encode(watched), type=Watched))
            for change in looked.transitions:
                _note(heard, change)
            watched = looked.watched
            if looked.next_look is None:
                break
            await asyncio.sleep(looked.next_look)
    except asyncio.CancelledError:
        _over(heard, CANCELLED)
        raise
    except Exception as error:  # noqa: BLE001  # as above
        heard.error = error
        _over(heard, STOPPED)
        return
    heard.job = looked.job
    _over(heard, looked.outcome or STOPPED)


def _note(heard: Heard, change: Transition) -> None:
    heard.got.append((asyncio.get_running_loop().time(), change))


def _over(heard: Heard, ending: Outcome | str) -> None:
    heard.ending, heard.until = ending, asyncio.get_running_loop().time()


def _outcome(error: BaseException) -> Outcome | None:
    if isinstance(error, JobEnded):
        return Outcome(error.job.phase.value)
    if isinstance(error, WaitTimeout):
        return Outcome.TIMEOUT
    fault = getattr(error, "fault", None)
    if fault is None:
        return None
    return {
        "AuthError": Outcome.AUTH,
        "JobNotFound": Outcome.NOT_FOUND,
        "RateLimited": Outcome.UNREACHABLE,
        "Unreachable": Outcome.UNREACHABLE,
        "UnreadableReply": Outcome.UNREADABLE,
    }.get(type(error).__name__)
