"""The streams: made or checked, and what is published to them and read from them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec import Struct

from .._errors import ConfigError, JobwatchError
from ._connection import ANSWERED_WITHIN
from ._rules import Message, Verdict, verdict_of
from ._subjects import Names, shard_of, stream_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from nats.js.api import StreamInfo

    from ._connection import Connection

_OPEN_BATCHES: Final = 8  # of one process in one stream; the server takes 50 of all
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_PAGE: Final = 500
_LEADER_PAUSE: Final = 1.0
_NO_LEADER_CODES: Final = frozenset({10008, 10009})  # JetStream, and the cluster, "temporarily unavailable"
_log = logging.getLogger("jobwatch.nats")


class _Trouble(Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Reply(Struct, frozen=True):
    seq: int = 0
    error: _Trouble | None = None


_REPLIES: Final = msgspec.json.Decoder(_Reply)


class Answer(Struct, frozen=True):
    """What became of a publish: the sequence of the last message if it is stored, and else why it is not."""

    verdict: Verdict
    seq: int = 0
    why: str = ""


class Stored(Struct, frozen=True):
    """A message that is in the stream."""

    seq: int
    subject: str
    body: bytes
    headers: Mapping[str, str]


class Stream:
    """One of the streams, for the jobs of one API at one place.

    Args:
        connection: Open.
        names: Its subjects.
    """

    def __init__(self, connection: Connection, names: Names) -> None:
        self.connection = connection
        self.names = names
        self.name = stream_name(names.prefix, names.shard)
        self._batches = asyncio.Semaphore(_OPEN_BATCHES)

    async def publish(self, messages: Sequence[Message]) -> Answer:
        """Publish messages, all or none of them, and return what the server says; no error is raised."""
        from nats import errors  # noqa: PLC0415 - the extra "nats"

        try:
            if len(messages) == 1:
                return await self._request(messages[0], messages[0].headers)
            async with self._batches:
                return await self._batch(messages)
        except errors.MaxPayloadError:
            return Answer(Verdict.STUCK, why="a message is larger than the server takes (max_payload)")
        except (errors.Error, OSError, TimeoutError) as error:
            return Answer(Verdict.AGAIN, why=type(error).__name__)

    async def settle(self, messages: Sequence[Message]) -> Answer:
        """Publish messages, again and again until the server has said what became of them."""
        pause = _FIRST_PAUSE
        while (answer := await self.publish(messages)).verdict is Verdict.AGAIN:
            _log.debug("published again in %.2f s: %s", pause, answer.why)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2.0)
        return answer

    async def _batch(self, messages: Sequence[Message]) -> Answer:
        batch, last = uuid.uuid4().hex, len(messages)
        answer = Answer(Verdict.AGAIN)
        for number, message in enumerate(messages, start=1):
            headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if number == last:
                headers["Nats-Batch-Commit"] = "1"
            if number in (1, last):
                answer = await self._request(message, headers)
                if answer.verdict is not Verdict.WON:
                    return answer
            else:
                await self.connection.client.publish(message.subject, message.body, headers=headers)
        return answer

    async def _request(self, message: Message, headers: Mapping[str, str]) -> Answer:
        reply = await self.connection.ask(message.subject, message.body, headers)
        told = _REPLIES.decode(reply) if reply else _Reply()  # empty: the batch has begun
        if told.error is None:
            return Answer(Verdict.WON, told.seq)
        verdict = verdict_of(told.error.code, told.error.err_code)
        return Answer(verdict, why=f"{told.error.description} ({told.error.err_code})")

    async def last(self, pattern: str) -> Stored | None:
        """Return the last message that a filter finds.

        Raises:
            JobwatchError: The server does not answer.
        """
        from nats import errors  # noqa: PLC0415 - as above
        from nats.js.errors import NotFoundError  # noqa: PLC0415 - as above

        try:
            found = await self.connection.js.get_last_msg(self.name, pattern)
        except NotFoundError:
            return None
        except (errors.Error, TimeoutError) as error:
            raise self.silent(error) from error
        headers = cast("Mapping[str, str] | None", found.headers)  # pyright: ignore[reportUnknownMemberType]
        return Stored(found.seq or 0, found.subject or "", found.data or b"", headers or {})

    async def last_at_last(self, pattern: str) -> Stored | None:
        """Return the last message that a filter finds, asking again and again until the server has answered."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self.last(pattern)
            except JobwatchError as error:
                _log.debug("asked again in %.2f s: %s", pause, error)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2.0)

    async def last_seq(self) -> int:
        """Return the last sequence of the stream.

        Raises:
            JobwatchError: The server does not answer.
        """
        from nats import errors  # noqa: PLC0415 - as above

        try:
            return (await self.connection.js.stream_info(self.name)).state.last_seq
        except (errors.Error, TimeoutError) as error:
            raise self.silent(error) from error

    async def purge(self, pattern: str) -> None:
        """Take away all that a filter finds.

        Raises:
            JobwatchError: The server does not answer.
        """
        from nats import errors  # noqa: PLC0415 - as above

        try:
            await self.connection.js.purge_stream(self.name, subject=pattern)
        except (errors.Error, TimeoutError) as error:
            raise self.silent(error) from error

    async def all(self, pattern: str) -> AsyncIterator[Stored]:
        """Iterate over the messages that a filter finds, as they are now.

        Raises:
            JobwatchError: The server does not answer.
        """
        from nats import errors  # noqa: PLC0415 - as above
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 - as above

        js = self.connection.js
        config = ConsumerConfig(
            filter_subject=pattern,
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=30.0,
            mem_storage=True,
        )
        try:
            consumer = await self.connection.consumer(self.name, config)
            reading = await js.pull_subscribe_bind(consumer.name, stream=self.name)
            left = consumer.num_pending or 0
            try:
                while left > 0:
                    for message in await reading.fetch(min(left, _PAGE), timeout=ANSWERED_WITHIN):
                        left = message.metadata.num_pending
                        seq = message.metadata.sequence.stream
                        yield Stored(seq, message.subject, message.data, message.headers or {})
            finally:
                await reading.unsubscribe()
                await self.connection.js.delete_consumer(self.name, consumer.name)
        except (errors.Error, TimeoutError) as error:
            raise self.silent(error) from error

    async def count_after(self, pattern: str, seq: int) -> int:
        """Return how many messages that a filter finds came after a sequence.

        Raises:
            JobwatchError: The server does not answer.
        """
        from nats import errors  # noqa: PLC0415 - as above
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 - as above

        config = ConsumerConfig(
            filter_subject=pattern,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=seq + 1,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=5.0,
            mem_storage=True,
        )
        try:
            consumer = await self.connection.consumer(self.name, config)
            await self.connection.js.delete_consumer(self.name, consumer.name)
        except (errors.Error, TimeoutError) as error:
            raise self.silent(error) from error
        return consumer.num_pending or 0

    def silent(self, error: BaseException) -> JobwatchError:
        """Return what to raise where the server does not answer as it should."""
        return self.connection.silent(error)


