"""Buckets of keys and values: made or checked, read, and written where nobody was first (compare and set).

They are JetStream's key-value buckets, so that ``nats kv`` shows them. What is stored is also published to whoever
listens: a subscription goes on at once over a lost connection, which a consumer does not.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._errors import ConfigError, JobwatchError
from ._rules import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.js.api import StreamInfo

    from ._connection import Connection

_ANSWERED_WITHIN: Final = 1.0
_NO_MESSAGE: Final = 10037
_NO_STREAM: Final = 10059
_WRONG_SEQUENCE: Final = 10071


class _Trouble(Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _Reply(Struct, frozen=True):
    seq: int = 0
    error: _Trouble | None = None


class Entry(Struct, frozen=True):
    """What a key holds.

    Attributes:
        key: The key.
        value: Its value; empty where it was deleted.
        revision: Its revision, which grows.
        stored_at: When it was stored, by the server's clock; None where that is not known.
        age: How many seconds ago that was, by the same clock, where that was asked for.
    """

    key: str
    value: bytes
    revision: int
    stored_at: datetime | None = None
    age: float = 0.0


class Unanswered(Exception):
    """A request to the bucket had no answer, so it may have been stored or not."""


class Bucket:
    """One bucket.

    Args:
        connection: Open.
        name: What it is called after the prefix.
        max_age: After how many seconds a key that is not written goes.
    """

    def __init__(self, connection: Connection, name: str, max_age: float) -> None:
        self._connection = connection
        self._max_age = max_age
        self.name = f"{connection.options.prefix}-{name}"
        self._stream = f"KV_{self.name}"
        self._keys = f"$KV.{self.name}."
        self._told = f"{connection.options.prefix}.kv.{name}."

    async def open(self, replicas: int) -> None:
        """Make it, or check the one that is there and leave it as it is.

        Args:
            replicas: On how many servers it is to be, if it is made.

        Raises:
            ConfigError: It is there and is another than it has to be, or the server refused it.
            JobwatchError: The server does not answer.
        """
        from nats import errors  # noqa: PLC0415 - the extra "nats"
        from nats.js.errors import APIError, BadRequestError, NotFoundError  # noqa: PLC0415 - as above

        js, servers = self._connection.js, self._connection.options.servers
        try:
            try:
                info = await js.stream_info(self._stream)
            except NotFoundError:
                try:
                    info = await self._made(replicas)
                except BadRequestError:  # somebody else has made it meanwhile, perhaps otherwise
                    info = await js.stream_info(self._stream)
        except APIError as error:
            raise ConfigError(
                f"the NATS server at {servers} refused the bucket {self.name}: {error.description}"
            ) from None
        except (errors.Error, TimeoutError) as error:
            raise JobwatchError(
                f"the NATS server at {servers} does not answer: {str(error) or type(error).__name__}"
            ) from error
        self._check(info)

    async def _made(self, replicas: int) -> StreamInfo:
        from nats.js.api import DiscardPolicy, RePublish, StreamConfig  # noqa: PLC0415 - as above

        config = StreamConfig(
            name=self._stream,
            subjects=[f"{self._keys}>"],
            num_replicas=replicas,
            max_msgs_per_subject=1,
            max_age=self._max_age,
            discard=DiscardPolicy.NEW,
            deny_delete=True,
            allow_rollup_hdrs=True,
            allow_direct=True,
            republish=RePublish(src=f"{self._keys}>", dest=f"{self._told}>"),
        )
        return await self._connection.js.add_stream(config)  # pyright: ignore[reportUnknownMemberType]

    def _check(self, info: StreamInfo) -> None:
        config = info.config
        told = config.republish
        wanted: dict[str, tuple[object, object]] = {
            "subjects": (config.subjects, [f"{self._keys}>"]),
            "max_msgs_per_subject": (config.max_msgs_per_subject, 1),
            "republish": (None if told is None else (told.src, told.dest), (f"{self._keys}>", f"{self._told}>")),
            "max_age": (config.max_age or 0.0, self._max_age),
        }
        for key, (there, right) in wanted.items():
            if there != right:
                raise ConfigError(
                    f"the bucket {self.name} has {key} {there}, and needs {right}: delete it while no worker"
                    f" runs (nats kv del {self.name}), or choose another prefix; jobwatch changes no bucket"
                )

    async def get(self, key: str) -> Entry | None:
        """Return what a key holds now; None where it holds nothing.

        Raises:
            Unanswered: The server did not answer.
        """
        request = msgspec.json.encode({"last_by_subj": self._keys + key})
        reply = await self._request(f"$JS.API.STREAM.MSG.GET.{self._stream}", request, {})
        found = msgspec.json.decode(reply, type=_Got)
        if found.message is None:
            if found.error is not None and found.error.err_code == _NO_MESSAGE:
                return None
            raise Unanswered("" if found.error is None else found.error.description)
        is_deleted = b"KV-Operation" in (found.message.hdrs or b"")
        return Entry(key, b"" if is_deleted else found.message.data, found.message.seq, found.message.time)

    async def put(self, key: str, value: bytes, expected: int) -> int | None:
        """Store a value where a key still has the revision that was read.

        Args:
            key: The key.
            value: Its value.
            expected: The revision; 0 where it held nothing.

        Returns:
            The new revision; None where another has been stored meanwhile, so that this one is not and never will be.

        Raises:
            Unanswered: The server did not answer, or could not store anything.
        """
        reply = await self._request(self._keys + key, value, {EXPECTED: str(expected)})
        told = msgspec.json.decode(reply, type=_Reply)
        if told.error is None:
            return told.seq
        if told.error.err_code == _WRONG_SEQUENCE:
            return None
        raise Unanswered(told.error.description)

    async def all(self, first: str) -> tuple[Entry, ...]:
        """Return what the keys hold whose first part is this; nothing where there is no such bucket.

        Raises:
            Unanswered: The server did not answer.
        """
        request = msgspec.json.encode({"subjects_filter": f"{self._keys}{first}.>"})
        reply = await self._request(f"$JS.API.STREAM.INFO.{self._stream}", request, {})
        info = msgspec.json.decode(reply, type=_Info)
        if info.error is not None and info.error.err_code == _NO_STREAM:
            return ()
        if info.error is not None:
            raise Unanswered(info.error.description)
        keys = sorted(subject.removeprefix(self._keys) for subject in info.state.subjects or ())
        found = [await self.get(key) for key in keys]
        return tuple(
            replace(
                entry, age=max(0.0, (info.ts - entry.stored_at).total_seconds()) if info.ts and entry.stored_at else 0.0
            )
            for entry in found
            if entry is not None and entry.value
        )

    async def listen(self, key: str, told: Callable[[Entry], None]) -> Subscription:
        """Have a function called with whatever is stored under a key, or a pattern of keys, from now on.

        Some may be missed where a connection was lost.
        """

        async def received(message: Msg) -> None:
            headers = message.headers or {}
            revision = headers.get("Nats-Sequence", "")
            if revision.isdecimal():
                value = b"" if "KV-Operation" in headers else message.data
                told(Entry(message.subject.removeprefix(self._told), value, int(revision)))

        return await self._connection.subscribe(self._told + key, received)

    async def _request(self, subject: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        from nats import errors  # noqa: PLC0415 - as above

        client = self._connection.client
        if not client.is_connected:  # it would be kept and sent once there is a connection, when it is too late
            raise Unanswered("no connection")
        try:
            reply = await client.request(subject, body, timeout=_ANSWERED_WITHIN, headers=dict(headers) or None)
        except (errors.Error, OSError, TimeoutError) as error:
            raise Unanswered(type(error).__name__) from None
        return reply.data


class _Message(Struct, frozen=True):
    seq: int
    data: bytes = b""
    hdrs: bytes | None = None
    time: datetime | None = None


class _Got(Struct, frozen=True):
    message: _Message | None = None
    error: _Trouble | None = None


class _State(Struct, frozen=True):
    subjects: dict[str, int] | None = None


class _Info(Struct, frozen=True):
    ts: datetime | None = None
    state: _State = _State()
    error: _Trouble | None = None
