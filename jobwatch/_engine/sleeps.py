"""For how long the machine was suspended while nobody looked at a job: the loop's clock may stand still meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import Clock
    from .watch import Registry, Watch

_NOTICED = 1.0
"""From how many seconds on it is a suspension: two clocks are not read at the same moment."""


class Sleeps:
    """Counts, for each watch, the time for which the machine was suspended since a look showed its job.

    Args:
        clock: Tells for how long it was suspended.
        registry: Who is watched.
    """

    def __init__(self, clock: Clock, registry: Registry) -> None:
        self._clock = clock
        self._registry = registry
        self._noticed = 0.0
        self._since: dict[Watch, float] = {}

    def since_seen(self, watch: Watch) -> float:
        """Return for how many seconds it was since a look showed the job, up to the first that missed it."""
        slept = self._clock.slept()
        if slept - self._noticed > _NOTICED:
            for each in (*self._registry.awaited.values(), *self._registry.background.values()):
                if not each.watched.missing:
                    self._since[each] = self._since.get(each, 0.0) + slept - self._noticed
            self._noticed = slept
        return self._since.get(watch, 0.0)

    def forget(self, watch: Watch) -> None:
        """Begin anew, since a look has shown the job, or nobody watches it."""
        self._since.pop(watch, None)