class Streams:
    """All streams, for the jobs of one API at one place.

    Args:
        streams: In the order of their numbers.
        replicas: On how many servers they are.
    """

    def __init__(self, streams: Sequence[Stream], replicas: int = 1) -> None:
        self.each = tuple(streams)
        self.replicas = replicas

    def of(self, job_id: str) -> Stream:
        """Return the stream that a job is in."""
        return self.each[shard_of(job_id, len(self.each))]


async def open_streams(connection: Connection, place: str, *, patient: bool = False) -> Streams:
    """Return the streams; those that are not there are made, and those that are are checked and left as they are.

    Args:
        connection: Open.
        place: See `jobwatch.nats._subjects.place_token`.
        patient: Whether to wait for as long as servers that are connected have no leader, as while a cluster starts.

    Raises:
        ConfigError: A stream is there and is another than it has to be, or the server has no JetStream.
        JobwatchError: The server does not answer.
    """
    from nats import errors  # noqa: PLC0415 - the extra "nats"

    was_said = False
    while True:
        try:
            return await _opened(connection, place)
        except (errors.Error, TimeoutError) as error:
            if not (patient and _may_get_a_leader(connection, error)):
                raise _why(connection, error) from error
        if not was_said:
            _log.warning("the NATS servers at %s have no leader: it is waited for", connection.options.servers)
            was_said = True
        await asyncio.sleep(_LEADER_PAUSE)


def _may_get_a_leader(connection: Connection, error: BaseException) -> bool:
    """Whether what a server answers, or that it does not though it is there, comes of a cluster that has no leader."""
    from nats.js.errors import ServiceUnavailableError  # noqa: PLC0415 - the extra "nats"

    if isinstance(error, ServiceUnavailableError):
        return error.err_code in _NO_LEADER_CODES
    return isinstance(error, TimeoutError) and connection.is_up


