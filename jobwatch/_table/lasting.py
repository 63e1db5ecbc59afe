"""What a table says of how long things last: an end before it is believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .._models import ENDED, Phase
from .._reading.periods import seconds_of
from .fields import TableError
from .schema import Table


def stable_for_of(table: Table) -> Mapping[Phase, float]:
    """Return for how many seconds each kind of end has to stand; those that are not named, not at all."""
    if isinstance(table.stable_for, str):
        seconds = _seconds(("stable_for",), table.stable_for)
        return dict.fromkeys(ENDED, seconds) if seconds else {}
    given = {Phase(end): _seconds(("stable_for", end), text) for end, text in table.stable_for.items()}
    return {phase: seconds for phase, seconds in given.items() if seconds}


def _seconds(keys: tuple[str, ...], text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise TableError(keys, f'{error}; as in: {keys[0]} = "10s"') from None
