"""What a job does and when, as a value: no clock in here, so that every moment can be asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import msgspec
from msgspec import Struct

from .._errors import ConfigError

Steps: TypeAlias = Sequence[str | tuple[str, float]]


class Step(Struct, frozen=True):
    """One state of a job, and the server's time in seconds at which it is entered."""

    status: str
    at: float


class Script(Struct, frozen=True):
    """The states a job passes through, in order."""

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, steps: Steps, added_at: float) -> Script:
        """Return the script that these steps make of a job that is added at this moment.

        Args:
            steps: Status words, each with the seconds after the adding at which the job enters it; a plain
                word is entered together with the step before it, the first one at once.
            added_at: The server's time in seconds.

        Raises:
            ConfigError: The steps are none, not in the order of time, or not steps.
        """
        if isinstance(steps, str) or not steps:
            raise ConfigError(f"a job needs at least one step, as in [('PENDING', 0.0)], not {steps!r}")
        made: list[Step] = []
        before = 0.0
        for step in steps:
            status, after = (step, before) if isinstance(step, str) else _pair(step)
            if after < before:
                raise ConfigError(f"step {status!r} at {after:g} s comes after one at {before:g} s: order them by time")
            made.append(Step(status, added_at + after))
            before = after
        return cls(tuple(made))

    def until(self, now: float) -> tuple[Step, ...]:
        """Return the steps entered by this moment, in seconds of the server's time."""
        return tuple(step for step in self.steps if step.at <= now)

    def next_at(self, now: float) -> float:
        """Return when the next state is entered, in seconds of the server's time, or infinity."""
        return min((step.at for step in self.steps if step.at > now), default=math.inf)

    def advanced(self, status: str, now: float) -> Script:
        """Return the script of a job that enters this state now and any further one by hand only."""
        return Script((*self.until(now), Step(status, now)))


def _pair(step: tuple[str, float]) -> tuple[str, float]:
    try:
        status, after = msgspec.convert(step, tuple[str, float])
    except msgspec.ValidationError:
        status, after = "", 0.0
    if not status or not 0.0 <= after < math.inf:
        raise ConfigError(f"{step!r} is no step: give a word and the seconds after adding, as in ('RUNNING', 0.2)")
    return status, after


def stamp(epoch: datetime, at: float) -> str:
    """Return the RFC 3339 time of a moment of the server's time, with a fraction only where there is one."""
    moment = (epoch + timedelta(seconds=at)).astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")
