"""The rules of a shared budget against a model of its store: workers, clocks and messages in random order.

``python -m tests.nats.leases_model --seeds 2000`` and ``python -m tests.nats.leases_model --planted``

Workers join, leave, die, stand still and hear nothing; requests to the store and its answers take their time or are
lost, and so is what it tells of new ledgers; each worker has a clock of its own, which goes up to 5 % too fast or too
slow. Some workers have more to do than they may, some a little, some nothing, and that changes.

A bucket at the API lets no more requests in than the rate and the burst allow, over any stretch of time: a request that
finds it empty is wrong. Each world ends with a while in which nothing more goes wrong; by its end the whole rate has to
be used, and each worker that has something to do has to have had its part.
"""

from __future__ import annotations

import heapq
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from jobwatch._core.budget import Limits, burst_of
from jobwatch.nats import _leases as leases
from jobwatch.nats._leases import LEASE, SLOWEST, Attempt, Holder, Ledger, Share

from .interleavings import Wrong, main

SKEW = 0.05
STORMY = 30.0
CALM = 16.0
TICK = 0.02
GRACE = LEASE * SLOWEST + 1.0
"""For how many seconds more may be used than a lower rate allows that has just been given."""

RATES = (0.4, 2.0, 5.0, 20.0, 90.0)


class Worker(Struct, eq=False):
    """One worker: what it knows, how its clock goes, and what it has to do."""

    name: str
    holder: Holder
    offset: float
    speed: float
    busy: float
    stands_until: float = 0.0
    deaf_until: float = 0.0
    cut_until: float = 0.0
    is_dead: bool = False
    asked: Attempt | None = None
    answer_by: float = 0.0
    sent: int = 0

    def now(self, real: float) -> float:
        """Return what its clock shows."""
        return self.offset + self.speed * real


