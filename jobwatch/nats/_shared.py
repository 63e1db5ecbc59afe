"""What a worker shares with others by a bucket: listened to from the start on, kept in step by a task, and left."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from ._bucket import Unanswered
from ._connection import cancelled

if TYPE_CHECKING:
    from ._bucket import Bucket, Entry

_LEFT_WITHIN: Final = 0.5  # a command has 4 s after a signal, and looks have most of them
_log = logging.getLogger("jobwatch.nats")


class Shared(ABC):
    """Something that is shared; what it is, a class below says.

    Args:
        bucket: Where it is.
        keys: The key, or the pattern of keys, that others write it under.
        name: What it is called.
    """

    def __init__(self, bucket: Bucket, keys: str, name: str) -> None:
        self._bucket = bucket
        self._keys = keys
        self._name = name
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, replicas: int) -> asyncio.Task[None]:
        """Make or check the bucket, and keep to what it says from now on.

        Args:
            replicas: On how many servers the bucket is to be, if it is made.

        Returns:
            What keeps it in step, until it is stopped.

        Raises:
            ConfigError: The bucket is not as it has to be, or the server refused it.
            JobwatchError: The server does not answer.
        """
        await self._bucket.open(replicas)
        await self._bucket.listen(self._keys, self._told)
        await self._begin()
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"jobwatch {self._name}")
        return self._task

    async def stop(self) -> None:
        """Let others have what they are still to have, if that is soon, and share no more."""
        if self._task is None:
            return
        self._end()
        await cancelled([self._task])
        try:
            async with asyncio.timeout(_LEFT_WITHIN):
                await self._leave()
        except (Unanswered, TimeoutError) as error:
            _log.debug("the %s was left without a last word: %s", self._name, type(error).__name__)
        self._left()

    @abstractmethod
    async def _begin(self) -> None:
        """Take up what is there, once the bucket is open and listened to."""

    @abstractmethod
    async def _run(self) -> None:
        """Keep it in step until cancelled."""

    @abstractmethod
    def _told(self, entry: Entry) -> None:
        """Take in what somebody has stored."""

    def _end(self) -> None:  # noqa: B027 - not all have to
        """Take nothing more in from here, before anything is left."""

    @abstractmethod
    async def _leave(self) -> None:
        """Store what others are to have."""

    def _left(self) -> None:  # noqa: B027 - as above
        """Put back what was as before, whether that was stored or not."""
