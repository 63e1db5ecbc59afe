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
        self._slept: dict[Watch, tuple[float, float | None]] = {}  # for how long, and since which good look

    def since_seen(self, watch: Watch) -> float:
        """Return for how many seconds it was since a look showed the job, up to the first that missed it."""
        slept = self._clock.slept()
        if slept - self._noticed > _NOTICED:
            for each in (*self._registry.awaited.values(), *self._registry.background.values()):
                if not each.watched.missing:
                    self._slept[each] = (self._of(each) + slept - self._noticed, each.watched.looked_at)
            self._noticed = slept
        return self._of(watch)

    def forget(self, watch: Watch) -> None:
        """Forget a watch that nobody wants any more."""
        self._slept.pop(watch, None)

    def _of(self, watch: Watch) -> float:
        slept, looked_at = self._slept.get(watch, (0.0, None))
        return slept if looked_at == watch.watched.looked_at else 0.0
