"""Outcomes in, one exit code out. Pure.

Every exit code and its meaning stands in `MEANINGS`; a test compares the README and ``--help`` with it. A job that was
not read to its end never counts as a success.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from msgspec import Struct

from .._errors import AuthError, ConfigError, JobNotFound, LookError
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

_READ_TO_ITS_END = (1, 5, 9, 10)
_LARGEST = 255
_NAMES = {outcome.value: outcome for outcome in Outcome if outcome is not Outcome.INTERRUPTED}
"""What can be given another code: not a signal, whose code tells the shell that it was one."""

_SIGNALLED = 128
"""What a shell adds to a signal's number to report a process that the signal ended."""


class Verdict(Struct, frozen=True):
    """What the command makes of how jobs ended.

    Attributes:
        forgiving: Whether a job that was read to its end, whatever that is, counts as a success (``--no-fail``).
        accepted: Which other ends count as a success (``--accept``).
        codes: The codes of those ends that have others than usual (``--exit-code``); these go before the other two.
        one_is_enough: Whether one success makes the others not matter (``--any``).
    """

    forgiving: bool = False
    accepted: frozenset[Outcome] = frozenset()
    codes: Mapping[Outcome, int] = {}
    one_is_enough: bool = False

    def is_good(self, outcome: Outcome) -> bool:
        """Whether an end counts as a success."""
        return self.code_of(outcome) == SUCCESS

    def code_of(self, outcome: Outcome) -> int:
        """Return the exit code for one job that ended so."""
        if outcome in self.codes:
            return self.codes[outcome]
        code = code_of(outcome)
        return SUCCESS if outcome in self.accepted or (self.forgiving and code in _READ_TO_ITS_END) else code

    def exit_code(self, outcomes: Iterable[Outcome]) -> int:
        """Return the exit code for jobs that ended so: that of the gravest, and whatever code it is given.

        Args:
            outcomes: One for each job; without any, it is no success either.
        """
        all_of_them = list(outcomes)
        if not all_of_them:
            return USAGE
        bad = [outcome for outcome in all_of_them if not self.is_good(outcome)]
        if not bad or (self.one_is_enough and len(bad) < len(all_of_them)):
            return SUCCESS
        return self.code_of(min(bad, key=gravity))


def gravity(outcome: Outcome) -> int:
    """Return where an end stands in `PRECEDENCE`, then a signal, then success: the smaller, the graver."""
    order = (*PRECEDENCE, code_of(Outcome.INTERRUPTED), SUCCESS)
    return order.index(code_of(outcome))


def codes_of(options: Iterable[str]) -> dict[Outcome, int]:
    """Read what ``--exit-code`` says, such as ``timeout=75``.

    Raises:
        ConfigError: One is not of that form, names no outcome, or is no exit code; or an outcome has two.
    """
    codes: dict[Outcome, int] = {}
    for text in options:
        name, equals, number = text.partition("=")
        word = name.strip().casefold()
        if not equals or word not in _NAMES:
            raise ConfigError(
                f"--exit-code takes END=CODE, such as timeout=75, not {text!r}; ends: {', '.join(_NAMES)}"
            )
        code = number.strip()
        if not (code.isascii() and code.isdigit() and len(code) <= len(str(_LARGEST)) and int(code) <= _LARGEST):
            raise ConfigError(f"--exit-code {word}={number}: an exit code is a whole number from 0 to {_LARGEST}")
        if codes.setdefault(_NAMES[word], int(code)) != int(code):
            raise ConfigError(f"--exit-code gives {word} two codes")
    return codes


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
