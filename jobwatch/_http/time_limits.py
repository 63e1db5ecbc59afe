"""How long looks may take: whoever makes one that takes longer is cancelled, and can tell that from another cancel."""

from __future__ import annotations

import asyncio


class TimeLimits:
    """The limits of the looks under way, by the tasks that make them.

    There is one timer for all of them: nearly always the first to have begun is the first to run out.
    """

    def __init__(self) -> None:
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def __contains__(self, asker: object) -> bool:
        """Whether a task's look is limited, and its time is not over."""
        return asker in self._deadlines

    def __len__(self) -> int:
        """How many looks are limited now."""
        return len(self._deadlines)

    def begin(self, task: asyncio.Task[object], seconds: float) -> float:
        """Limit the look that a task makes; return when it began, on the loop's clock.

        Args:
            task: The task, which is cancelled when the time is over.
            seconds: How long it may take from now on.
        """
        loop = task.get_loop()
        now = loop.time()
        self._deadlines[task] = deadline = now + seconds
        if self._timer is None or deadline < self._rings_at:
            self._ring_at(deadline, loop)
        return now

    def end(self, task: asyncio.Task[object], cancelling: int) -> bool:
        """End the limit on a look; return whether it had run out, and nobody else cancelled the task.

        Args:
            task: The task.
            cancelling: How often it was being cancelled, as `asyncio.Task.cancelling` says, when the look began.
        """
        if self._deadlines.pop(task, None) is not None:
            return False
        return task.uncancel() <= cancelling

    def pause(self, task: asyncio.Task[object]) -> float | None:
        """Let no time count until `begin` is called anew; return how much was left, or None where it had run out."""
        deadline = self._deadlines.pop(task, None)
        return None if deadline is None else deadline - task.get_loop().time()

    def end_all(self) -> None:
        """Cancel all whose looks are limited, as if their time were over."""
        for task in list(self._deadlines):
            del self._deadlines[task]
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_at = loop.call_at(when, self._ring, loop), when

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for task, deadline in list(self._deadlines.items()):
            if deadline <= now:
                del self._deadlines[task]
                task.cancel()
        if self._deadlines:
            self._ring_at(min(self._deadlines.values()), loop)
