"""A fixed-window rate limit, as https://docs.bedrock.cv/api-reference/rate-limits.md describes it; time goes in."""

from __future__ import annotations

import math

from msgspec import Struct

from .._errors import ConfigError


class Quota(Struct, frozen=True):
    """What one request found: whether it is allowed, what is left, and when the window ends (server's time, s)."""

    allowed: bool
    limit: int
    remaining: int
    resets_at: float


class RateLimit:
    """So many requests a window."""

    def __init__(self, limit: int, window: float) -> None:
        if limit < 1 or not 0.0 < window < math.inf:
            raise ConfigError(
                f"rate_limit=({limit}, {window}) allows nothing: give (requests, seconds), both above zero"
            )
        self._limit = limit
        self._window = window
        self._used = 0
        self._ends = 0.0

    def take(self, now: float) -> Quota:
        """Count one request made at this moment and say what it found."""
        if now >= self._ends:
            self._used = 0
            self._ends = (math.floor(now / self._window) + 1) * self._window
        self._used += 1
        left = max(0, self._limit - self._used)
        return Quota(self._used <= self._limit, self._limit, left, self._ends)
