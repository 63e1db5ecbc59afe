"""A worker: takes what is due, makes one look at each, publishes what comes of it, and acknowledges.

Any number of them may run, anywhere. One that dies leaves what it had in hand to the others, once ack-wait is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from .._client.access import account_of, engine_of, place_of
from .._core.resuming import with_times_until
from .._errors import ConfigError, JobwatchError
from .._reading.periods import seconds_given
from ._budget import SharedBudget, checked_account
from ._connection import cancelled, connect
from ._history import SharedHistory
from ._projects import Projects
from ._pull import Pull
from ._rules import Settings, Verdict, after_look, is_current, record_in
from ._stream import open_streams
from ._subjects import place_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.msg import Msg

    from .._client.client import Client
    from .._reading.periods import Duration
    from ._connection import Connection, ServerOptions
    from ._stream import Stream, Streams

ACK_WAIT: Final = 30.0
"""After how many seconds without a sign of life what a worker has in hand goes to another."""

DRAINED_WITHIN: Final = 2.5  # a command has 4 s after a signal
_MOST_UNACKNOWLEDGED: Final = 100_000
_AGAIN_AFTER: Final = 30.0
_log = logging.getLogger("jobwatch.nats")


class _InHand(Struct, eq=False):
    message: Msg
    stream: Stream
    signed_at: float
    settle: Callable[[_InHand], Awaitable[None]]


class Counts(Struct):
    """What a worker has done so far.

    Attributes:
        looks: How many looks it made.
        won: How many of them were published.
        lost: How many were dropped, since another worker was first or the job was woken or removed meanwhile.
        changes: How many changes it published.
    """

    looks: int = 0
    won: int = 0
    lost: int = 0
    changes: int = 0


class Worker:
    """Looks at the jobs of one API at one place that are due, for as long as it runs.

    All workers that ask one origin with one token keep together to one request budget: to the lowest ``max_rate`` that
    any of their clients was given, and to what the API tells or shows any of them. And what one learns of how long jobs
    take, all use.

    Args:
        client: Makes the looks; it is not closed.
        server: Which NATS server.
        concurrency: How many looks may be under way at once.
        stale_after: For how long looks at a job may fail before it is called stale: seconds, a text, a `timedelta`.
        keep: How long changes stay in the log, and ends are known.
        ack_wait: After how long without a sign of life what a worker has in hand goes to another; of workers that are
            there already it is the first one's that counts.
        budget: A name for the request budget; workers that ask the same origin share theirs under one name. By default
            those do that ask with the same token, and those do whose tokens change by themselves.
        follow_interval: How long between two looks at the list of a project that is followed.

    Attributes:
        counts: What it has done so far.

    Raises:
        ConfigError: A figure is not above 0.
    """

    def __init__(
        self,
        client: Client,
        server: ServerOptions,
        *,
        concurrency: int = 64,
        stale_after: Duration = 60.0,
        keep: Duration = 30 * 86_400.0,
        ack_wait: Duration = ACK_WAIT,
        budget: str | None = None,
        follow_interval: Duration = 30.0,
    ) -> None:
        if concurrency < 1:
            raise ConfigError(f"concurrency must be at least 1, not {concurrency}")
        self._client = client
        self._server = server
        self._concurrency = concurrency
        self._settings = Settings(
            stale_after=seconds_given("stale_after", stale_after, above_zero=True),
            keep=seconds_given("keep", keep, above_zero=True),
        )
        self._account = None if budget is None else checked_account(budget)
        self._budget: SharedBudget | None = None
        self._follow_interval = seconds_given("follow_interval", follow_interval, above_zero=True)
        self._ack_wait = seconds_given("ack_wait", ack_wait, above_zero=True)
        self._in_hand: dict[asyncio.Task[None], _InHand] = {}
        self._pulls: list[Pull] = []
        self._draining = False
        self.counts = Counts()

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Work until cancelled; then let looks under way end for 2.5 s, and leave the rest to others.

        Args:
            ready: Is set when the worker is at work.

        Raises:
            ConfigError: The server is too old, a stream is not as it has to be, or the extra "nats" is missing.
            JobwatchError: The server does not answer at the start, or a consumer has been taken away.
        """
        loop = asyncio.get_running_loop()
        place = place_token(self._client.name, place_of(self._client))
        async with await connect(self._server, "jobwatch worker") as connection, AsyncExitStack() as stack:
            streams = await open_streams(connection, place, patient=True)
            self._budget = budget = SharedBudget(connection, self._client, await self._whose_budget(), place)
            stack.push_async_callback(budget.stop)
            history = SharedHistory(connection, self._client)
            stack.push_async_callback(history.stop)
            kept = [await budget.start(streams.replicas), await history.start(streams.replicas)]
            for stream in streams.each:
                self._pulls.append(await self._jobs_due(connection, stream, place))
            pulls = [*self._pulls]
            if self._client.has_lists:
                pulls.append(await self._projects_due(connection, streams, place))
            tasks = [loop.create_task(pull.run(), name="jobwatch pull") for pull in pulls]
            signs = loop.create_task(self._give_signs(), name="jobwatch signs")
            if ready is not None:
                ready.set()
            try:
                await asyncio.wait([*tasks, *kept], return_when=asyncio.FIRST_COMPLETED)
                trouble = next((pull.trouble for pull in pulls if pull.trouble), None)
                for task in (*kept, *tasks):
                    if task.done():
                        task.result()
                raise JobwatchError(f"the workers' consumer cannot be used any more: {trouble}")
            finally:
                self._draining = True
                await self._drain(tasks)
                await cancelled([signs])

    async def _whose_budget(self) -> str:
        if self._account is not None:
            return self._account
        return await asyncio.to_thread(account_of, self._client)  # it takes a moment

    async def _jobs_due(self, connection: Connection, stream: Stream, place: str) -> Pull:
        """Return what takes the jobs that are due."""
        name = f"workers-{place}"
        await self._consumer(connection, stream, name, stream.names.all_due)

        def take(message: Msg) -> None:
            self._take(_InHand(message, stream, time.monotonic(), self._look))

        return Pull(connection, stream.name, name, self._room, take)

    async def _projects_due(self, connection: Connection, streams: Streams, place: str) -> Pull:
        """Return what takes the projects that are due to be listed."""
        stream, name, projects = streams.each[0], f"projects-{place}", Projects(streams)
        await self._consumer(connection, stream, name, stream.names.all_projects_due)

        async def list_now(held: _InHand) -> None:
            seq = held.message.metadata.sequence.stream
            await projects.list_now(self._client, held.message.data, seq, self._follow_interval)

        def take(message: Msg) -> None:
            self._take(_InHand(message, stream, time.monotonic(), list_now))

        return Pull(connection, stream.name, name, self._room_for_lists, take)

    async def _consumer(self, connection: Connection, stream: Stream, name: str, subjects: str) -> None:
        """Make the consumer that all workers share, or take the one that is there."""
        from nats import errors  # noqa: PLC0415 - the extra "nats"
        from nats.js.api import AckPolicy, ConsumerConfig  # noqa: PLC0415 - as above
        from nats.js.errors import NotFoundError  # noqa: PLC0415 - as above

        config = ConsumerConfig(
            durable_name=name,
            filter_subject=subjects,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait,
            max_ack_pending=_MOST_UNACKNOWLEDGED,
        )
        try:
            try:
                info = await connection.js.consumer_info(stream.name, name)
            except NotFoundError:
                info = await connection.consumer(stream.name, config)
        except (errors.Error, TimeoutError) as error:
            raise stream.silent(error) from error
        self._ack_wait = min(self._ack_wait, info.config.ack_wait or self._ack_wait)

    def _room(self) -> int:
        free = 0 if self._draining else self._concurrency - len(self._in_hand)
        if self._budget is not None:  # what waits here for a request could be looked at by another worker
            waiting = len(self._in_hand) - engine_of(self._client).in_flight
            free = int(min(free, max(0.0, self._budget.room() - waiting)))
        return free if len(self._pulls) == 1 else max(0, free // len(self._pulls)) or (1 if free > 0 else 0)

    def _room_for_lists(self) -> int:
        """One at a time, so that lists leave the jobs their turns."""
        lists = sum(held.settle != self._look for held in self._in_hand.values())
        return 0 if self._draining or lists else 1

    def _take(self, held: _InHand) -> None:
        task = asyncio.get_running_loop().create_task(self._one(held), name="jobwatch look")
        self._in_hand[task] = held
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._in_hand[task]
        if not task.cancelled() and task.exception() is not None:
            _log.error("a look was left to others: %s", task.exception(), exc_info=task.exception())
        for pull in self._pulls:  # lists come seldom enough to be asked for when that is looked at again
            pull.again()

    async def _one(self, held: _InHand) -> None:
        """Take one message to its end: acknowledged, or left to others."""
        from nats import errors  # noqa: PLC0415 - the extra "nats"

        try:
            if self._draining:
                await held.message.nak()
                return
            await held.settle(held)
            await held.message.ack()
        except asyncio.CancelledError:
            await held.message.nak()
            raise
        except errors.Error as error:
            _log.debug("not acknowledged, so it comes again: %s", type(error).__name__)
        except Exception:
            await held.message.nak(delay=_AGAIN_AFTER)
            raise

    async def _look(self, held: _InHand) -> None:
        """Make a look and publish it."""
        message, stream = held.message, held.stream
        seq = message.metadata.sequence.stream
        try:
            record = record_in(message.data)
        except msgspec.DecodeError as error:
            raise JobwatchError(f"{message.subject} holds what this jobwatch cannot read: {error}") from None
        if record.has_ended:
            return
        if message.metadata.num_delivered > 1:
            last = await stream.last_at_last(stream.names.state(record.watched.job_id))
            if not is_current(seq, None if last is None else last.seq):
                return
        looked = await self._client.look(with_times_until(record.watched, time.time()))
        self.counts.looks += 1
        if self._budget is not None:
            self._budget.looked()
        again_after = looked.next_look
        if again_after is None:  # it has ended, or a wait would have been given up
            again_after = engine_of(self._client).after_giving_up(looked.watched)
        after = after_look(
            stream.names, record, seq, looked, again_after=again_after, now=time.time(), settings=self._settings
        )
        answer = await stream.settle(after.messages)
        match answer.verdict:
            case Verdict.WON:
                self.counts.won += 1
                self.counts.changes += len(after.changes)
            case Verdict.LOST:
                self.counts.lost += 1
            case Verdict.AGAIN | Verdict.STUCK:
                raise JobwatchError(f"what a look showed cannot be stored: {answer.why}")

    async def _give_signs(self) -> None:
        """Say of what is long in hand that it is being worked at, so that it does not go to another."""
        from nats import errors  # noqa: PLC0415 - the extra "nats"

        every = self._ack_wait / 3.0
        while True:
            await asyncio.sleep(every / 2.0)
            now = time.monotonic()
            for held in list(self._in_hand.values()):
                if now - held.signed_at >= every:
                    held.signed_at = now
                    try:
                        await held.message.in_progress()
                    except errors.Error as error:  # acknowledged meanwhile, or no connection
                        _log.debug("no sign given: %s", type(error).__name__)

    async def _drain(self, pulls: list[asyncio.Task[None]]) -> None:
        """Let looks under way end, and leave the others to whoever works next."""
        if self._in_hand:
            await asyncio.wait(list(self._in_hand), timeout=DRAINED_WITHIN)
        await cancelled([*pulls, *self._in_hand])
