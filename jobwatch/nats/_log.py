"""The log as one reader reads it: in order, from where it was, by one process at a time.

A reader's place is a message in the stream, and whoever takes it up writes it anew: every later write expects that it
is still his own. So of two processes with one name the first is told to stop, and after a crash the log is read on from
the last message that was acknowledged, in order. A consumer that acknowledges by itself would bring what was in hand
once ack-wait is over, behind what came since.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from .._errors import JobwatchError
from ._connection import cancelled
from ._pull import Pull
from ._rules import EXPECTED, Message, Verdict, changes_in

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from .._watching.changes import Change
    from ._connection import Connection
    from ._stream import Stream

_READ_AHEAD: Final = 256
_AGAIN_AFTER: Final = 0.5
_IDLE: Final = 1.0
_log = logging.getLogger("jobwatch.nats")


class Place(Struct, frozen=True):
    """How far a reader is: its name, the last sequence that it acknowledged, and which process it is."""

    reader: str
    seq: int
    owner: str


class Entry(Struct, frozen=True, eq=False):
    """One message of the log: its changes, and its sequence in its stream."""

    part: LogOfStream
    seq: int
    changes: tuple[Change, ...]


class LogOfStream:
    """The log in one stream, as one reader reads it.

    Args:
        connection: Open.
        stream: Whose log.
        reader: The reader's name.
        found: Takes what is read, in order; reading waits while it is full.
    """

    def __init__(self, connection: Connection, stream: Stream, reader: str, found: asyncio.Queue[Entry]) -> None:
        self._connection = connection
        self._stream = stream
        self._reader = reader
        self._found = found
        self._owner = uuid.uuid4().hex
        self._written_as = 0
        self._read = 0
        self.unread = 0

    async def take_up(self, *, from_beginning: bool) -> None:
        """Read where this reader was, and claim the place; a reader that is new begins at the beginning or the end.

        Raises:
            JobwatchError: The server does not answer, or another process takes the place up at this moment.
        """
        subject = self._stream.names.cursor(self._reader)
        stored = await self._stream.last(subject)
        if stored is not None:
            self._read, self._written_as = msgspec.json.decode(stored.body, type=Place).seq, stored.seq
        elif not from_beginning:
            self._read = await self._stream.last_seq()
        await self.acknowledge(self._read)

    async def acknowledge(self, seq: int) -> None:
        """Write down that all up to a message need not come again.

        Raises:
            JobwatchError: Another process has taken the place up.
        """
        subject = self._stream.names.cursor(self._reader)
        body = msgspec.json.encode(Place(self._reader, seq, self._owner))
        answer = await self._stream.settle([Message(subject, body, {EXPECTED: str(self._written_as)})])
        if answer.verdict is Verdict.WON:
            self._written_as = answer.seq
            return
        stored = await self._stream.last(subject)  # ours, if an answer was lost
        if stored is None or stored.body != body:
            why = "another process reads as it"
            if answer.verdict is Verdict.STUCK:
                why = answer.why
            elif stored is None or stored.seq < self._written_as:  # as after a power cut, or from a backup
                why = "the server has gone back to what it had on its disk; start the reader again, and it does too"
            raise JobwatchError(f"the reader {self._reader!r} cannot go on here: {why}")
        self._written_as = stored.seq

    async def run(self) -> None:
        """Read on until cancelled, whatever becomes of the connection.

        Raises:
            JobwatchError: The log holds what this jobwatch cannot read.
        """
        from nats import errors  # noqa: PLC0415 - the extra "nats"

        while True:
            try:
                await self._read_on()
            except (errors.Error, TimeoutError, OSError) as error:
                _log.debug("the log is read on in %.1f s: %s", _AGAIN_AFTER, type(error).__name__)
            await asyncio.sleep(_AGAIN_AFTER)

    async def _read_on(self) -> None:
        """Read from the last message that was handed on, until a message is missing or the consumer is gone."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 - the extra "nats"

        config = ConsumerConfig(
            filter_subject=self._stream.names.all_events,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._read + 1,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=60.0,
            mem_storage=True,
            num_replicas=1,
        )
        consumer = await self._connection.consumer(self._stream.name, config)
        self.unread = consumer.num_pending or 0
        ahead: asyncio.Queue[Msg | None] = asyncio.Queue()
        pull = Pull(
            self._connection,
            self._stream.name,
            consumer.name,
            lambda: _READ_AHEAD - ahead.qsize(),
            ahead.put_nowait,
            until_silent=True,
        )
        pulling = asyncio.get_running_loop().create_task(pull.run(), name="jobwatch pull")
        pulling.add_done_callback(lambda _: ahead.put_nowait(None))
        number, connected = 0, self._connection.times_connected
        try:
            while True:
                try:
                    async with asyncio.timeout(_IDLE):
                        message = await ahead.get()
                except TimeoutError:
                    if self._connection.times_connected != connected:  # the last one may be lost, and none shows it
                        return
                    continue
                if message is None:
                    return
                sequence = message.metadata.sequence
                number += 1
                if sequence.consumer != number:  # one was lost on the way, as when the connection broke
                    return
                await self._hand_on(message, sequence.stream)
                pull.again()
        finally:
            await cancelled([pulling])

    async def _hand_on(self, message: Msg, seq: int) -> None:
        try:
            changes = changes_in(message.data)
        except msgspec.DecodeError as error:
            raise JobwatchError(f"{message.subject} holds what this jobwatch cannot read: {error}") from None
        self.unread = message.metadata.num_pending
        await self._found.put(Entry(self, seq, tuple(changes)))
        self._read = seq
