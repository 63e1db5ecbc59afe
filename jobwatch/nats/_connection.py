"""The connection to the server; nats-py is imported when one is made, and not before."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from msgspec import Struct

from .._errors import ConfigError, JobwatchError
from .._files.regular import read_regular
from ._subjects import checked_prefix

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from nats.aio.client import Client as Connected
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription
    from nats.js.api import ConsumerConfig, ConsumerInfo
    from nats.js.client import JetStreamContext

    from .._http.tls import TLSContext

OLDEST: Final = (2, 14, 0)
"""The server that first had all that is needed: schedules that purge themselves, and atomic batches."""

CONNECTED_WITHIN: Final = 5.0
ANSWERED_WITHIN: Final = 5.0
_CANCELLED_AGAIN: Final = 0.1
_CLOSED_WITHIN: Final = 1.0
_LARGEST_CREDENTIALS: Final = 64 * 1024
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_log = logging.getLogger("jobwatch.nats")


class ServerOptions(Struct, frozen=True, kw_only=True):
    """Which server, and what is to be there.

    Attributes:
        url: Its URL, or several with commas between.
        prefix: What all subjects and streams begin with.
        shards: How many streams there are; None for as many as there are, or one.
        replicas: On how many servers each stream is; None for as many as there are, or one.
        credentials: The file with the user's credentials (``.creds``).
        tls: What TLS trusts, and the client certificate.
    """

    url: str
    prefix: str = "jobwatch"
    shards: int | None = None
    replicas: int | None = None
    credentials: str | os.PathLike[str] | None = None
    tls: TLSContext | None = None

    def __post_init__(self) -> None:
        checked_prefix(self.prefix)
        if self.shards is not None and not 1 <= self.shards <= 256:
            raise ConfigError(f"shards are 1 to 256, not {self.shards}")
        if self.replicas not in (None, 1, 3, 5):
            raise ConfigError(f"replicas are 1, 3 or 5, not {self.replicas}")

    def __repr__(self) -> str:
        return f"ServerOptions({self.servers})"

    @property
    def servers(self) -> str:
        """Which servers these are, in words that hold no secret."""
        return ", ".join(_without_user(url.strip()) for url in self.url.split(","))


def _without_user(url: str) -> str:
    return urlsplit(url if "://" in url else f"nats://{url}").netloc.rpartition("@")[2]


class Connection:
    """An open connection.

    Args:
        options: Which server.
        client: nats-py's client, connected.

    Attributes:
        client: nats-py's client.
        js: Its JetStream.
    """

    def __init__(self, options: ServerOptions, client: Connected) -> None:
        self.options = options
        self.client = client
        self._inbox = client.new_inbox()
        self._asked: dict[str, asyncio.Future[Msg]] = {}
        self._count = 0
        self.js: JetStreamContext = client.jetstream(timeout=ANSWERED_WITHIN)  # pyright: ignore[reportUnknownMemberType]

    @property
    def is_up(self) -> bool:
        """Whether there is a connection at present; one that is lost is made again."""
        return self.client.is_connected

    @property
    def times_connected(self) -> int:
        """How often it was made again."""
        return self.client.stats["reconnects"]

    async def ask(self, subject: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Publish a message and return the body of the answer.

        As nats-py's own ``request``, at half of its processor time: names of inboxes are counted here and not drawn,
        and an answer wakes whoever waits for it, not a task between.

        Raises:
            nats.errors.NoRespondersError: Nobody is there to answer.
            TimeoutError: There was no answer within `ANSWERED_WITHIN`.
        """
        from nats import errors  # noqa: PLC0415 - the extra "nats"

        loop = asyncio.get_running_loop()
        self._count += 1
        name = f"{self._inbox}.{self._count}"
        future = self._asked[name] = loop.create_future()
        late = loop.call_later(ANSWERED_WITHIN, _give_up, future)
        try:
            await self.client.publish(subject, body, reply=name, headers=dict(headers))
            answer = await future
        finally:
            late.cancel()
            del self._asked[name]
        if answer.headers and answer.headers.get("Status") == "503":
            raise errors.NoRespondersError
        data: bytes = answer.data
        return data

    async def take_answers(self) -> None:
        """Have answers come to `ask`; once, before the first of them."""
        await self.subscribe(f"{self._inbox}.*", self._answered)

    async def _answered(self, message: Msg) -> None:
        future = self._asked.get(message.subject)
        if future is not None and not future.done():
            future.set_result(message)

    async def consumer(self, stream: str, config: ConsumerConfig) -> ConsumerInfo:
        """Make a consumer."""
        return await self.js.add_consumer(stream, config)  # pyright: ignore[reportUnknownMemberType]

    async def subscribe(self, subject: str, received: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Have a function called with each message under a subject."""
        return await self.client.subscribe(subject, cb=received)  # pyright: ignore[reportUnknownMemberType]

    def silent(self, error: BaseException) -> JobwatchError:
        """Return what to raise where the server does not answer as it should."""
        what = str(error) or type(error).__name__
        return JobwatchError(f"the NATS server at {self.options.servers} does not answer: {what}")

    async def __aenter__(self) -> Self:
        """Return it; it is closed when the block is left."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    async def aclose(self) -> None:
        """Send what is still to be sent, if that is soon, and close."""
        import nats.errors  # noqa: PLC0415 - the extra "nats"

        try:
            if self.client.is_connected:
                await self.client.flush(timeout=1)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            _log.debug("not all was sent before the connection was closed: %s", type(error).__name__)
        await _close(self.client)


def _give_up(future: asyncio.Future[Msg]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: where nats-py flushes, it takes a cancel for something to pass over."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCELLED_AGAIN)


async def connect(options: ServerOptions, name: str, *, within: float | None = None) -> Connection:
    """Connect to a server.

    Args:
        options: Which one.
        name: What the server shows of the connection.
        within: How long that may take, in seconds; by default `CONNECTED_WITHIN`.

    Raises:
        ConfigError: The extra "nats" is not installed, the credentials are refused, or the server is too old.
        JobwatchError: No server answers.
    """
    try:
        import nats.aio.client  # noqa: PLC0415 - as above
        import nats.errors  # noqa: PLC0415 - as above
    except ImportError:
        raise ConfigError("NATS needs nats-py: pip install 'jobwatch-client[nats]'") from None
    if options.credentials is not None:
        _check_credentials(options.credentials)
    trouble: list[str] = []
    servers = [url.strip() for url in options.url.split(",")]
    client = nats.aio.client.Client()

    async def note(error: Exception) -> None:
        trouble.append(str(error) or type(error).__name__)
        _log.debug("NATS: %s", type(error).__name__)
        if not client.is_connected and len(trouble) == len(servers) and all(map(_is_refusal, trouble)):
            raise nats.errors.NoServersError  # it would try for ever

    try:
        async with asyncio.timeout(CONNECTED_WITHIN if within is None else within):
            await client.connect(  # pyright: ignore[reportUnknownMemberType]
                servers,
                name=name,
                error_cb=note,
                user_credentials=None if options.credentials is None else os.fspath(options.credentials),
                tls=options.tls,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - so many seconds
                connect_timeout=3,
                pending_size=16 * 1024 * 1024,
            )
    except (nats.errors.Error, OSError, ValueError, TimeoutError) as error:
        await _close(client)
        raise _not_connected(options, [*trouble, str(error)]) from None
    except BaseException:
        await _close(client)
        raise
    connection = Connection(options, client)
    try:
        _check_version(str(client.connected_server_version), options)
    except ConfigError:
        await _close(client)
        raise
    await connection.take_answers()
    return connection


async def _close(client: Connected) -> None:
    """Close a client; where TLS was never agreed on, it would wait for ever for the end of that."""
    try:
        async with asyncio.timeout(_CLOSED_WITHIN):
            await client.close()
    except TimeoutError:
        _log.debug("a connection was left before it was closed")


def _not_connected(options: ServerOptions, told: list[str]) -> JobwatchError:
    text = " ".join(told).lower()
    if "authorization" in text or "authentication" in text:
        return ConfigError(f"{options.servers} refused the credentials")
    if "certificate" in text:
        return ConfigError(f"{options.servers}: the certificate is not trusted, or ours is refused; see --nats-tls-ca")
    return JobwatchError(f"no NATS server answers at {options.servers}")


def _is_refusal(text: str) -> bool:
    """Whether a server has answered, and will not answer otherwise."""
    return any(word in text.lower() for word in ("authorization", "authentication", "certificate"))


def _check_credentials(file: str | os.PathLike[str]) -> None:
    """Raise ConfigError where a file holds no credentials, which nats-py tells nobody in words."""
    if importlib.util.find_spec("nkeys") is None:
        raise ConfigError("credentials need nkeys: pip install 'jobwatch-client[nats]'")
    try:
        lines = read_regular(file, _LARGEST_CREDENTIALS).splitlines()
    except OSError as error:
        raise ConfigError(f"credentials {os.fspath(file)}: {error.strerror}") from None
    for part in (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED"):
        if not any(part in line and after.strip() for line, after in pairwise(lines)):
            raise ConfigError(f"credentials {os.fspath(file)}: it holds no credentials of a user, as nsc writes them")


def _check_version(text: str, options: ServerOptions) -> None:
    found = _VERSION.search(text)
    if found is None or tuple(int(part) for part in found.groups()) < OLDEST:
        version = found[0] if found else text
        oldest = ".".join(str(part) for part in OLDEST)
        raise ConfigError(
            f"the NATS server at {options.servers} is {version}, and jobwatch needs {oldest} or newer:"
            " it has message schedules and atomic batches"
        )
