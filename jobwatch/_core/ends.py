"""Which ends of a job a wait takes for good, and what ends a wait besides."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeAlias, cast

from msgspec import Struct

from .._errors import ConfigError
from .._models import Outcome

Names: TypeAlias = "Collection[str | Outcome]"
"""Outcomes, or the words for them."""

ACCEPTABLE = (Outcome.PARTIAL, Outcome.FINISHED, Outcome.FAILED, Outcome.CANCELLED, Outcome.SUCCEEDED)
"""What can be taken for a good end; the last one always is."""

STOPPING = (Outcome.BLOCKED,)
"""What is no end of a job, and can be told to end a wait."""


class Ends(Struct, frozen=True):
    """What a wait makes of how its job stands.

    Attributes:
        accepted: The outcomes that are good.
        stops_when_blocked: Whether the wait ends once the job is known to wait for a person.
    """

    accepted: frozenset[Outcome]
    stops_when_blocked: bool


_PLAIN = Ends(frozenset({Outcome.SUCCEEDED}), stops_when_blocked=False)


def ends_of(accept: object, fail_on: object) -> Ends:
    """Return what a wait makes of how its job stands.

    Args:
        accept: Names of `ACCEPTABLE`; success is good without them.
        fail_on: Names of `STOPPING`.

    Raises:
        ConfigError: A name is none of these; it says which there are.
    """
    if accept == () and fail_on == ():
        return _PLAIN  # of nearly every wait
    accepted = outcomes_of("accept", accept, ACCEPTABLE)
    return Ends(accepted | {Outcome.SUCCEEDED}, bool(outcomes_of("fail_on", fail_on, STOPPING)))


def outcomes_of(what: str, names: object, known: Iterable[Outcome]) -> frozenset[Outcome]:
    """Return the outcomes that have some names.

    Args:
        what: What they are for, to be named in an error.
        names: Outcomes, or words for them, in any case.
        known: Which outcomes there are for that.

    Raises:
        ConfigError: A name is none of these.
    """
    by_name = {outcome.value: outcome for outcome in known}
    if isinstance(names, str) or not isinstance(names, Collection):
        example = "{" + ", ".join(f'"{name}"' for name in list(by_name)[:2]) + "}"
        raise ConfigError(f"{what} is a set of names such as {example}, and not {names!r}")
    found: set[Outcome] = set()
    for name in cast("Collection[object]", names):
        word = name.value if isinstance(name, Outcome) else name.strip().lower() if isinstance(name, str) else ""
        if word not in by_name:
            raise ConfigError(f"{what}: there is no {name!r}; there is {', '.join(by_name)}")
        found.add(by_name[word])
    return frozenset(found)
