"""A transport whose token may be another one later: what was refused with the old one is sent again with the new."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeGuard

from msgspec.structs import replace

from .._models import Fault, FaultKind
from .._reading.reply import Reply
from .tasks import at_once
from .transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.source import Turn
    from .renewal import Renewal
    from .target import Target

_DOUBTED_EVERY: Final = 30.0
"""How many seconds lie at least between two readings of a token that may be refused: an API may be in trouble long."""


class RenewingTransport(Transport):
    """Sends requests as `Transport` does, and once more where the token was refused and is another one by then.

    Raises and takes what `Transport` does; `renew_by` is to be called before the first request.
    """

    _renewal: Renewal
    _again: set[asyncio.Task[object] | None]
    _doubted_at: float

    def renew_by(self, renewal: Renewal) -> None:
        """Say what reads the token anew."""
        self._renewal = renewal
        self._again = set()
        self._doubted_at = -_DOUBTED_EVERY

    async def _unauthorized(
        self, answer: Fault, generation: int, target: Target, etag: str | None, turn: Turn
    ) -> Reply | Fault:
        """Make a look once more, which waits for its turn and counts, if there is another token by now."""
        task = asyncio.current_task()
        if task in self._again or not (_is_refusal(answer) or self._is_doubted(answer, generation)):
            return answer
        renewed = await self._renewal.renewed(generation)
        if renewed is not True:
            return _with(renewed, answer)
        if (fault := await turn()) is not None:
            return fault
        self._again.add(task)
        try:
            again = await Transport.get(self, target, etag=etag, turn=turn)
        finally:
            self._again.discard(task)
        return replace(again, looks=again.looks + 1) if isinstance(again, Reply) else again

    def _is_doubted(self, answer: Fault, generation: int) -> bool:
        """Whether an API says in words of its own that it refuses the token; where it may say so, now and then."""
        if answer is not self._reader.refusal:
            return False
        if answer.kind is FaultKind.AUTH or generation != self.generation:
            return True
        now = asyncio.get_running_loop().time()
        if now < self._doubted_at + _DOUBTED_EVERY:
            return False
        self._doubted_at = now
        return True

    async def follow(self, target: Target, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        """Read a stream for as long as it lasts; one that was refused is asked for once more."""
        generation = self.generation
        end = await super().follow(target, heard, silence=silence)
        if not _is_refusal(end):
            return end
        renewed = await self._renewal.renewed(generation)
        return await super().follow(target, heard, silence=silence) if renewed is True else _with(renewed, end)

    async def aclose(self) -> None:
        """Close every connection, and read no token any more."""
        try:
            await super().aclose()
        finally:
            await self._renewal.aclose()


class CheckingTransport(RenewingTransport):
    """Sends requests as `RenewingTransport` does, and asks the token's source before each, such as a file."""

    async def get(self, target: Target, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        """Return what one look at a target brings, or why there is no token to send."""
        fault = await self._renewal.fresh()
        return fault or await super().get(target, etag=etag, turn=turn)

    async def follow(self, target: Target, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        """Read a stream for as long as it lasts, or return why there is no token to send."""
        fault = await self._renewal.fresh()
        return fault or await super().follow(target, heard, silence=silence)


def transport_for(renewal: Renewal | None) -> type[Transport]:
    """Return what sends requests with such a token: only what it needs costs a look anything."""
    if renewal is None:
        return Transport
    return CheckingTransport if renewal.is_checked else RenewingTransport


def _is_refusal(answer: Reply | Fault | None) -> TypeGuard[Fault]:
    """Whether an answer says that the token is not, or no longer, good. RFC 9110, section 15.5.2."""
    return isinstance(answer, Fault) and answer.kind is FaultKind.AUTH and answer.http_status == 401


def _with(trouble: str | bool, refusal: Fault) -> Fault:
    """Return a refusal that says why no other token was tried, where one could not be read."""
    return refusal if not isinstance(trouble, str) else replace(refusal, message=f"{refusal.message}; {trouble}")
