"""One origin's request budget, and the price that keeps to it. Pure: time comes in as an argument.

A budget has a rate, from whichever of these asks for least: the one the user gave; what is left in the API's own
window (``X-RateLimit-Remaining`` over the seconds to its reset), and after the reset what a whole window allows; and,
after a 429, half of what was being sent, which then doubles every `_RECOVERY` seconds until it does not bind any more.

Two things keep to it. The price is what one request costs beside its plain cost: intervals grow with its square
root, so where all watched jobs together want `demand` looks a second, ``(demand / rate) ** 2`` makes them want just
the rate, each slowed in proportion to what its looks are worth. No job is slowed beyond the time at which the rate
will have risen again (`turn`). And a token bucket lets no more than ``rate * seconds + burst`` requests go in any
stretch of time, first come, first served.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from .._errors import ConfigError

if TYPE_CHECKING:
    from .._reading.reply import RateLimit

_RECOVERY = 60.0
_SAME_FAULT = 1.0  # seconds in which further 429s answer requests sent before the first
_JUDGED = 8.0  # how many requests tell whether a new rate is still too much
_AT_LEAST_WANTED = 2.0  # requests a second that are taken to have been sent before anything is known
_FORGOTTEN = 64.0  # doublings after which a 429 cannot bind any more
_BURST_SECONDS = 0.25
_LEAST = 1.0 / 60.0
_ON_THE_WAY = 1.0  # how many seconds what others tell may take to come here
_LOWER = 0.95
_UNKNOWN = 2.0  # requests a second that are taken to be wanted before any job has been read
UNLIMITED = float("inf")


class Limits(Struct, frozen=True, omit_defaults=True):
    """What an API has told or shown of how many requests may go, as of one moment; no clock has to be shared for it.

    Attributes:
        told: Requests a second that are left in the present window; None where nothing is known.
        told_for: For how many seconds that holds.
        refill: Requests a second that a whole window allows; None where nothing is known.
        refill_for: For how many seconds that holds.
        window: How long a window is taken to be, in seconds.
        found: Requests a second that the last 429 left; None where there was none.
        found_for: How many seconds ago that was.
    """

    told: float | None = None
    told_for: float = 0.0
    refill: float | None = None
    refill_for: float = 0.0
    window: float = 1.0
    found: float | None = None
    found_for: float = 0.0


class Share(Protocol):
    """What a process may use of a budget that it has together with others."""

    def spend(self) -> float:
        """Take one request out of it; see `Budget.spend` for what is returned."""
        ...


def burst_of(rate: float) -> float:
    """Return how many requests may go at once at a rate."""
    burst = rate * _BURST_SECONDS
    return burst if burst > 1.0 else 1.0


class Budget:
    """Says what a request costs now, and when the next may go.

    Args:
        max_rate: Requests a second that the user allows; None for as many as the API does.

    Attributes:
        demand: How many looks a second all watched jobs want at the plain price.
        is_unlimited: Whether nothing and nobody has said yet how many requests may go.
        sent: How many requests a second are made, where no demand is known; 0 where that is not either.
        share: Says when the next may go, where the budget is had together with other processes; None where it is not.
        max_rate: What was given.
        news: How often the API has told or shown something of it.

    Raises:
        ConfigError: The rate is not a finite number above 0.
    """

    __slots__ = (
        "_at",
        "_found",
        "_found_at",
        "_given",
        "_refill",
        "_refill_until",
        "_tokens",
        "_told",
        "_told_until",
        "_window",
        "demand",
        "is_unlimited",
        "max_rate",
        "news",
        "sent",
        "share",
    )

    def __init__(self, max_rate: float | None = None) -> None:
        if max_rate is not None and not 0.0 < max_rate < UNLIMITED:
            raise ConfigError(f"max_rate must be a finite number of requests a second above 0, not {max_rate!r}")
        self.max_rate = max_rate
        self._given = UNLIMITED if max_rate is None else max_rate
        self._told = UNLIMITED
        self._told_until = 0.0
        self._refill = UNLIMITED
        self._refill_until = 0.0
        self._window = 1.0
        self._found = UNLIMITED
        self._found_at = -UNLIMITED
        self._at = 0.0
        self._tokens = 1.0
        self.is_unlimited = max_rate is None  # until somebody says otherwise: then a look has nothing to reckon
        self.demand = 0.0
        self.share: Share | None = None
        self.news = 0
        self.sent = 0.0

    def rate(self, now: float) -> float:
        """Return how many requests a second may be sent; infinite where nothing limits them."""
        if self.is_unlimited:
            return UNLIMITED
        rate = self._given
        if now < self._refill_until and self._refill < rate:
            rate = self._refill
        if self._found != UNLIMITED:
            rate = min(rate, self._recovered(now))
        return self._told if now < self._told_until and self._told < rate else rate

    def _standing(self, now: float) -> float:
        """Return the rate that holds whatever is left in the API's present window."""
        return min(self._given, self._refill) if now < self._refill_until else self._given

    def _recovered(self, now: float) -> float:
        """Return how far the rate has recovered from the last 429."""
        doublings = (now - self._found_at) / _RECOVERY
        return self._found * 2.0**doublings if doublings < _FORGOTTEN else UNLIMITED

    def price(self, now: float) -> float:
        """Return what a request costs now beside its plain cost: 1 or more."""
        if self.is_unlimited or not self.demand:
            return 1.0
        rate = self.rate(now)
        return 1.0 if self.demand <= rate else (self.demand / rate) ** 2

    def turn(self, plain: float, now: float) -> float:
        """Return how long a job has to wait that wants a look every `plain` seconds at the plain price.

        That is ``plain * sqrt(price)`` while the rate stays what it is, and less where it is known to rise.
        """
        if self.demand <= self.rate(now):
            return plain
        wanted, waited = plain * self.demand, 0.0  # in looks of all jobs together
        if now < self._told_until:
            span, rate = self._told_until - now, self.rate(now)
            if wanted <= span * rate:
                return wanted / rate
            wanted, waited, now = wanted - span * rate, span, self._told_until
        least, most = self._recovered(now), min(self._standing(now), self.demand)
        if least < most:
            e_folding = _RECOVERY / math.log(2.0)
            until_most = e_folding * (most - least)
            if wanted <= until_most:
                return waited + e_folding * math.log1p(wanted / (e_folding * least))
            wanted, waited = wanted - until_most, waited + e_folding * math.log(most / least)
        return waited + wanted / most

    def spend(self, now: float) -> float:
        """Take one request out of the budget.

        Returns:
            0 if it may go now; else the seconds until one may, and nothing was taken.
        """
        if self.share is not None:
            return self.share.spend()
        if self.is_unlimited:
            self._at = now
            return 0.0
        rate = self.rate(now)
        if rate == UNLIMITED:
            self._at = now
        else:
            self._tokens, self._at = self._filled(rate, now), now
            if self._tokens < 1.0:
                wait = (1.0 - self._tokens) / rate
                return max(min(wait, self._told_until - now) if now < self._told_until else wait, 1e-6)
            self._tokens -= 1.0
        return 0.0

    def left(self, now: float) -> float:
        """Return how many requests may go now, one after the other; infinite where nothing limits them."""
        rate = self.rate(now)
        return UNLIMITED if rate == UNLIMITED else self._filled(rate, now)

    def _filled(self, rate: float, now: float) -> float:
        """Return how many tokens there are."""
        burst, tokens = burst_of(rate), self._tokens + (now - self._at) * rate
        return tokens if tokens < burst else burst

    def told(self, limit: RateLimit | None, in_flight: int, now: float) -> None:
        """Learn from the rate headers of a reply, where it had any."""
        if limit is None or limit.reset_in is None:
            return
        self.is_unlimited = False
        self.news += 1
        left = limit.remaining - in_flight if limit.remaining > in_flight else 0
        window = limit.reset_in if limit.reset_in > 1.0 else 1.0
        told = left / window
        self._told = told if told > _LEAST else _LEAST
        self._told_until = now + limit.reset_in
        if not left:
            self._tokens = min(self._tokens, 0.0)
        if limit.limit is not None:
            # How long a window is, nobody tells; the longest time to a reset comes near it.
            if window > self._window:
                self._window = window
            refill = limit.limit / self._window
            self._refill = refill if refill > _LEAST else _LEAST
            self._refill_until = self._told_until + self._window

    def throttled(self, now: float) -> None:
        """Learn from a 429 that what was being sent is too much."""
        if now - self._found_at < max(_SAME_FAULT, _JUDGED / self._found):
            return
        self.is_unlimited = False
        self.news += 1
        # That the present window is used up, if it is, says nothing of the windows after it.
        rate = min(self._standing(now), self._recovered(now))
        self._found = max(min(self.demand or self.sent or _AT_LEAST_WANTED, rate) / 2.0, _LEAST)
        self._found_at = now
        self._tokens = 0.0

    # --- a budget that is had together with others -----------------------------------------------------------

    def limits(self, now: float) -> Limits:
        """Return what the API has told or shown, for others who ask it too."""
        told, refill, found = now < self._told_until, now < self._refill_until, self._found != UNLIMITED
        return Limits(
            told=self._told if told and self._told != UNLIMITED else None,
            told_for=self._told_until - now if told else 0.0,
            refill=self._refill if refill and self._refill != UNLIMITED else None,
            refill_for=self._refill_until - now if refill else 0.0,
            window=self._window,
            found=self._found if found else None,
            found_for=now - self._found_at if found else 0.0,
        )

    def adopt(self, limits: Limits, given: float | None, now: float, *, has_news: bool = False) -> None:
        """Keep to what others who ask the same API were told or have found.

        Args:
            limits: What that was, as of now or a moment before; time since then makes it only stricter.
            given: The lowest rate that a user has given any of them; None for none.
            now: The time.
            has_news: Whether something was told here that they do not know yet: then what they were told counts only
                where it asks for less.
        """
        self._given = UNLIMITED if given is None else given
        if limits.told is not None and not (has_news and now < self._told_until and self._told <= limits.told):
            self._told, self._told_until = limits.told, _end(self._told_until, now + limits.told_for)
        if limits.refill is not None and not (has_news and now < self._refill_until and self._refill <= limits.refill):
            self._refill, self._refill_until = limits.refill, _end(self._refill_until, now + limits.refill_for)
        self._window = max(self._window, limits.window)
        if limits.found is not None:
            doublings = limits.found_for / _RECOVERY
            if doublings < _FORGOTTEN and limits.found * 2.0**doublings < _LOWER * self._recovered(now):
                self._found, self._found_at = limits.found, now - limits.found_for
        self.is_unlimited = given is None and self.limits(now) == Limits(window=self._window)


def _end(known: float, told: float) -> float:
    """Return when something ends that others tell of: they may have it from here, and it took its time both ways."""
    return known if abs(told - known) < _ON_THE_WAY else told