class World:
    """One interleaving.

    Args:
        seed: Which one.
        bug: What is wrong with how the store is used; see `BUGS`.

    Attributes:
        met: How often each of the things came about that the rules are for.
    """

    def __init__(self, seed: int, bug: str = "") -> None:
        self.rng = random.Random(seed)
        self.bug = bug
        self.real = 0.0
        self.rate = self.rng.choice(RATES)
        self.ledger, self.revision = Ledger(), 0
        self.workers: list[Worker] = []
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = 0
        self.is_calm = False
        self.level, self.level_at = burst_of(self.rate), 0.0
        self.limits: list[tuple[float, float]] = []  # when each rate was over, and which
        self.met: Counter[str] = Counter()
        for _ in range(self.rng.randrange(1, 6)):
            self.join()

    # --- what may happen ---------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let everything happen, then let all come to rest, and check."""
        self._go_on(STORMY)
        self.is_calm = True
        for worker in self.workers:
            worker.stands_until = worker.deaf_until = worker.cut_until = 0.0
        for worker in self._alive():
            worker.busy = self.rng.choice((0.0, 1.0, 1.0))
        self._go_on(CALM / 2.0)
        # The first half lets everything come back; what is used in the second is what counts.
        sent = {worker.name: worker.sent for worker in self._alive()}
        self._go_on(self._long())
        self._check_use(sent)

    def _long(self) -> float:
        """Return how long it takes until everybody has had a turn, and some more."""
        rate = min((worker.holder.given or 0.0 for worker in self._alive()), default=self.rate)
        return max(CALM, 3.0 * (len(self._alive()) + 1) * max(2.0, 1.0 / rate))

    def _go_on(self, seconds: float) -> None:
        until = self.real + seconds
        while self.real < until:
            self.real += TICK * self.rng.uniform(0.5, 1.5)
            while self.events and self.events[0][0] <= self.real:
                heapq.heappop(self.events)[2]()
            if not self.is_calm:
                self.upset()
            for worker in self.rng.sample(self.workers, len(self.workers)):
                if not worker.is_dead and self.real >= worker.stands_until:
                    self.step(worker)

    def upset(self) -> None:
        """Have something happen, now and then."""
        chance = self.rng.random()
        alive = self._alive()
        if chance < 0.004 and len(alive) < 7:
            self.join()
        elif not alive:
            return
        elif chance < 0.007:
            self.rng.choice(alive).is_dead = True
            self.met["died"] += 1
        elif chance < 0.012:
            self.rng.choice(alive).stands_until = self.real + self.rng.choice((0.5, 3.0, 6.0, 12.0))
            self.met["stood still"] += 1
        elif chance < 0.017:
            self.rng.choice(alive).deaf_until = self.real + self.rng.choice((0.5, 3.0, 6.0))
            self.met["heard nothing"] += 1
        elif chance < 0.020:  # but answers under way come through
            self.rng.choice(alive).cut_until = self.real + self.rng.choice((3.0, 6.0, 9.0))
            self.met["was cut off"] += 1
        elif chance < 0.022:
            self.leave(self.rng.choice(alive))
        elif chance < 0.038:
            self.rng.choice(alive).busy = self.rng.choice((0.0, 0.2, 1.0, 1.0))

    def join(self) -> None:
        name = f"w{len(self.workers)}"
        given = self.rate * self.rng.choice((1.0, 1.0, 1.0, 0.5, 2.0, 50.0))
        worker = Worker(
            name,
            Holder(name, given),
            offset=self.rng.uniform(-1e4, 1e4),
            speed=1.0 + self.rng.uniform(-SKEW, SKEW),
            busy=self.rng.choice((0.0, 0.2, 1.0, 1.0)),
        )
        self.workers.append(worker)
        self.read(worker)
        self.met["joined"] += 1

    def leave(self, worker: Worker) -> None:
        attempt = worker.holder.leaving(Limits(), 0.0, worker.now(self.real))
        worker.is_dead = True
        self.met["left"] += 1
        if attempt is not None:
            self._send(worker, attempt)

    def step(self, worker: Worker) -> None:
        now = worker.now(self.real)
        wanted = worker.busy and (worker.busy == 1.0 or self.rng.random() < worker.busy * self.rate * TICK)
        while wanted and not worker.holder.spend(now):
            self.arrive(worker)
            wanted = worker.busy == 1.0
        if worker.asked is not None:
            if self.real < worker.answer_by:
                return
            if self.bug == "no answer counts as refused":
                worker.holder.answered(worker.asked, None, now)
            if self.bug == "no answer counts as stored":
                worker.holder.answered(worker.asked, worker.asked.expected + 1, now)
            worker.asked = None
        attempt = worker.holder.renewal(leases.UNLIMITED, Limits(), 0.0, now)
        if attempt is not None:
            worker.asked, worker.answer_by = attempt, self.real + 0.5
            self._send(worker, attempt)
        elif self.rng.random() < 0.01:
            self.read(worker)

    # --- the store ---------------------------------------------------------------------------------------------------

    def _later(self, do: Callable[[], None]) -> None:
        seconds = self.rng.uniform(0.001, 0.02)
        if not self.is_calm and self.rng.random() < 0.08:
            seconds = self.rng.choice((0.3, 2.0, 5.0))
        self.number += 1
        heapq.heappush(self.events, (self.real + seconds, self.number, do))

    def _is_lost(self) -> bool:
        return not self.is_calm and self.rng.random() < 0.06

    def _send(self, worker: Worker, attempt: Attempt) -> None:
        if self._is_lost() or self.real < worker.cut_until:
            self.met["a request was lost"] += 1
            return
        self._later(lambda: self._store(worker, attempt))

    def _store(self, worker: Worker, attempt: Attempt) -> None:
        is_first = attempt.expected == self.revision or self.bug == "whoever is last is stored"
        if is_first:
            self._follow(attempt.ledger)
            self.ledger = attempt.ledger
            self.revision += self.rng.randrange(1, 4)
            self.met["stored"] += 1
            for each in self.workers:
                if not self._is_lost():
                    self.read(each)
        else:
            self.met["refused"] += 1
        revision = self.revision if is_first else None
        if self._is_lost():
            self.met["an answer was lost"] += 1
            return
        self._later(lambda: self._answered(worker, attempt, revision))

    def _answered(self, worker: Worker, attempt: Attempt, revision: int | None) -> None:
        self._when_awake(worker, lambda: self._take_answer(worker, attempt, revision))

    def _take_answer(self, worker: Worker, attempt: Attempt, revision: int | None) -> None:
        worker.holder.answered(attempt, revision, worker.now(self.real))
        worker.asked = None
        if revision is None:
            self.read(worker)

    def read(self, worker: Worker) -> None:
        """Have a worker read the ledger as it is now."""
        ledger, revision = self.ledger, self.revision
        if self.real < worker.cut_until:
            return
        self._later(
            lambda: self._when_awake(
                worker, lambda: (worker.holder.observe(ledger, revision, worker.now(self.real)), None)[1]
            )
        )

    def _when_awake(self, worker: Worker, do: Callable[[], None]) -> None:
        """Do it once the worker goes on and hears again; some of what is told in the meantime is lost."""
        until = max(worker.stands_until, worker.deaf_until)
        if worker.is_dead or (self.real < worker.deaf_until and self.rng.random() < 0.5):
            return
        if self.real < until:
            self.number += 1
            heapq.heappush(self.events, (until + 1e-6, self.number, lambda: self._when_awake(worker, do)))
            return
        do()

    # --- what has to hold --------------------------------------------------------------------------------------------

    def _alive(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.is_dead]

    def arrive(self, worker: Worker) -> None:
        """Count a request at the API."""
        worker.sent += 1
        # The tokens of a clock that goes too fast come too fast.
        rate = self._highest(GRACE)
        made = rate * (1.0 + SKEW) * (self.real - self.level_at)
        self.level, self.level_at = min(burst_of(rate), self.level + made), self.real
        if self.level < 1.0 - 1e-6:
            raise Wrong(f"{worker.name} at {self.real:.2f} s: more than {rate:g} a second and a burst")
        self.level -= 1.0
        self.met["sent"] += 1

    def _highest(self, grace: float) -> float:
        """Return the rate that holds, or held until a moment ago: who was given more gives back at his next renewal."""
        return max([limit for until, limit in self.limits if until + grace >= self.real], default=self.rate)

    def _follow(self, ledger: Ledger) -> None:
        given = ledger.given or 0.0
        if given:
            before = min((share.given or 0.0 for share in self.ledger.shares), default=given)
            if given < before:
                self.met["a lower rate was given"] += 1
            self.limits = [(min(until, self.real), limit) for until, limit in self.limits]
            self.limits.append((math.inf, given))
        highest = self._highest(GRACE)
        usable = {each.name: each.holder.usable(each.now(self.real)) for each in self._alive()}
        if sum(rate for rate, _ in usable.values()) > highest * (1.0 + 1e-6):
            raise Wrong(f"at {self.real:.2f} s more than {highest:g} a second may be used: {usable}")
        if sum(burst for _, burst in usable.values()) > burst_of(highest) * (1.0 + 1e-6):
            raise Wrong(f"at {self.real:.2f} s more than the burst may be used: {usable}")

    def _check_use(self, sent: Mapping[str, int]) -> None:
        alive = self._alive()
        busy = [worker for worker in alive if worker.busy]
        used = {worker.name: worker.sent - sent[worker.name] for worker in busy}
        if not busy:
            return
        lowest = min(worker.holder.given or 0.0 for worker in alive)
        whole = self._long() * lowest
        if sum(used.values()) > (1.0 + SKEW) * whole + burst_of(lowest):
            raise Wrong(f"{sum(used.values())} requests were made at {lowest:g} a second: {used}")
        # A step of the model may come a whole tick after a token has, which is lost where the burst is one.
        if sum(used.values()) < 0.7 * whole - 2.0:
            raise Wrong(f"{sum(used.values())} of {whole:.0f} requests were made: {used}")
        if min(used.values()) < 0.4 * whole / len(busy) - 2.0:
            raise Wrong(f"one had less than its part of {whole:.0f}: {used}")
        if not min(used.values()):
            raise Wrong(f"one had nothing: {used}")
        named = {share.worker for share in self.ledger.shares}
        if named != {worker.name for worker in alive}:
            raise Wrong(f"in the ledger are {sorted(named)}")
        self.met["several were busy"] += len(busy) > 1


