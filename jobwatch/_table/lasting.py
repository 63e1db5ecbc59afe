"""What a table says of how long things last: an end before it is believed, a job after its end. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from .._models import ENDED, Fault, Job, Phase
from .._reading.periods import seconds_in, seconds_of
from .evaluation import CannotEvaluate
from .expressions import Expression
from .fields import Fields, Paths, TableError, several
from .onward import text_reader
from .paths import Compiled
from .reader import Layout
from .schema import Table

ReplyReader = Callable[[bytes, int, str, Mapping[str, str]], Job | Fault]


def stable_for_of(table: Table) -> Mapping[Phase, float]:
    """Return for how many seconds each kind of end has to stand; those that are not named, not at all."""
    if isinstance(table.stable_for, str):
        seconds = _seconds(("stable_for",), table.stable_for)
        return dict.fromkeys(ENDED, seconds) if seconds else {}
    given = {Phase(end): _seconds(("stable_for", end), text) for end, text in table.stable_for.items()}
    return {phase: seconds for phase, seconds in given.items() if seconds}


class Retention(Struct, frozen=True):
    """For how long jobs are kept after their end.

    Attributes:
        seconds: That, infinite where only replies say; None where nothing is known of it.
        read: Reads it from a body, for an id.
    """

    seconds: float | None = None
    read: Callable[[bytes, str], str | None] | None = None

    def added_to(self, read_reply: ReplyReader) -> ReplyReader:
        """Return a reader of replies that reads this, too, where replies say it."""
        read = self.read
        if read is None:
            return read_reply

        def reply(body: bytes, http_status: int, job_id: str, headers: Mapping[str, str]) -> Job | Fault:
            seen = read_reply(body, http_status, job_id, headers)
            if isinstance(seen, Fault):
                return seen
            try:
                return replace(seen, retention=_told(read(body, job_id)))
            except CannotEvaluate:
                return seen

        return reply


def retention_of(
    table: Table,
    root: Expression | None,
    given: Mapping[str, str],
    layout: Callable[[Fields, Compiled], Layout],
) -> Retention:
    """Return for how long jobs are kept after their end, as far as the table says."""
    places = retention_places(table.retention)
    if not places:
        return Retention(None if not table.retention else seconds_of(str(table.retention)))
    return Retention(math.inf, text_reader(Fields(table.params, root), "retention", places, given, layout))


def retention_places(told: Paths) -> list[str]:
    """Return the places of what may be a duration, too."""
    if isinstance(told, str):
        try:
            seconds_of(told)
        except ValueError:
            return [told]
        return []
    return several(told)


def _told(text: str | None) -> float | None:
    """Return the seconds that a reply tells: a number, a period as tables have it, or one of ISO 8601."""
    return None if text is None else seconds_in(text)


def _seconds(keys: tuple[str, ...], text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise TableError(keys, f'{error}; as in: {keys[0]} = "10s"') from None