async def _opened(connection: Connection, place: str) -> Streams:
    options = connection.options
    first = await _found(connection, 0)
    there = options.shards or 1 if first is None else _shards_of(first)
    if options.shards not in (None, there):
        raise ConfigError(
            f"the streams {options.prefix}-* are {there}, not {options.shards}: another number needs another prefix"
        )
    replicas = 1
    for shard in range(there):
        info = first if shard == 0 and first is not None else await _found(connection, shard)
        if info is None:
            info = await _made(connection, shard, there)
        _check(info, connection, shard)
        replicas = max(replicas, info.config.num_replicas or 1)
    return Streams([Stream(connection, Names(options.prefix, shard, place)) for shard in range(there)], replicas)


async def _found(connection: Connection, shard: int) -> StreamInfo | None:
    from nats.js.errors import NotFoundError  # noqa: PLC0415 - the extra "nats"

    try:
        return await connection.js.stream_info(stream_name(connection.options.prefix, shard))
    except NotFoundError:
        return None


async def _made(connection: Connection, shard: int, shards: int) -> StreamInfo:
    from nats.js.api import StreamConfig  # noqa: PLC0415 - the extra "nats"
    from nats.js.errors import BadRequestError  # noqa: PLC0415 - the extra "nats"

    options = connection.options
    name = stream_name(options.prefix, shard)
    config = StreamConfig(
        name=name,
        subjects=[f"{options.prefix}.{shard}.>"],
        num_replicas=options.replicas or 1,
        metadata={"jobwatch.shards": str(shards)},
        max_msgs_per_subject=1,
        allow_msg_schedules=True,
        allow_rollup_hdrs=True,
        allow_atomic=True,
        allow_msg_ttl=True,
        allow_direct=True,
    )
    try:
        return await connection.js.add_stream(config)  # pyright: ignore[reportUnknownMemberType]
    except BadRequestError:  # it is there by now, made by somebody with other wishes; what is said of it comes of that
        info = await _found(connection, shard)
        if info is None:
            raise
        return info


def _shards_of(info: StreamInfo) -> int:
    text = (info.config.metadata or {}).get("jobwatch.shards", "")
    if not text.isdecimal():
        raise ConfigError(f"the stream {info.config.name} is not one of jobwatch's: choose another prefix")
    return int(text)


def _check(info: StreamInfo, connection: Connection, shard: int) -> None:
    """Raise ConfigError where a stream is not as it has to be."""
    config, options = info.config, connection.options
    wanted: dict[str, tuple[object, object]] = {
        "subjects": (config.subjects, [f"{options.prefix}.{shard}.>"]),
        "allow_msg_schedules": (bool(config.allow_msg_schedules), True),
        "allow_atomic": (bool(config.allow_atomic), True),
        "allow_msg_ttl": (bool(config.allow_msg_ttl), True),
        "max_msgs_per_subject": (config.max_msgs_per_subject, 1),
        "retention": (str(config.retention), "limits"),
        "max_age": (config.max_age or 0, 0),  # it would forget watches
        "max_msgs": (config.max_msgs, -1),
        "max_bytes": (config.max_bytes, -1),
    }
    if options.replicas is not None:
        wanted["replicas"] = (config.num_replicas, options.replicas)
    for key, (there, right) in wanted.items():
        if there != right:
            raise ConfigError(
                f"the stream {config.name} has {key} {there}, and needs {right}: change it with nats stream edit, or"
                " choose another prefix; jobwatch changes no stream that is there"
            )


def _why(connection: Connection, error: BaseException) -> JobwatchError:
    from nats.js.errors import APIError, ServiceUnavailableError  # noqa: PLC0415 - the extra "nats"

    servers = connection.options.servers
    text = str(error) or type(error).__name__
    if isinstance(error, ServiceUnavailableError) or "NoResponders" in type(error).__name__:
        return ConfigError(f"the NATS server at {servers} has no JetStream, or no leader yet: start it with -js")
    if isinstance(error, APIError):
        return ConfigError(f"the NATS server at {servers} refused a stream: {error.description or text}")
    return JobwatchError(f"the NATS server at {servers} does not answer: {text}")
