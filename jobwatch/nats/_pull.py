"""Messages of a consumer as they come: pulled for in good time, and each handed on at once.

nats-py's own ``fetch`` keeps what it has until a batch is full or its time is over, and may have the same message twice
in one batch when that time is longer than the consumer's ack-wait. Here a message is handed on when it is there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from ._connection import Connection

_EXPIRES: Final = 5.0
_SLACK: Final = 2.0
_log = logging.getLogger("jobwatch.nats")


class _Request(Struct, eq=False):
    """One request for messages: how many are still to come, and until when that may be."""

    left: int
    until: float


class Pull:
    """Asks a consumer for as many messages as there is room for, for as long as it runs.

    Args:
        connection: Open.
        stream: The stream's name.
        consumer: The consumer's name.
        room: Returns for how many messages there is room.
        take: Is called with each; it must not wait.
        until_silent: Whether to stop where nobody answers for the consumer, as when it was for a while only.

    Attributes:
        trouble: What the server last said beside messages, such as that there is no such consumer; None if nothing.
    """

    def __init__(
        self,
        connection: Connection,
        stream: str,
        consumer: str,
        room: Callable[[], int],
        take: Callable[[Msg], None],
        *,
        until_silent: bool = False,
    ) -> None:
        self._connection = connection
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._room = room
        self._take = take
        self._until_silent = until_silent
        self._inbox = connection.client.new_inbox()
        self._requests: dict[str, _Request] = {}
        self._changed = asyncio.Event()
        self._count = 0
        self.trouble: str | None = None

    def again(self) -> None:
        """Say that there is more room."""
        self._changed.set()

    async def run(self) -> None:
        """Pull until cancelled, or until the server says that there is no such consumer."""
        from nats import errors  # noqa: PLC0415 - the extra "nats"

        loop, client = asyncio.get_running_loop(), self._connection.client
        connected = self._connection.times_connected
        subscription: Subscription = await self._connection.subscribe(f"{self._inbox}.*", self._received)
        try:
            while self.trouble is None:
                self._changed.clear()
                now = loop.time()
                if self._connection.times_connected != connected:  # what was asked for before went with the connection
                    connected = self._connection.times_connected
                    self._requests.clear()
                self._requests = {name: each for name, each in self._requests.items() if each.left and each.until > now}
                wanted = self._room() - sum(each.left for each in self._requests.values())
                if wanted > 0 and client.is_connected:
                    try:
                        await self._ask(wanted, now)
                    except errors.Error as error:
                        _log.debug("not asked for messages: %s", type(error).__name__)
                try:
                    async with asyncio.timeout(_EXPIRES / 2 if client.is_connected else 0.2):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            if not client.is_closed:
                await subscription.unsubscribe()

    async def _ask(self, wanted: int, now: float) -> None:
        self._count += 1
        name = f"{self._inbox}.{self._count}"
        self._requests[name] = _Request(wanted, now + _EXPIRES + _SLACK)
        asked = json.dumps({"batch": wanted, "expires": int(_EXPIRES * 1e9)}).encode()
        await self._connection.client.publish(self._subject, asked, reply=name)

    async def _received(self, message: Msg) -> None:
        # What the server delivers comes under the subject that it was published with; the request is in no header.
        status = (message.headers or {}).get("Status") if not message.reply.startswith("$JS.ACK") else None
        if status is None:
            request = next((each for each in self._requests.values() if each.left), None)
            if request is not None:
                request.left -= 1
            self._take(message)
            return
        told = (message.headers or {}).get("Description", "")
        if status in ("404", "408"):  # the time of this request is over
            self._requests.pop(message.subject, None)
        elif status == "503" and self._until_silent:
            self.trouble = "nobody answers for the consumer"
        elif status == "409" and "Leadership" not in told and "Exceeded" not in told:
            self.trouble = told or "the consumer is gone"
        elif status != "100":
            self._requests.pop(message.subject, None)
        self._changed.set()
