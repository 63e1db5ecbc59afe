"""What a table wants of a body, key by key, gathered into a plan, and the readers that come of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from jobwatch._models import Phase
from jobwatch._reading.bodies import Steps

from .conditions import Condition, Test, tests_in
from .paths import NUMBER, PART, TEXT, WORD, Chosen, Compiled, Kind, Path, Plan, needs_id, path_of
from .reader import EventExtractors, Extractor, Extractors, Progress

Paths: TypeAlias = str | list[str]
"""One path, or several of which the first that holds a value wins."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
DECIDED = {
    f"{phase.value}_if": phase
    for phase in (Phase.CANCELLED, Phase.FAILED, Phase.SUCCEEDED, Phase.RUNNING, Phase.PENDING)
}
"""The keys of the conditions that decide a job's phase, the first that holds before the others."""


TEXTS = {"type": "type", "project": "project_id"}
"""The keys of texts, and what `Job` calls them."""

TIMES_OF_JOB = ("created_at", "started_at", "ended_at", "updated_at")


class EventTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a history lies, and where each of its entries holds the status and the time.

    Attributes:
        path: The list.
        status: The status in an entry.
        at: The time in an entry.
        request: The path and query of a request of its own for the history, where the job does not.
    """

    status: Paths
    path: str = ""
    at: Paths = []
    request: str | None = None


class TableError(Exception):
    """A table is wrong, at one of its keys."""

    def __init__(self, keys: Sequence[str], trouble: str) -> None:
        self.keys = tuple(keys)
        self.trouble = trouble
        super().__init__(f"{'.'.join(keys)}: {trouble}" if keys else trouble)


def several(paths: Paths) -> list[str]:
    """Return the paths of a key that may have one or several."""
    return [paths] if isinstance(paths, str) else paths


def checked_path(keys: tuple[str, ...], text: str) -> Path:
    """Read a path; where it is none, the error names the key."""
    try:
        path = path_of(text)
    except ValueError as error:
        raise TableError(keys, str(error)) from None
    if needs_id(path) and keys != ("root",):
        raise TableError(keys, "only root may lead through {job_id}: say there where the job lies")
    return path


def plain_path(keys: tuple[str, ...], text: str) -> Steps:
    """Read a path of keys and list indexes alone."""
    path = checked_path(keys, text)
    plain = tuple(step for step in path if not isinstance(step, Chosen))
    if len(plain) < len(path):
        raise TableError(keys, f"{text!r} chooses an item: write its place in the list, such as [0]")
    return plain


def list_of(kind: Kind) -> Kind:
    """Return the type of a list, or null."""
    return list[kind] | None


class Fields:
    """The fields that a table names, wanted of a plan, by the table's keys."""

    def __init__(self, plan: Plan, root: Path = ()) -> None:
        self._plan = plan
        self._root = root
        self._wanted: dict[str, list[tuple[str, int]]] = {}
        self._progress: list[tuple[int, int | float]] = []
        self._conditions: dict[str, list[list[tuple[Test, int]]]] = {}
        self._events: tuple[int, Extractor, Extractor] | None = None

    def want(self, key: str, paths: Paths, kind: Kind) -> None:
        """Want what a key's paths lead to."""
        for text in several(paths):
            path = checked_path((key,), text)
            index = self._plan.want(self._root + path, kind, required=key in ("id", "status"))
            self._wanted.setdefault(key, []).append((str(path[-1]) if path else "", index))

    def want_progress(self, texts: Sequence[str]) -> None:
        """Want what progress is made of."""
        for text in texts:
            part, _, whole = (each.strip() for each in text.partition(" / "))
            is_number = not whole or _NUMBER.fullmatch(whole) is not None
            value = self._number(part)
            self._progress.append((value, float(whole or 1) if is_number else self._number(whole)))

    def _number(self, text: str) -> int:
        return self._plan.want(self._root + checked_path(("progress",), text), NUMBER)

    def want_condition(self, key: str, texts: Sequence[str]) -> None:
        """Want what a condition looks at."""
        self._conditions[key] = [[(test, self._tested(key, test)) for test in _row(key, text)] for text in texts]

    def _tested(self, key: str, test: Test) -> int:
        return self._plan.want(self._root + checked_path((key,), test.path), PART)

    def want_events(self, events: EventTable) -> None:
        """Want a history."""
        fields = Fields(Plan())
        fields.want("status", events.status, WORD)
        fields.want("at", events.at, TEXT)
        entry = fields.compiled()
        index = self._plan.want(self._root + checked_path(("events", "path"), events.path), list_of(entry.type))
        self._events = index, fields.extractor("status", entry), fields.extractor("at", entry)

    def compiled(self) -> Compiled:
        """Return the compiled plan."""
        return self._plan.compiled(self._root)

    def loosely(self) -> Compiled:
        """Return the plan compiled for bodies of other types than wanted."""
        return self._plan.loosely(self._root)

    def extractor(self, key: str, compiled: Compiled) -> Extractor:
        """Return the readers of a key's paths."""
        return tuple(compiled.readers[index] for _, index in self._wanted.get(key, ()))

    def extractors(self, compiled: Compiled) -> Extractors:
        """Return all readers."""
        read = compiled.readers

        def of(key: str) -> Extractor:
            return self.extractor(key, compiled)

        def condition(key: str) -> Condition:
            rows = self._conditions.get(key, ())
            return tuple(tuple((test, read[index]) for test, index in row) for row in rows)

        return Extractors(
            id=of("id"),
            status=tuple((name, read[index]) for name, index in self._wanted.get("status", ())),
            texts=tuple((name, of(key)) for key, name in TEXTS.items() if key in self._wanted),
            times=tuple((key, of(key)) for key in TIMES_OF_JOB if key in self._wanted),
            error=of("error"),
            result=of("result"),
            attempt=of("attempt"),
            progress=tuple(
                Progress(read[value], whole if isinstance(whole, float) else read[whole])
                for value, whole in self._progress
            ),
            events=None if self._events is None else EventExtractors(read[self._events[0]], *self._events[1:]),
            entered=next(iter(of("times")), None),
            proven=tuple((key.partition(".")[2], of(key)) for key in self._wanted if key.startswith("times.")),
            decided=tuple((phase, condition(key)) for key, phase in DECIDED.items() if self._conditions.get(key)),
            missing=condition("missing"),
        )


def _row(key: str, text: str) -> list[Test]:
    try:
        return tests_in(text)
    except ValueError as error:
        raise TableError((key,), str(error)) from None