# --- planted bugs ----------------------------------------------------------------------------------------------------

_observe, _answered, _usable = Holder.observe, Holder.answered, Holder.usable
_part, _accrue = Holder._part, Holder._accrue


def _counted_from_the_answer(self: Holder, attempt: Attempt, revision: int | None, now: float) -> None:
    if revision is not None and attempt.share is not None:
        self._asked_at[attempt.share.count] = now
    _answered(self, attempt, revision, now)


def _more_at_once(self: Holder, now: float) -> tuple[float, float]:
    rate, burst = _usable(self, now)
    asked = [attempt.share for attempt in self._attempts if attempt.share is not None]
    return (asked[-1].rate, asked[-1].burst) if asked and rate else (rate, burst)


def _less_once_known(self: Holder, now: float) -> tuple[float, float]:
    share = self.ledger.of(self.worker)
    return (0.0, 0.0) if share is None or not now < self.ends_at else (share.rate, share.burst)


def _for_ever(self: Holder, now: float) -> tuple[float, float]:
    share = self.ledger.of(self.worker)
    return (0.0, 0.0) if share is None or not _usable(self, self._at)[0] else (share.rate, share.burst)


def _seen_by_the_first_count(self: Holder, ledger: Ledger, revision: int, now: float) -> bool:
    before = dict(self._seen)
    is_new = _observe(self, ledger, revision, now)
    for worker, (count, _) in list(self._seen.items()):
        if worker in before:
            self._seen[worker] = (count, before[worker][1])
    return is_new


