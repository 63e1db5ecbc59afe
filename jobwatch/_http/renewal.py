"""The token of one client, read anew when the API refuses it, or when its file changes.

1. After a 401 the token is read anew, by one reading for all looks that were refused. Only if it is another one now is
   such a look made once more; else the 401 stands.
2. A look that was refused after the token had been renewed was sent with the old one, and is made once more at once.
3. What cannot be read is told as a fault: which source, and the type of what it raised, whose text may hold a secret.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from .._errors import ConfigError
from .._models import Fault, FaultKind
from .tasks import ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tokens import TokenSource

_LIMIT: Final = 30.0
"""For how many seconds a token may be waited for."""


class Renewal:
    """Reads a token anew.

    Args:
        source: Where the token comes from.
        enter: Takes a token to be sent from now on; returns whether what is sent is other than before. Raises
            ConfigError where it cannot be sent.
        is_ready: Whether there is a token already.

    Attributes:
        is_checked: Whether `fresh` is to be awaited before each request.
        generation: How many times the token has changed.
    """

    def __init__(self, source: TokenSource, enter: Callable[[str], bool], *, is_ready: bool) -> None:
        self.is_checked = source.is_checked
        self.generation = 0
        self._source = source
        self._enter = enter
        self._is_ready = is_ready
        self._reading: asyncio.Task[str | None] | None = None

    def __repr__(self) -> str:
        return f"Renewal({self._source!r})"

    async def fresh(self) -> Fault | None:
        """Have a token to send, and the one that its source holds now; return a fault where there is none at all."""
        if self._is_ready and not self._source.has_changed():
            return None
        trouble = await self._read_once()
        # What could not be read was perhaps being written: the token that there is may do.
        return None if self._is_ready else Fault(FaultKind.AUTH, f"no token to send: {trouble}")

    async def renewed(self, generation: int) -> str | bool:
        """Return whether there is another token than one that was refused, or why none can be read.

        Args:
            generation: The `generation` when the request that was refused was sent.
        """
        if generation == self.generation and (trouble := await self._read_once()) is not None:
            return trouble
        return generation != self.generation

    async def aclose(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await ended([self._reading])

    async def _read_once(self) -> str | None:
        """Read the token, or wait for the reading that is under way; return what went wrong."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read(), name="jobwatch token")
        reading = self._reading
        await asyncio.wait([reading])  # a look that nobody wants any more leaves it to the others
        return f"{self._source.name} was cancelled" if reading.cancelled() else reading.result()

    async def _read(self) -> str | None:
        name, limit = self._source.name, asyncio.timeout(_LIMIT)
        try:
            async with limit:
                token = await self._source.fetch()
        except ConfigError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever a function of the user's raises; its text may be a secret
            return f"{name} gave none within {_LIMIT:g} s" if limit.expired() else f"{name} raised {_type(error)}"
        if not isinstance(token, str):
            return f"{name} gave something of type {type(token).__name__}, and no text"
        if not token.strip() and not self._source.may_be_empty:
            return f"{name} holds none"
        try:
            if self._enter(token.strip()):
                self.generation += 1
        except ConfigError as error:
            return str(error)
        self._is_ready = True
        return None


def _type(error: Exception) -> str:
    return type(error).__name__
