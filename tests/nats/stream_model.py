"""A stream as far as the engine uses one: last sequences, schedules that fire, batches that are all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from jobwatch.nats import _rules as rules
from jobwatch.nats._rules import Message


class Stored(Struct, frozen=True):
    """One message that is in the stream."""

    seq: int
    message: Message


class StreamModel:
    """A stream with one message a subject.

    Attributes:
        last: The last sequence.
        ever: All messages that were ever stored, in order.
    """

    def __init__(self) -> None:
        self.last = 0
        self.ever: list[Stored] = []
        self._at: dict[str, Stored] = {}

    def under(self, pattern: str) -> Stored | None:
        """Return the last message that a filter finds, as the server's Get does."""
        found = [stored for subject, stored in self._at.items() if _matches(subject, pattern)]
        return max(found, key=lambda stored: stored.seq, default=None)

    def publish(self, messages: Sequence[Message]) -> tuple[int | None, int | None]:
        """Store some messages or none of them; return the error's code and number."""
        for message in messages:
            expected = message.headers.get(rules.EXPECTED)
            if expected is not None:
                stored = self.under(message.headers.get(rules.EXPECTED_WHERE, message.subject))
                if (0 if stored is None else stored.seq) != int(expected):
                    return 400, 10071
        for message in messages:
            self._store(message)
        return None, None

    def fire(self, now: float) -> None:
        """Move what is due to where it is to be found."""
        for stored in list(self._at.values()):
            at = rules.due_time(stored.message.headers)
            if at is not None and at <= now:
                del self._at[stored.message.subject]
                self._store(Message(stored.message.headers[rules.TARGET], stored.message.body, {}))

    def purge(self, pattern: str) -> None:
        """Take away what a filter finds."""
        for subject in [subject for subject in self._at if _matches(subject, pattern)]:
            del self._at[subject]

    def all(self, wanted: Callable[[str], bool]) -> list[Stored]:
        """Return the messages whose subjects are wanted, in order."""
        found = [stored for subject, stored in self._at.items() if wanted(subject)]
        return sorted(found, key=lambda stored: stored.seq)

    def _store(self, message: Message) -> None:
        self.last += 1
        self._at[message.subject] = Stored(self.last, message)
        self.ever.append(self._at[message.subject])


def _matches(subject: str, pattern: str) -> bool:
    return subject.count(".") == pattern.count(".") and fnmatchcase(subject, pattern)