def _older_ones_too(self: Holder, ledger: Ledger, revision: int, now: float) -> bool:
    self.revision = min(self.revision, revision - 1)
    return _observe(self, ledger, revision, now)


def _takes_its_part(
    self: Holder, share: Share, holders: tuple[Share, ...], rate: float, free: tuple[float, float]
) -> Share:
    return _part(self, share, holders, rate, (rate, free[1]))


def _takes_the_burst(
    self: Holder, share: Share, holders: tuple[Share, ...], rate: float, free: tuple[float, float]
) -> Share:
    part = _part(self, share, holders, rate, (free[0], burst_of(rate)))
    return replace(part, burst=burst_of(rate)) if part.rate else part


def _full_at_once(self: Holder, ledger: Ledger, revision: int, now: float) -> bool:
    before = self.usable(now)[0]
    is_new = _observe(self, ledger, revision, now)
    if not before:
        self._tokens = self.usable(now)[1]
    return is_new


def _kept_over_the_gap(self: Holder, now: float) -> None:
    tokens, at = self._tokens, self._at
    _accrue(self, now)
    if not self.usable(now)[0]:
        self._tokens, self._at = tokens, at if tokens else self._at


def _never_gone(self: Holder, now: float) -> tuple[Share, ...]:
    return tuple(share for share in self.ledger.shares if share.worker != self.worker)


def _gone_too_soon(self: Holder, now: float) -> tuple[Share, ...]:
    return tuple(each for each in _never_gone(self, now) if now < self._seen[each.worker][1] + 0.9 * LEASE)


def _equal_parts(wanted: Mapping[str, float], rate: float) -> Mapping[str, float]:
    return dict.fromkeys(wanted, rate / len(wanted))


def _the_greatest_first(wanted: Mapping[str, float], rate: float) -> Mapping[str, float]:
    parts, left = {}, rate
    for worker in sorted(wanted, key=lambda each: (-wanted[each], each)):
        parts[worker] = min(wanted[worker], left)
        left -= parts[worker]
    return parts


def _own_limit(self: Holder, others: tuple[Share, ...]) -> float:
    return leases.UNLIMITED if self.given is None else self.given


BUGS: Mapping[str, tuple[object, str, object] | None] = {
    "a lease is counted from the answer": (Holder, "answered", _counted_from_the_answer),
    "more is used before it is known to be had": (Holder, "usable", _more_at_once),
    "less is used only once that is known": (Holder, "usable", _less_once_known),
    "a lease never ends": (Holder, "usable", _for_ever),
    "a renewal is not seen": (Holder, "observe", _seen_by_the_first_count),
    "an older ledger is taken for a newer one": (Holder, "observe", _older_ones_too),
    "the part of the rate is taken, free or not": (Holder, "_part", _takes_its_part),
    "everybody has the whole burst": (Holder, "_part", _takes_the_burst),
    "a new share comes with its burst": (Holder, "observe", _full_at_once),
    "tokens are made without a lease": (Holder, "_accrue", _kept_over_the_gap),
    "a turn is never over": (leases, "_TURN", 1e9),
    "the dead keep what they had": (Holder, "_others", _never_gone),
    "what others hold is taken before its end": (Holder, "_others", _gone_too_soon),
    "all get the same, whatever they want": (leases, "division", _equal_parts),
    "who wants most is served first": (leases, "division", _the_greatest_first),
    "each keeps to the rate that it was given": (Holder, "limit", _own_limit),
    "whoever is last is stored": None,
    "no answer counts as refused": None,
    "no answer counts as stored": None,
}


def violation(seed: int, bug: str = "") -> str | None:
    """Run one interleaving, and return what did not hold in it."""
    planted = BUGS.get(bug)
    right = None if planted is None else getattr(planted[0], planted[1])
    try:
        if planted is not None:
            setattr(planted[0], planted[1], planted[2])
        World(seed, bug).run()
    except Wrong as wrong:
        return str(wrong)
    finally:
        if planted is not None:
            setattr(planted[0], planted[1], right)
    return None


if __name__ == "__main__":
    sys.exit(main(__doc__, violation, BUGS, 500))
