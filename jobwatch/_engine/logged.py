"""What is logged of looks: states at INFO by ``jobwatch.jobs``, at DEBUG by ``jobwatch.engine`` why a look is due."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .._core.hazard import PRIOR
from .._models import printable

if TYPE_CHECKING:
    from .._core.look import Looked, Policy
    from .._core.tracker import Watched

_JOBS = logging.getLogger("jobwatch.jobs")
_ENGINE = logging.getLogger("jobwatch.engine")


class LookLog:
    """Logs what looks show.

    Args:
        policy: Says when the next look is made.

    Attributes:
        explains: Whether it is logged why the next look is due. It is found out anew whenever a look shows news, and
            not at each, which would cost every look what nearly nobody wants.
    """

    def __init__(self, policy: Policy) -> None:
        self.explains = False
        self._policy = policy

    def news(self, looked: Looked) -> None:
        """Log the states that a look showed, and the end."""
        self.explains = _ENGINE.isEnabledFor(logging.DEBUG)
        if not _JOBS.isEnabledFor(logging.INFO):
            return
        job_id = printable(looked.watched.job_id)
        for each in looked.transitions:
            _JOBS.info("job %s: %s (%s)", job_id, printable(each.status), each.phase.value)
        if looked.outcome is not None:
            _JOBS.info("job %s ended: %s", job_id, looked.outcome.value)

    def next_look(self, looked: Looked, delay: float, price: float, now: float) -> None:
        """Log when the next look is due, and why.

        Args:
            looked: What the look just made gave.
            delay: After how many seconds it is due.
            price: What a request costs now beside its plain cost.
            now: The time, in Unix seconds.
        """
        why = self._trouble(looked) or self._pause(looked, delay, price) or self._pace(looked.watched, now)
        _ENGINE.debug("job %s: next look in %.1f s: %s", printable(looked.watched.job_id), delay, why)

    def _trouble(self, looked: Looked) -> str | None:
        watched = looked.watched
        if (fault := watched.fault) is not None:
            asked = "" if fault.retry_after is None else f", and the API asks for {fault.retry_after:g} s"
            looks = "1 look" if watched.faults == 1 else f"{watched.faults} looks in a row"
            return f"{looks} failed ({fault.kind.value}){asked}"
        if watched.unsettled is not None:
            return "an end that was seen has to stand for a while"
        return "what was seen is to be confirmed" if watched.is_to_be_confirmed else None

    def _pause(self, looked: Looked, delay: float, price: float) -> str | None:
        if looked.is_followed_up:
            return "the API holds it until there is news"
        if looked.least:
            return f"the API asks for {looked.least:g} s"
        if looked.watched.is_blocked:
            return "the job waits for a person"
        if price > 1.0:
            return f"requests are scarce, and one counts as {price:.1f}"
        return "a stream of events tells of news" if delay > (looked.next_look or 0.0) * 1.001 else None

    def _pace(self, watched: Watched, now: float) -> str:
        began = watched.entered_at if watched.entered_at is not None else watched.added_at
        age = 0.0 if began is None else max(0.0, now - began)
        told = f"{age:.1f} s {'known' if watched.phase is None else watched.phase.value}"
        if watched.progress is not None and 0.0 < watched.progress < 1.0:
            return f"{told}, {watched.progress:.0%} done"
        is_known = self._policy.history.curve(watched.api, watched.type, watched.phase) is not PRIOR
        return f"{told}, {'by what earlier jobs took' if is_known else 'and no earlier job is known'}"
