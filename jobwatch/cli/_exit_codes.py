"""Outcomes in, one exit code out. Pure.

Every exit code and its meaning stands in `MEANINGS`; a test compares the README and ``--help`` with it. A job that was
not read to its end never counts as a success.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import assert_never

from .._errors import AuthError, JobNotFound, LookError
from .._models import Outcome

SUCCESS = 0
USAGE = 2
OWN_FAULT = 70
BROKEN_PIPE = 141
PRECEDENCE = (1, 9, 10, 5, 8, 4, 3, 7, 6)
"""With several jobs, the exit code is the first of these that occurred."""

MEANINGS = {
    0: "all jobs succeeded",
    1: "a job failed",
    2: "usage or configuration, and nothing was asked; or the output could not be written",
    3: "the API refused the token",
    4: "the API knows no such job",
    5: "a job was cancelled",
    6: "the time limit was over first; the job goes on",
    7: "the API could not be reached, or its replies could not be read",
    8: "a job waits for a person (with --fail-on blocked); it goes on when somebody acts",
    9: "a job ended, and the API says that a part of it failed",
    10: "a job is over, and the API does not tell how it ended",
    70: "a fault of jobwatch's own",
    130: "stopped by SIGINT; the jobs go on",
    141: "the reader of the output went away before the verdict was known",
    143: "stopped by SIGTERM; the jobs go on",
}
"""What each exit code of ``jobwatch wait`` means; the other commands return some of them."""

_SIGNALLED = 128
"""What a shell adds to a signal's number to report a process that the signal ended."""


def exit_code(
    outcomes: Iterable[Outcome], *, forgiving: bool = False, accepted: Collection[Outcome] = frozenset()
) -> int:
    """Return the exit code for jobs that ended so.

    Args:
        outcomes: One for each job; without any, it is no success either.
        forgiving: Whether a job that was read to its end, whatever that is, counts as a success (``--no-fail``).
        accepted: Which other ends count as a success (``--accept``).
    """
    codes = {SUCCESS if outcome in accepted else code_of(outcome) for outcome in outcomes}
    if not codes:
        return USAGE
    if forgiving:
        codes = {SUCCESS if code in (1, 5, 9, 10) else code for code in codes}
    for code in PRECEDENCE:
        if code in codes:
            return code
    return max(codes)


def code_of(outcome: Outcome) -> int:
    """Return the exit code for one job."""
    match outcome:
        case Outcome.SUCCEEDED:
            return SUCCESS
        case Outcome.FAILED:
            return 1
        case Outcome.AUTH:
            return 3
        case Outcome.NOT_FOUND:
            return 4
        case Outcome.CANCELLED:
            return 5
        case Outcome.TIMEOUT:
            return 6
        case Outcome.UNREACHABLE | Outcome.UNREADABLE:
            return 7
        case Outcome.BLOCKED:
            return 8
        case Outcome.PARTIAL:
            return 9
        case Outcome.FINISHED:
            return 10
        case Outcome.INTERRUPTED:
            return code_of_signal(2)
        case _:
            assert_never(outcome)


def code_of_error(error: LookError) -> int:
    """Return the exit code for a single look that failed."""
    match error:
        case AuthError():
            return code_of(Outcome.AUTH)
        case JobNotFound():
            return code_of(Outcome.NOT_FOUND)
        case _:
            return code_of(Outcome.UNREACHABLE)


def code_of_signal(number: int) -> int:
    """Return the exit code for a command that a signal ended."""
    return _SIGNALLED + number
