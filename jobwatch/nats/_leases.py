"""How workers that ask one API with one token share its request budget. Pure: time comes in as an argument.

All of a budget is one value, the `Ledger`, in which each worker has a `Share`: a part of the rate and of the burst. A
worker replaces the ledger by another one, which the store takes only where nobody was there first (compare and set).

1. The shares of a ledger never come to more than the rate and the burst of it, but for a rate that has just fallen:
   whoever takes, takes what is free, and nobody touches the share of another who may still use it.
2. A share is a lease. Its holder counts its end from before it asked for it, by his own clock. Everybody else counts
   from when he saw it, which is later, and waits longer: `SLOWEST` says how much slower a clock may go than another.
3. Whoever asks for less uses less from before he asks; whoever asks for more uses more once he knows that he has it.
   What became of a request that nobody answered is not known; until it is, the least that may have come of it counts.
4. Tokens are made at the rate of a share, kept up to its burst, and go with it. A new share has none.

So no stretch of time has more requests than the rate times its length, and the burst, whoever joins, leaves, dies or
stands still. A rate that is unlimited is a very high one.

The rate is divided by what each wants: small wishes are met, the others get the same, and what is left is spread.
Where the burst has no token for each, as many as it has tokens hold a share at a time, by turns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from .._core.budget import Limits, burst_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEASE: Final = 4.0
"""For how many seconds a worker may use what it holds."""

SLOWEST: Final = 1.15
"""How many times as long others wait before they take what a worker has not renewed: clocks may go so differently."""

UNLIMITED: Final = 1e9
"""The rate that stands for one that nothing limits, and the wish of whoever has to wait, in requests a second."""

_RENEWED_AFTER: Final = LEASE / 4.0
_WAITING_RENEWED_AFTER: Final = 0.6  # of a lease, where it holds nothing that could be lost
_MANY: Final = 15  # so many workers can ask each second and seldom be refused
_BETWEEN: Final = 0.05  # seconds between two requests of a worker to change its share
_TURN: Final = 2.0  # how many seconds a turn is at least
_CHANGED: Final = 0.05  # by which part a share has to change before its time to be asked for
_SHORT: Final = 1.0  # for how many seconds whoever had to wait wants more
_AVERAGED: Final = 2.0  # over how many seconds use is averaged
_SPARE: Final = 1.25
_FLOOR: Final = 0.05  # which part of a rate is divided evenly in any case, so that a first request need not wait
_LOOK_AGAIN: Final = 0.1  # after how many seconds to ask again at the latest, since a share may grow meanwhile
_NONE: Final = 1e-9


class Share(Struct, frozen=True, omit_defaults=True):
    """What one worker holds of a budget.

    Attributes:
        worker: Its name, which no other process ever has.
        count: How often it has asked; another number is another lease.
        rate: Requests a second that it may make.
        burst: How many of them at once.
        wanted: How many a second it would like.
        used: How many a second it has made of late.
        given: The highest rate that its user allows for all together; None for as many as the API does.
        turn: Where shares are had by turns: the number of its latest one.
        work: What it works at; of two that work at the same, either can do it.
    """

    worker: str
    count: int
    rate: float = 0.0
    burst: float = 0.0
    wanted: float = 0.0
    used: float = 0.0
    given: float | None = None
    turn: int = 0
    work: str = ""


class Ledger(Struct, frozen=True, omit_defaults=True):
    """All of a budget.

    Attributes:
        shares: Who holds how much.
        limits: What the API has told or shown of its own limits, when this was written.
        pause: For how many seconds it has asked for no requests, from then on.
    """

    shares: tuple[Share, ...] = ()
    limits: Limits = Limits()
    pause: float = 0.0

    def of(self, worker: str) -> Share | None:
        """Return what a worker holds."""
        return next((share for share in self.shares if share.worker == worker), None)

    @property
    def given(self) -> float | None:
        """The lowest rate that was given to any worker."""
        return min((share.given for share in self.shares if share.given is not None), default=None)


class Attempt(Struct, frozen=True):
    """A ledger that is to take the place of another.

    Attributes:
        ledger: The new one.
        expected: The revision of the one that it was made from; 0 if there was none.
        share: What it gives to whoever makes it; None if he leaves.
    """

    ledger: Ledger
    expected: int
    share: Share | None


def division(wanted: Mapping[str, float], rate: float) -> Mapping[str, float]:
    """Divide a rate: small wishes are met, the others get the same, and what is left is spread evenly.

    A small part of it is there for each in any case.

    Args:
        wanted: How many requests a second each would like.
        rate: How many there are.
    """
    parts: dict[str, float] = {}
    left, least = rate, rate * _FLOOR / len(wanted)
    for number, (worker, wish) in enumerate(sorted(wanted.items(), key=lambda each: (each[1], each[0]))):
        parts[worker] = min(max(wish, least), left / (len(wanted) - number))
        left -= parts[worker]
    return {worker: part + left / len(wanted) for worker, part in parts.items()}


class Holder:
    """What one worker knows of a budget, holds of it, and asks for.

    Args:
        worker: Its name, which no other process ever has.
        given: The highest rate that the user allows for all workers together; None for as many as the API does.
        work: What it works at.

    Attributes:
        ledger: The latest that was seen.
        revision: Its revision; 0 if there was none.
    """

    def __init__(self, worker: str, given: float | None = None, work: str = "") -> None:
        self.worker = worker
        self.work = work
        self.given = given
        self.ledger = Ledger()
        self.revision = 0
        self._seen: dict[str, tuple[int, float]] = {}
        self._attempts: list[Attempt] = []  # of which it is not known what became of them
        self._asked_at: dict[int, float] = {}
        self._count = 0
        self._last_asked = -math.inf
        self._missing_since = math.inf
        self._began = -math.inf
        self._tokens = 0.0
        self._at = -math.inf
        self._used = 0.0
        self._used_at = -math.inf
        self._short_at = -math.inf
        self._has_left = False

    # --- what it may use -----------------------------------------------------------------------------------------

    def spend(self, now: float) -> float:
        """Take one request out of what it holds.

        Returns:
            0 if it may go now; else the seconds after which to ask again, and nothing was taken.
        """
        self._accrue(now)
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            self._used = self._used_now(now) + 1.0 / _AVERAGED
            self._used_at = now
            return 0.0
        self._short_at = now
        rate, _ = self.usable(now)
        return min(_LOOK_AGAIN, max((1.0 - self._tokens) / rate, 1e-6)) if rate else _LOOK_AGAIN

    def usable(self, now: float) -> tuple[float, float]:
        """Return the rate and the burst that it may use now."""
        share = self.ledger.of(self.worker)
        if share is None or self._has_left or not now < self.ends_at:
            return 0.0, 0.0
        possible = [share, *(attempt.share for attempt in self._attempts if attempt.share is not None)]
        return min(each.rate for each in possible), min(each.burst for each in possible)

    def others_can(self, now: float) -> bool:
        """Whether it has no share at present, and another that works at the same has one."""
        return not self.usable(now)[0] and any(each.rate and each.work == self.work for each in self._others(now))

    @property
    def ends_at(self) -> float:
        """When its lease ends, by its own clock."""
        share = self.ledger.of(self.worker)
        return -math.inf if share is None else self._asked_at.get(share.count, -math.inf) + LEASE

    def _accrue(self, now: float) -> None:
        """Make the tokens that have come up to now; to be called before anything of a share changes."""
        rate, burst = self.usable(now)
        if not rate:
            self._tokens = 0.0
        else:
            self._tokens = min(burst, self._tokens + rate * max(0.0, now - self._at))
        self._at = max(self._at, now)

    # --- what it learns ------------------------------------------------------------------------------------------

    def observe(self, ledger: Ledger, revision: int, now: float) -> bool:
        """Take in a ledger that was read.

        Returns:
            Whether it is a newer one than was known.
        """
        if revision <= self.revision:
            return False
        self._accrue(now)
        self.ledger, self.revision, self._missing_since = ledger, revision, math.inf
        self._attempts = [attempt for attempt in self._attempts if attempt.expected >= revision]
        others = {share.worker: share.count for share in ledger.shares if share.worker != self.worker}
        self._seen = {
            worker: known if (known := self._seen.get(worker)) is not None and known[0] == count else (count, now)
            for worker, count in others.items()
        }
        self._accrue(now)  # a burst may have shrunk
        return True

    def answered(self, attempt: Attempt, revision: int | None, now: float) -> None:
        """Take in what became of an attempt; one that nobody answered is no business of this.

        Args:
            attempt: Which one.
            revision: The revision that it was stored as; None if it was refused, and so never will be.
            now: The time.
        """
        if revision is not None and self.observe(attempt.ledger, revision, now):
            return
        self._accrue(now)
        self._attempts = [each for each in self._attempts if each is not attempt]

    def missing(self, now: float) -> bool:
        """Take in that the store has no ledger, or one that is older than what is known.

        A server that has just begun to lead may tell so for a moment. Once it has been so for as long as leases last,
        the ledger is gone, and all that is known of it is forgotten.

        Returns:
            Whether it has been forgotten.
        """
        if not self.revision:
            return False
        self._missing_since = min(self._missing_since, now)
        if now < self._missing_since + LEASE * SLOWEST:
            return False
        self._accrue(now)
        self.ledger, self.revision, self._attempts = Ledger(), 0, []
        self._seen, self._asked_at, self._missing_since = {}, {}, math.inf
        self._accrue(now)
        return True

    # --- what it asks for ----------------------------------------------------------------------------------------

    def renewal(
        self, rate: float, limits: Limits, pause: float, now: float, *, at_once: bool = False
    ) -> Attempt | None:
        """Return the ledger to be stored now, if any is; from this moment on no more is used than it gives.

        Args:
            rate: How many requests a second the API allows, as far as this worker knows.
            limits: What it has told or shown, as of now.
            pause: For how many seconds it has asked for no requests, from now on.
            now: The time.
            at_once: Whether there is something to be told to the others.
        """
        if self._has_left or now < self._last_asked + _BETWEEN:
            return None
        self._accrue(now)
        mine = self.ledger.of(self.worker)
        others = self._others(now)
        rate = min(rate, self.limit(others))
        share = self._wanted_share(mine, others, rate, now)
        is_due = now >= self.ends_at - LEASE + _renewed_after(share, len(others) + 1)
        by_turns = len(others) + 1 > burst_of(rate)
        if not (at_once or is_due or mine is None or self._matters(mine, share, by_turns=by_turns)):
            return None
        self._count += 1
        share = replace(share, count=self._count)
        return self._attempt(Ledger((*others, share), limits, pause), share, now)

    def leaving(self, limits: Limits, pause: float, now: float) -> Attempt | None:
        """Use nothing any more, and return the ledger that gives up the share; None if there is none."""
        self._accrue(now)
        self._has_left = True
        if self.ledger.of(self.worker) is None:
            return None
        return self._attempt(Ledger(self._others(now), limits, pause), None, now)

    def _attempt(self, ledger: Ledger, share: Share | None, now: float) -> Attempt:
        attempt, mine = Attempt(ledger, self.revision, share), self.ledger.of(self.worker)
        # What was asked for a whole lease ago cannot bind any more: what is held was asked for before it, and is over.
        self._attempts = [each for each in self._attempts if self._asked(each) > now - LEASE]
        self._attempts.append(attempt)
        counts = {each.share.count for each in self._attempts if each.share is not None}
        counts |= set() if mine is None else {mine.count}
        self._asked_at = {count: at for count, at in self._asked_at.items() if count in counts}
        if share is not None:
            self._asked_at[share.count] = now
        self._last_asked = now
        self._accrue(now)
        return attempt

    def _asked(self, attempt: Attempt) -> float:
        return -math.inf if attempt.share is None else self._asked_at[attempt.share.count]

    def _others(self, now: float) -> tuple[Share, ...]:
        """Return the shares of others that may still be used."""
        return tuple(
            share
            for share in self.ledger.shares
            if share.worker != self.worker and now < self._seen[share.worker][1] + LEASE * SLOWEST
        )

    def limit(self, others: Sequence[Share]) -> float:
        """Return the lowest rate that was given to it or one of these."""
        given = [self.given, *(share.given for share in others)]
        return min((each for each in given if each is not None), default=UNLIMITED)

    def used_by_all(self, now: float) -> float:
        """Return how many requests a second all workers together have made of late."""
        return self._used_now(now) + sum(share.used for share in self.ledger.shares if share.worker != self.worker)

    def _used_now(self, now: float) -> float:
        return self._used * math.exp(-max(0.0, now - self._used_at) / _AVERAGED) if self._used else 0.0

    def _wish(self, now: float) -> float:
        """Return how many requests a second it would like now."""
        if now < self._short_at + _SHORT:
            return UNLIMITED
        return self._used_now(now) * _SPARE if now < self._used_at + _AVERAGED else 0.0

    @staticmethod
    def _matters(mine: Share, share: Share, *, by_turns: bool) -> bool:
        """Whether a change of a share is worth asking for before it is to be renewed anyway."""
        if abs(share.rate - mine.rate) > _CHANGED * max(share.rate, mine.rate):
            return True
        if by_turns and (share.wanted > 0.0) != (mine.wanted > 0.0):
            return True
        return share.wanted > _SPARE * max(mine.wanted, mine.rate)

    def _wanted_share(self, mine: Share | None, others: Sequence[Share], rate: float, now: float) -> Share:
        """Return what to hold from now on: its part, as far as that is free."""
        held = Share(self.worker, self._count) if mine is None else mine
        if not now < self.ends_at:
            held = replace(held, rate=0.0, burst=0.0)
        used = round(self._used_now(now), 3)
        share = replace(held, wanted=self._wish(now), used=used, given=self.given, work=self.work)
        free = rate - sum(each.rate for each in others), burst_of(rate) - sum(each.burst for each in others)
        if len(others) + 1 <= burst_of(rate):
            return self._part(share, others, rate, free)
        if held.rate:
            return self._while_holding(share, others, rate, free, now)
        return self._while_waiting(share, others, rate, free, now)

    def _part(self, share: Share, holders: Sequence[Share], rate: float, free: tuple[float, float]) -> Share:
        """Return a share with its part of the rate, where all of these hold one."""
        part = division({each.worker: each.wanted for each in (share, *holders)}, rate)[self.worker]
        spare = burst_of(rate) - len(holders) - 1
        burst = min(1.0 + max(0.0, spare) * part / rate, free[1])
        part = min(part, free[0])
        if burst < 1.0 - _NONE or part <= _NONE:
            return replace(share, rate=0.0, burst=0.0)
        return replace(share, rate=part, burst=burst)

    def _while_holding(
        self, share: Share, others: Sequence[Share], rate: float, free: tuple[float, float], now: float
    ) -> Share:
        """Return the share of one whose turn it is: the same, or none where it is over and somebody waits."""
        waiting, holding = _in_line(others), [each for each in others if each.rate]
        # It goes on until it has spent a token, which is lost otherwise.
        ends = self._began + max(_TURN * max(1.0, int(burst_of(rate)) / max(1, len(waiting))), 1.0 / rate)
        is_over = now >= ends and self._tokens < 1.0 and (self._used_at >= ends or now >= self._short_at + _SHORT)
        room = max(0, int(burst_of(rate)) - len(holding) - 1)
        if len(waiting) > room and (is_over or not share.wanted):
            return replace(share, rate=0.0, burst=0.0)
        return self._part(share, [*holding, *waiting[:room]], rate, free)

    def _while_waiting(
        self, share: Share, others: Sequence[Share], rate: float, free: tuple[float, float], now: float
    ) -> Share:
        """Return the share of one who waits for a turn: one where there is room, and nobody is before it."""
        room = int(free[1] + _NONE)
        before = [each for each in _in_line(others) if _place_in_line(each) < _place_in_line(share)]
        if len(before) >= room or not share.wanted:
            return replace(share, rate=0.0, burst=0.0)
        part = self._part(share, [each for each in others if each.rate], rate, free)
        if part.rate:
            self._began = now
            part = replace(part, turn=1 + max((each.turn for each in others), default=0))
        return part


def _renewed_after(share: Share, workers: int) -> float:
    """Return after how many seconds a share is asked for again: where there are many, they come in each other's way."""
    if not share.rate:
        return _WAITING_RENEWED_AFTER * LEASE
    return _RENEWED_AFTER * min(2.0, max(1.0, workers / _MANY))


def _place_in_line(share: Share) -> tuple[int, str]:
    return share.turn, share.worker


def _in_line(shares: Sequence[Share]) -> Sequence[Share]:
    """Return those who wait for a turn, whoever had none for longest first."""
    return sorted((share for share in shares if share.wanted and not share.rate), key=_place_in_line)
