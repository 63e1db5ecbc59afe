"""The origin: requests to it, as its budget lets them go, and none while it asks to be left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .._core.look import pause_asked
from .._models import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.budget import Budget
    from .._reading.reply import Reply
    from .transport import Target, Transport

LONGEST_PAUSE = 86_400.0
"""For how long the origin is left alone at most, in seconds, whatever it asks."""


class Origin:
    """Makes the requests, and learns from each reply how many more may be made.

    Args:
        transport: Makes one request.
        budget: Says when the next may go.
        patience: For how many seconds on end looks may fail before a wait is given up.

    Attributes:
        not_before: Until when the origin asks to be left alone, on the loop's clock.
    """

    def __init__(self, transport: Transport, budget: Budget, patience: float) -> None:
        self._transport = transport
        self._budget = budget
        self._patience = patience
        self._in_flight = 0
        self._time = asyncio.get_running_loop().time
        self.not_before = 0.0

    async def read(self, target: Target, etag: str | None = None) -> Reply | Fault:
        """Make one request at once, and learn from it how many more may be made."""
        self._in_flight += 1
        try:
            reply = await self._transport.get(target, etag=etag)
        finally:
            self._in_flight -= 1
        if isinstance(reply, Fault):
            self._learn_from(reply)
        elif reply.rate is not None:
            self._budget.told(reply.rate, self._in_flight, self._time())
        return reply

    def may_ask(self) -> bool:
        """Let one more request go now, and count it, unless it would have to wait."""
        now = self._time()
        return now >= self.not_before and not self._budget.spend(now)

    async def follow(self, target: Target, heard: Callable[[bytes], bool], silence: float) -> Fault | None:
        """Read a stream at once, and learn from its fault; for arguments see `Transport.follow`."""
        fault = await self._transport.follow(target, heard, silence=silence)
        if fault is not None:
            self._learn_from(fault)
        return fault

    async def read_in_turn(self, target: Target) -> tuple[Reply | Fault, float]:
        """Make one request once the budget lets it go, and none while the origin asks to be left alone.

        Returns:
            The reply, and the time that it speaks of, on the loop's clock.
        """
        while True:
            now = self._time()
            if now < self.not_before:
                return self.away(now), now
            wait = self._budget.spend(now)
            if not wait:
                reply = await self.read(target)
                return reply, as_of(reply, now, self._time())
            await asyncio.sleep(wait)

    def _learn_from(self, fault: Fault) -> None:
        now = self._time()
        self.not_before = max(self.not_before, now + min(pause_asked(fault), LONGEST_PAUSE))
        if fault.kind is FaultKind.RATE_LIMITED:
            self._budget.throttled(now)

    def away(self, now: float) -> Fault:
        """Return what a look comes to that is not made, since the origin asks to be left alone."""
        left = self.not_before - now
        return Fault(
            FaultKind.RATE_LIMITED, f"the API has asked for no requests for {left:.0f} s more", retry_after=left
        )

    def paused_until(self) -> float:
        """Return until when no look is to be made; none where that is beyond all patience, so that nobody waits on."""
        if not self.not_before:
            return 0.0
        return self.not_before if self.not_before - self._time() <= self._patience else 0.0


def as_of(reply: Reply | Fault, asked_at: float, answered_at: float) -> float:
    """Return the time that a reply speaks of: a slow 404 proves nothing of what the API has come to know since."""
    return asked_at if isinstance(reply, Fault) and reply.kind is FaultKind.NOT_FOUND else answered_at
