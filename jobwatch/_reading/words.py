"""Which words mean which phase. Pure.

A word that is not known is `Phase.UNKNOWN`, shown as it came, never an end and never a success. Where an API is a
table, words are compared without regard to case, spaces, hyphens and underscores, so that ``InProgress``,
``in_progress`` and ``IN-PROGRESS`` are one word. Words that APIs use in two senses are not among the usual ones: a
``stopped`` job may have been cancelled or have come to its end, ``ok`` may be the API's and not the job's. A table
says. Where a vendor's page lists the words, only those count, and only their case does not matter. Case is that of
ASCII: a word with a letter that some alphabet folds to one of these is not known.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from .._models import Phase
from .patterns import pattern

Word: TypeAlias = str | int | float | bool

_BETWEEN = pattern(r"[\s_-]+", re.ASCII)
_ANY = "surrogatepass"  # as bytes, only the letters of ASCII have a case
_REMEMBERED = 512
_EXACT = 2**53  # below it, a float that is whole is one number, and not the nearest to several
_STATUS_LIMIT = 256  # characters; nobody's table, log or metrics label minds one of that length

_USUAL: Mapping[Phase, str] = {
    Phase.PENDING: (
        "pending queued queueing queuing waiting scheduled submitted accepted created new requested enqueued received"
        " inqueue notstarted runnable unscheduled starting initializing preparing validating blocked held onhold paused"
        " suspended deferred waitingforretry retry upforretry awaitingretry requeued null"
    ),
    Phase.RUNNING: (
        "running inprogress processing started active executing working finalizing finishing completing failing"
        " canceling cancelling stopping terminating aborting killing timingout retrying restarting rescheduling"
    ),
    Phase.BLOCKED: "waitingforapproval inputrequired authrequired actionrequired requiresaction",
    Phase.SUCCEEDED: "succeeded success successful successfully completed complete passed",
    Phase.FINISHED: "finished done ended exited",
    Phase.FAILED: (
        "failed failure error errored exception crashed timeout timedout expired rejected validationfailed"
        " abortedbyerror internalerror systemerror executorerror outofmemory upstreamfailed startupfailure"
    ),
    Phase.CANCELLED: "cancelled canceled aborted revoked killed dismissed usercancelled usercanceled",
}
USUAL_WORDS: Mapping[str, Phase] = {word: phase for phase, words in _USUAL.items() for word in words.split()}
"""Words that mean the same nearly wherever they are met; a table may give any of them another meaning."""

_OF_SEVERAL = (
    Phase.PENDING,
    Phase.RUNNING,
    Phase.BLOCKED,
    Phase.UNKNOWN,
    Phase.FAILED,
    Phase.PARTIAL,
    Phase.CANCELLED,
    Phase.FINISHED,
    Phase.SUCCEEDED,
)
"""Which phase a job is in that tells several words: the first of these."""


_WHOLE = pattern(r"(-?\d{1,15})\.0{1,15}", re.ASCII)
"""A whole number that a text spells with a fraction."""


def text_of(word: Word | None, name: str = "") -> str:
    """Return a status as text: words as they are, anything else as JSON writes it, behind the name of its field."""
    if isinstance(word, str):
        return word
    if isinstance(word, float) and word.is_integer() and abs(word) < _EXACT:
        word = int(word)  # 1.0 is 1, however it is written
    text = "null" if word is None else str(word).lower()
    return f"{name}={text}" if name and word is not None else text


def lowered(text: str) -> str:
    """Return a text in lower case, as far as its letters are ASCII: what only looks like a word is another one."""
    return text.lower() if text.isascii() else text.encode(errors=_ANY).lower().decode(errors=_ANY)


def is_same_word(one: str, other: str) -> bool:
    """Whether two words differ in the case of ASCII letters at most."""
    return one == other or (len(one) == len(other) and lowered(one) == lowered(other))


def normalized(text: str) -> str:
    """Return a word as it is compared; the hyphen of a number is its sign."""
    if text[:1] == "-" and text[1:2].isdigit():
        return text
    return lowered(_BETWEEN.sub("", text)) or text


ABSENT = "absent"
"""The word of a table for a status that is left out, and what then is shown as the status."""


def may_be_made_up(status: str) -> bool:
    """Whether a status may be one that is shown because the reply holds none."""
    return status == ABSENT or status.startswith(("no ", "HTTP "))


class Words:
    """What one API's words mean.

    Args:
        given: The words of each phase; in a table, ``absent`` stands for a status that is left out, and a word that
            ends with ``*`` for all that begin so.
        nothing: The words that say nothing, as if they were left out.
        prefix: What words begin with, and need not here.
        documented: Whether the words given are all that there are, and compared without regard to case alone.

    Attributes:
        absent: What a status means that is left out; None where it must not be.
    """

    def __init__(
        self,
        given: Mapping[Phase, Sequence[Word]],
        nothing: Sequence[Word] = (),
        prefix: str = "",
        *,
        documented: bool = False,
    ) -> None:
        self._compared = lowered if documented else normalized
        own = {self._compared(text_of(word)): phase for phase, words in given.items() for word in words}
        self.absent = own.pop(ABSENT, None)
        # The longest beginning is tried first.
        begun = sorted((word for word in own if word.endswith("*") and not documented), key=len, reverse=True)
        self._begun = [(word[:-1], own.pop(word)) for word in begun]
        self._own = own
        self._has_numbers = any(word.removeprefix("-").isdecimal() for word in own)
        self._usual: Mapping[str, Phase] = {} if documented else USUAL_WORDS
        said_nothing = {normalized(text_of(word)) for word in nothing}
        self._shown = {phase: tuple(map(text_of, words)) for phase, words in given.items() if words}
        self._nothing = {word for word in said_nothing if not word.endswith("*")}
        self._begins_nothing = tuple(word[:-1] for word in said_nothing if word.endswith("*"))
        self._prefix = normalized(prefix)
        self._seen: dict[str, tuple[str, Phase]] = {}

    def stated(self) -> Words:
        """Return the same words for a body in which a status that is left out means nothing."""
        from copy import copy  # noqa: PLC0415 - for a table that says so; it takes time to import

        words = copy(self)
        words.absent = None
        return words

    def says_nothing(self, word: Word | list[Word | None]) -> bool:
        """Whether a status is as good as none."""
        if isinstance(word, list) or not (self._nothing or self._begins_nothing):
            return False
        compared = normalized(text_of(word))
        return compared in self._nothing or compared.startswith(self._begins_nothing)

    def of(self, phase: Phase) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the words that mean a phase: those that were given, as they were, and the usual ones beside them."""
        usual = (word for word, meaning in self._usual.items() if meaning is phase and self._given(word) is None)
        return self._shown.get(phase, ()), tuple(usual)

    def is_given(self, word: Word | list[Word | None]) -> bool:
        """Whether the meaning of a status was given, and is no usual one; of a list, that of all its words."""
        words = word if isinstance(word, list) else [word]
        return all(self._given(self._compared(text_of(each))) is not None for each in words)

    def meaning(self, word: Word | list[Word | None] | None, name: str = "") -> tuple[str, Phase]:
        """Return a status as it is shown, and what it means.

        Args:
            word: The status as it came.
            name: The name of its field, which a status that is no word is shown with.
        """
        if isinstance(word, str):
            known = self._seen.get(word)
            if known is None:
                known = _label(word), self._known(word) or Phase.UNKNOWN
                if len(self._seen) < _REMEMBERED and len(word) <= _STATUS_LIMIT:
                    self._seen[word] = known
            return known
        if isinstance(word, list):
            return self._meaning_of_all(word, name)
        shown = text_of(word, name)
        # With its name it is known as a whole only: what the field is called begins like a word by chance.
        as_shown = self._exact(self._compared(shown)) if name else None
        return _label(shown), as_shown or self._known(text_of(word)) or Phase.UNKNOWN

    def _known(self, word: str) -> Phase | None:
        word = self._compared(word)
        return self._given(word) or next(filter(None, map(self._usual.get, self._forms(word))), None)

    def _given(self, word: str) -> Phase | None:
        """Return what a word means by what was given: as it is, or as it begins."""
        exact = self._exact(word)
        if exact is not None or not self._begun:
            return exact
        forms = self._forms(word)
        return next((phase for begin, phase in self._begun if any(form.startswith(begin) for form in forms)), None)

    def _exact(self, word: str) -> Phase | None:
        found = next(filter(None, map(self._own.get, self._forms(word))), None)
        if found is None and self._has_numbers and (whole := _WHOLE.fullmatch(word)) is not None:
            found = self._own.get(whole[1])
        return found

    def _forms(self, word: str) -> tuple[str, ...]:
        """Return a word with and without what all words begin with."""
        prefix = self._prefix
        return (word, word.removeprefix(prefix)) if prefix and word.startswith(prefix) else (word,)

    def _meaning_of_all(self, words: Sequence[Word | None], name: str) -> tuple[str, Phase]:
        """Return a status that came as a list as it is shown, and what it means.

        A job goes on as long as one of its words says so, and it has ended only if all of them are known.
        """
        read = [self.meaning(word, name) for word in words]
        phases = {phase for _, phase in read}
        phase = next((phase for phase in _OF_SEVERAL if phase in phases), Phase.UNKNOWN)
        return _label("+".join(text for text, _ in read)), phase


def _label(status: str) -> str:
    """Return a status word cut to its limit, and one and the same object for equal words: a million jobs have few."""
    return sys.intern(status[:_STATUS_LIMIT])


def documented(pending: Sequence[Word], running: Sequence[Word]) -> Words:
    """Return the words of a vendor whose page lists them: those given, and the ends, however the vendor spells them."""
    ends: Mapping[Phase, Sequence[Word]] = {
        Phase.SUCCEEDED: ("completed", "succeeded"),
        Phase.FAILED: ("failed", "error"),
        Phase.CANCELLED: ("canceled", "cancelled"),
    }
    return Words({**ends, Phase.PENDING: pending, Phase.RUNNING: running}, documented=True)
