"""When the rivals look: the default polling policies of ten widely used clients, re-stated from their sources.

A rival sends a look, reads the reply a round trip later, then sleeps; some sleep before the first look. Time-outs,
retries and server hints are left out: the jobs of a benchmark all end, and nothing fails.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import count, repeat
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["fixed", "linear", "backoff"]

ROUND_TRIP = 0.1
"""Seconds between sending a look and reading its reply, during which a rival does not sleep yet."""

SCHEDULES = 64
"""How many schedules of a policy with dice are drawn; jobs take them in turn."""


class Policy(NamedTuple):
    """When one rival looks.

    Attributes:
        name: The rival and its version.
        kind: How its intervals grow.
        source: Where the policy is written, within the rival's own source.
        sleeps_first: Whether it sleeps before its first look.
        intervals: How long it sleeps, in seconds, time after time; takes the dice.
    """

    name: str
    kind: Kind
    source: str
    sleeps_first: bool
    intervals: Callable[[random.Random], Iterator[float]]


class Seen(NamedTuple):
    """What one wait cost: how many looks, and how many seconds after the job's end the last of them was sent."""

    looks: int
    delay: float


class Schedule:
    """The ages at which one run of a policy looks, drawn as far as they are asked for."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        intervals = policy.intervals(rng)
        self._intervals = intervals
        self._ages = [next(intervals) if policy.sleeps_first else 0.0]

    def wait(self, seconds: float) -> Seen:
        """Wait for a job.

        Args:
            seconds: How long the job takes.

        Returns:
            What the wait cost.
        """
        ages = self._ages
        while ages[-1] < seconds:
            ages.append(ages[-1] + ROUND_TRIP + next(self._intervals))
        last = bisect_left(ages, seconds)
        return Seen(last + 1, ages[last] - seconds)


class EvenSchedule:
    """The same for intervals that never change: reckoned, not drawn, since some take 10 looks a second for days."""

    def __init__(self, policy: Policy) -> None:
        interval = next(policy.intervals(random.Random(0)))
        self._first = interval if policy.sleeps_first else 0.0
        self._period = interval + ROUND_TRIP

    def wait(self, seconds: float) -> Seen:
        """Wait for a job, as `Schedule.wait` does."""
        last = max(0, math.ceil((seconds - self._first) / self._period))
        return Seen(last + 1, max(0.0, self._first + last * self._period - seconds))


def schedules(policy: Policy, seed: int) -> list[Schedule] | list[EvenSchedule]:
    """Return the schedules that a policy's waits take in turn.

    Args:
        policy: The rival's policy.
        seed: The same seed gives the same schedules.
    """
    if policy.kind == "fixed":
        return [EvenSchedule(policy)]
    return [Schedule(policy, random.Random(f"{policy.name} {seed} {number}")) for number in range(SCHEDULES)]


def _fixed(seconds: float) -> Callable[[random.Random], Iterator[float]]:
    return lambda _rng: repeat(seconds)


def _smithy(rng: random.Random) -> Iterator[float]:
    ceiling = math.log(120 / 2) / math.log(2) + 1
    for attempt in count(1):
        yield rng.randint(2, 120 if attempt > ceiling else 2 * 2 ** (attempt - 1))


def _google(rng: random.Random) -> Iterator[float]:
    most = 1.0
    while True:
        yield rng.uniform(0.0, most)
        most = min(most * 2.0, 60.0)


def _databricks(rng: random.Random) -> Iterator[float]:
    for attempt in count(1):
        yield min(attempt, 10) + rng.random()


def _gcloud(rng: random.Random) -> Iterator[float]:
    yield 1.0
    wait = 2.0
    while True:
        yield min(wait + rng.random(), 180.0)
        wait = min(wait * 1.4, 180.0)


POLICIES = (
    Policy("azure-core 1.41.0 AsyncLROBasePolling", "fixed", "polling/async_base_polling.py", False, _fixed(30.0)),
    Policy("botocore 1.44.5 waiter (the commonest, 15 s)", "fixed", "waiter.py", False, _fixed(15.0)),
    Policy("gh run watch @44ee177", "fixed", "pkg/cmd/run/watch/watch.go", False, _fixed(3.0)),
    Policy("openai 3.54.0 create_and_poll", "fixed", "resources/videos.py", False, _fixed(1.0)),
    Policy("replicate 1.0.7 async_wait", "fixed", "prediction.py", True, _fixed(0.5)),
    Policy("fal-client 1.0.3 subscribe", "fixed", "client.py", False, _fixed(0.1)),
    Policy("databricks-sdk 0.162.0 Wait", "linear", "service/jobs.py", False, _databricks),
    Policy("google-api-core 2.44.0 AsyncOperation", "backoff", "operation_async.py", False, _google),
    Policy("Smithy 2.0 waiter", "backoff", "additional-specs/waiters.rst", False, _smithy),
    Policy("gcloud 556.0.0 WaitFor", "backoff", "api_lib/util/waiter.py", True, _gcloud),
)
"""The ten rivals."""
