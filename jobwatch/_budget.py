"""One origin's request budget, and the price that keeps to it. Pure: time comes in as an argument.

A budget has a rate, from whichever of these asks for least: the one the user gave; what is left in the API's own
window (``X-RateLimit-Remaining`` over the seconds to its reset); and, after a 429, half of what was being sent,
which then doubles every `_RECOVERY` seconds until it does not bind any more.

Two things keep to it. The price is what one request costs beside its plain cost: intervals grow with its square
root, so where all watched jobs together want `demand` looks a second, ``(demand / rate) ** 2`` makes them want just
the rate, each slowed in proportion to what its looks are worth. And a token bucket lets no more than
``rate * seconds + burst`` requests go in any stretch of time, first come, first served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import ConfigError

if TYPE_CHECKING:
    from ._retry_after import RateLimit

_RECOVERY = 60.0
_SAME_FAULT = 1.0  # seconds in which further 429s answer requests sent before the first
_BURST_SECONDS = 0.25
_LEAST = 1.0 / 60.0
_UNKNOWN = 2.0  # requests a second that are taken to be wanted before any job has been read
UNLIMITED = float("inf")


class Budget:
    """Says what a request costs now, and when the next may go.

    Args:
        max_rate: Requests a second that the user allows; None for as many as the API does.

    Attributes:
        demand: How many looks a second all watched jobs want at the plain price.

    Raises:
        ConfigError: The rate is not a finite number above 0.
    """

    __slots__ = ("_at", "_found", "_found_at", "_given", "_tokens", "_told", "_told_until", "demand")

    def __init__(self, max_rate: float | None = None) -> None:
        if max_rate is not None and not 0.0 < max_rate < UNLIMITED:
            raise ConfigError(f"max_rate must be a finite number of requests a second above 0, not {max_rate!r}")
        self._given = UNLIMITED if max_rate is None else max_rate
        self._told = UNLIMITED
        self._told_until = 0.0
        self._found = UNLIMITED
        self._found_at = 0.0
        self._at = 0.0
        self._tokens = 1.0
        self.demand = 0.0

    def rate(self, now: float) -> float:
        """Return how many requests a second may be sent; infinite where nothing limits them."""
        rate = self._given
        if now < self._told_until:
            rate = min(rate, self._told)
        if self._found != UNLIMITED:
            rate = min(rate, self._found * 2.0 ** ((now - self._found_at) / _RECOVERY))
        return rate

    def price(self, now: float) -> float:
        """Return what a request costs now beside its plain cost: 1 or more."""
        rate = self.rate(now)
        return 1.0 if self.demand <= rate else (self.demand / rate) ** 2

    def spend(self, now: float) -> float:
        """Take one request out of the budget.

        Returns:
            0 if it may go now; else the seconds until one may, and nothing was taken.
        """
        rate = self.rate(now)
        passed = now - self._at
        self._at = now
        if rate != UNLIMITED:
            burst = max(1.0, rate * _BURST_SECONDS)
            self._tokens = min(burst, self._tokens + passed * rate)
            if self._tokens < 1.0:
                wait = (1.0 - self._tokens) / rate
                return max(min(wait, self._told_until - now) if now < self._told_until else wait, 1e-6)
            self._tokens -= 1.0
        return 0.0

    def give_back(self) -> None:
        """Put a request back that was taken and not sent."""
        self._tokens += 1.0

    def told(self, limit: RateLimit | None, in_flight: int, now: float) -> None:
        """Learn from the rate headers of a reply, where it had any."""
        if limit is None or limit.reset_in is None:
            return
        left = max(limit.remaining - in_flight, 0)
        self._told = max(left / max(limit.reset_in, 1.0), _LEAST)
        self._told_until = now + limit.reset_in

    def throttled(self, now: float) -> None:
        """Learn from a 429 that what was being sent is too much."""
        if self._found != UNLIMITED and now - self._found_at < _SAME_FAULT:
            return
        self._found, self._found_at = max(min(max(self.demand, _UNKNOWN), self.rate(now)) / 2.0, _LEAST), now
        self._tokens = 0.0
