"""One request budget for all workers that ask one origin with one token: what `_leases` says, done with a bucket.

The ledger of each origin and account is a key of the bucket ``PREFIX-budget``. A worker that cannot reach the bucket
uses its lease to its end, and then makes no request.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import os
import platform
import random
import time
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from .._client.access import budget_of, engine_of, origin_of
from .._core.budget import Budget
from .._errors import ConfigError, JobwatchError
from .._models import AsJSON
from ._bucket import Bucket, Unanswered
from ._leases import LEASE, SLOWEST, UNLIMITED, Holder, Ledger
from ._shared import Shared
from ._subjects import key_part

if TYPE_CHECKING:
    from .._client.client import Client
    from ._bucket import Entry
    from ._connection import Connection
    from ._leases import Attempt, Share

_KEPT: Final = 86_400.0
_LOOKED_AFTER: Final = 0.1  # seconds between two looks at whether there is anything to be asked for
_AGAIN_WITHIN: Final = 0.03
_MANY: Final = 8
_TOLD_LOWER: Final = 0.8  # to which part a rate has to fall for the others to be told at once
_PAUSE_TOLD: Final = 1.0
_MOST: Final = UNLIMITED / 1e4  # a share of no limit is no less among so many workers
_log = logging.getLogger("jobwatch.nats")


class WorkerShare(Struct, AsJSON, frozen=True, kw_only=True):
    """What one worker holds of a budget.

    Attributes:
        worker: Its name: the machine, the process, and a random number.
        rate: How many requests a second it may make; None for as many as the API allows.
        burst: How many of them at once; None for as many as it likes.
        max_rate: The highest rate that its user allows for all workers together; None for as many as the API does.
    """

    worker: str
    rate: float | None
    burst: float | None
    max_rate: float | None


class BudgetStanding(Struct, AsJSON, frozen=True, kw_only=True):
    """How the budget of an origin and an account there stands.

    Attributes:
        account: Whose budget it is: a checksum of the token, "renewed" where it may change by itself, "none" without a
            token, or ``name/`` and the name that was given to it.
        rate: How many requests a second all workers may make together; None for as many as the API allows.
        paused_for: For how many seconds the API has asked for no requests; 0 if it has not.
        slowed: Whether the API has told or shown that it allows less than the users do.
        workers: Who holds how much.
    """

    account: str
    rate: float | None
    paused_for: float
    slowed: bool
    workers: tuple[WorkerShare, ...]


def budget_bucket(connection: Connection) -> Bucket:
    """Return the bucket that the budgets are in."""
    return Bucket(connection, "budget", _KEPT)


def origin_key(origin: str) -> str:
    """Return the first part of the keys of an origin: its host, and a checksum of all of it."""
    host = origin.partition("://")[2] or origin
    checksum = hashlib.sha256(origin.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{key_part(host)[:80]}-{checksum[:10]}"


def budget_key(origin: str, account: str) -> str:
    """Return the key of the budget of an origin and an account there."""
    return f"{origin_key(origin)}.{account}"


def checked_account(name: str) -> str:
    """Return the account that a budget's name stands for; it is no token's.

    Raises:
        ConfigError: The name is empty or too long.
    """
    if not 1 <= len(name) <= 64:
        raise ConfigError(f"a budget's name has 1 to 64 characters, not {len(name)}")
    return f"name/{key_part(name)}"


class SharedBudget(Shared):
    """What a worker may use of the budget that it has together with others.

    Args:
        connection: Open.
        client: Whose requests are counted.
        account: Whose budget it is: what `jobwatch._client.access.account_of` says, or `checked_account`.
        work: What it works at: workers of the same can do each other's.
    """

    def __init__(self, connection: Connection, client: Client, account: str, work: str) -> None:
        self._connection = connection
        self._budget = budget_of(client)
        self._engine = engine_of(client)
        self._key = budget_key(origin_of(client), account)
        super().__init__(budget_bucket(connection), self._key, "budget")
        self._given = self._budget.max_rate
        name = f"{platform.node()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._holder = Holder(name, self._given, work)
        self._told_news = self._budget.news
        self._told_pause = 0.0
        self._lowest: float | None = self._given
        self._is_silent = False
        self._reached_at = _clock()

    async def _begin(self) -> None:
        self._budget.share = self

    async def _leave(self) -> None:
        """Give up what is held, so that others have it at once, and not when the lease is over."""
        while True:
            attempt = self._holder.leaving(self._budget.limits(self._now()), self._engine.pause_left(), _clock())
            if attempt is None or await self._put(attempt) is not None:
                return
            await self._read()

    def _left(self) -> None:
        """Let the client keep to its own limits again."""
        self._budget.share, self._budget.sent = None, 0.0
        self._budget.adopt(self._budget.limits(self._now()), self._given, self._now())

    async def _put(self, attempt: Attempt) -> int | None:
        return await self._bucket.put(self._key, msgspec.json.encode(attempt.ledger), attempt.expected)

    # --- what is used --------------------------------------------------------------------------------------------

    def spend(self) -> float:
        """Take one request out of what this worker holds; see `jobwatch._core.budget.Budget.spend`."""
        now = _clock()
        wait = self._holder.spend(now)
        if wait:
            self._changed.set()
        else:
            self._budget.sent = self._holder.used_by_all(now)
        return wait

    def room(self) -> float:
        """Return for how many jobs that are due there is use, beside those that wait for a request already."""
        now = _clock()
        if self._holder.others_can(now):
            return 0.0
        rate, burst = self._holder.usable(now)
        return 1.0 + rate + burst

    def looked(self) -> None:
        """Take in that a look was made, by which the API may have told something."""
        if self._has_news():
            self._changed.set()

    # --- what is asked for and told ------------------------------------------------------------------------------

    async def _run(self) -> None:
        connected = self._connection.times_connected
        await self._read()
        while True:
            self._changed.clear()
            if connected != self._connection.times_connected:  # what was told meanwhile is lost
                connected = self._connection.times_connected
                await self._read()
            await self._ask()
            self._check_lease()
            try:
                async with asyncio.timeout(_LOOKED_AFTER):
                    await self._changed.wait()
            except TimeoutError:
                pass
            # Who is told of a change at the same moment as all others asks at another than they do.
            within = _AGAIN_WITHIN * (1.0 + len(self._holder.ledger.shares) / _MANY)
            await asyncio.sleep(within * random.random())  # noqa: S311 - no secret

    async def _ask(self) -> None:
        now, pause, news = self._now(), self._engine.pause_left(), self._budget.news
        rate = min(self._budget.rate(now), UNLIMITED)
        attempt = self._holder.renewal(
            rate, self._budget.limits(now), pause, _clock(), at_once=self._has_news() and self._is_worth_telling(rate)
        )
        if attempt is None:
            return
        try:
            revision = await self._put(attempt)
            self._reached_at = _clock()
        except Unanswered as error:
            _log.debug("not known whether the share was stored: %s", error)
            await self._read()
            return
        self._holder.answered(attempt, revision, _clock())
        if revision is None:
            await self._read()
            return
        self._told_news, self._told_pause = news, now + pause

    async def _read(self) -> None:
        try:
            entry = await self._bucket.get(self._key)
            self._reached_at = _clock()
        except Unanswered as error:
            _log.debug("the budget was not read: %s", error)
            return
        if entry is not None and entry.revision >= self._holder.revision:
            self._told(entry)
        elif self._holder.missing(_clock()):
            _log.warning("the budget %s is gone from the bucket %s, and is begun anew", self._key, self._bucket.name)

    def _told(self, entry: Entry) -> None:
        try:
            ledger = ledger_in(entry.value)
        except JobwatchError as error:
            _log.error("no requests are made: %s (%s)", error, self._key)
            return
        has_news = self._has_news()
        if not self._holder.observe(ledger, entry.revision, _clock()):
            return
        self._heed(ledger, has_news=has_news)
        self._changed.set()

    def _heed(self, ledger: Ledger, *, has_news: bool) -> None:
        """Keep to what the others were given, told and asked for."""
        given = min((each for each in (self._given, ledger.given) if each is not None), default=None)
        now = self._now()
        self._budget.adopt(ledger.limits, given, now, has_news=has_news)
        if ledger.pause > self._engine.pause_left() + _PAUSE_TOLD:
            self._engine.pause(ledger.pause)
            self._told_pause = now + ledger.pause
        if given != self._lowest:
            if given is not None and given != self._given:
                own = "none was given here" if self._given is None else f"{self._given:g} was given here"
                _log.warning("max_rate %g of another worker holds for all workers of this API; %s", given, own)
            self._lowest = given

    def _has_news(self) -> bool:
        """Whether the API has told something here that was not told to the others yet."""
        pause_ends = self._now() + self._engine.pause_left()
        return self._budget.news != self._told_news or (
            self._engine.pause_left() > 0.0 and pause_ends > self._told_pause + _PAUSE_TOLD
        )

    def _is_worth_telling(self, rate: float) -> bool:
        """Whether that makes such a difference that others have to know at once; they are told soon in any case."""
        ledger = self._holder.ledger
        held = sum(share.rate for share in ledger.shares)
        return rate < _TOLD_LOWER * held or self._engine.pause_left() > ledger.pause + _PAUSE_TOLD

    def _check_lease(self) -> None:
        """Say once that nothing may be used, and once that it is over."""
        is_silent = _clock() > max(self._holder.ends_at, self._reached_at + LEASE)
        if is_silent != self._is_silent:
            self._is_silent = is_silent
            if is_silent:
                _log.warning("no requests are made: the bucket %s cannot be reached", self._bucket.name)
            else:
                _log.info("requests are made again: the bucket %s can be reached", self._bucket.name)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _clock() -> float:
    """Return seconds that go on while the machine is suspended, too, where the system tells."""
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if clock is None else time.clock_gettime(clock)


async def standings(connection: Connection, client: Client) -> tuple[BudgetStanding, ...]:
    """Return how the budgets of the origin that a client asks stand, one for each account; none where no worker was.

    Raises:
        JobwatchError: The server does not answer.
    """
    try:
        entries = await budget_bucket(connection).all(origin_key(origin_of(client)))
    except Unanswered as error:
        raise connection.silent(error) from None
    return tuple(standing(entry.key.partition(".")[2], ledger_in(entry.value), entry.age) for entry in entries)


def ledger_in(value: bytes) -> Ledger:
    """Return the ledger that a key holds.

    Raises:
        JobwatchError: It is none that this jobwatch can read.
    """
    try:
        return msgspec.json.decode(value, type=Ledger) if value else Ledger()
    except msgspec.DecodeError as error:
        raise JobwatchError(f"the bucket for budgets holds what this jobwatch cannot read: {error}") from None


def standing(account: str, ledger: Ledger, age: float) -> BudgetStanding:
    """Return how a budget stands.

    Args:
        account: Whose it is.
        ledger: What its key holds.
        age: How many seconds ago that was stored.
    """
    shares = ledger.shares if age < LEASE * SLOWEST else ()
    given = min((share.given for share in shares if share.given is not None), default=None)
    budget = Budget()
    budget.adopt(ledger.limits, given, 0.0)
    rate = budget.rate(min(age, _KEPT))
    return BudgetStanding(
        account=account,
        rate=None if math.isinf(rate) else rate,
        paused_for=max(0.0, ledger.pause - age),
        slowed=rate < (math.inf if given is None else given),
        workers=tuple(_share(share) for share in sorted(shares, key=lambda share: share.worker)),
    )


def _share(share: Share) -> WorkerShare:
    is_limited = share.rate < _MOST
    return WorkerShare(
        worker=share.worker,
        rate=share.rate if is_limited else None,
        burst=share.burst if is_limited else None,
        max_rate=share.given,
    )
