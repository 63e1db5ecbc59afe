"""What a table wants of a body, key by key, gathered into a plan, and the readers that come of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from .._models import Phase
from .._reading.words import told_apart
from .conditions import Condition, Test
from .paths import NUMBER, PART, TEXT, WORD, Chosen, Compiled, Kind, Path, Plan, needs_id, path_of
from .reader import EventPaths, Pick, Picks, Progress

Paths: TypeAlias = str | list[str]
"""One path, or several of which the first that holds a value wins."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_TEST = re.compile(
    r"""(?P<not>!)?(?P<path>(?:[^\s=!\["]|\[[^\]]*\]|"[^"]*")+)(?:\s*(?P<sign>!?=)\s*(?P<word>[^\s=].*))?"""
)
_DECIDED = (Phase.CANCELLED, Phase.FAILED, Phase.SUCCEEDED, Phase.RUNNING, Phase.PENDING)
CONDITIONS = tuple(f"{phase.value}_if" for phase in _DECIDED)
"""The keys of the conditions that decide a job's phase, the first that holds before the others."""


class EventTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a history lies, and where each of its entries holds the status and the time.

    Attributes:
        path: The list.
        status: The status in an entry.
        at: The time in an entry.
        request: The path and query of a request of its own that tells the history, where the job does not.
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


def plain_path(keys: tuple[str, ...], text: str) -> tuple[str | int, ...]:
    """Read a path of keys and list indexes alone."""
    path = checked_path(keys, text)
    plain = tuple(step for step in path if not isinstance(step, Chosen))
    if len(plain) < len(path):
        raise TableError(keys, f"{text!r} chooses an item: write its place in the list, such as [0]")
    return plain


def list_of(kind: Kind) -> Kind:
    """Return the type of a list, or null."""
    return list[kind] | None


class Places:
    """What is wanted of a plan, by the table's keys."""

    def __init__(self, plan: Plan, root: Path) -> None:
        self._plan = plan
        self._root = root
        self._wanted: dict[str, list[tuple[str, int]]] = {}
        self._progress: list[tuple[int, int | float]] = []
        self._conditions: dict[str, list[list[tuple[int, str | None, bool]]]] = {}
        self._events: tuple[int, EventPaths] | None = None

    def want(self, key: str, paths: Paths, kind: Kind) -> None:
        """Want what a key's paths lead to."""
        for text in several(paths):
            path = checked_path((key,), text)
            place = self._plan.want(self._root + path, kind, required=key in ("id", "status"))
            self._wanted.setdefault(key, []).append((str(path[-1]) if path else "", place))

    def want_progress(self, texts: Sequence[str]) -> None:
        """Want what progress is made of."""
        for text in texts:
            part, _, whole = (each.strip() for each in text.partition(" / "))
            value = self._plan.want(self._root + checked_path(("progress",), part), NUMBER)
            if not whole or _NUMBER.fullmatch(whole):
                self._progress.append((value, float(whole or 1)))
            else:
                self._progress.append((value, self._plan.want(self._root + checked_path(("progress",), whole), NUMBER)))

    def want_condition(self, key: str, texts: Sequence[str]) -> None:
        """Want what a condition looks at."""
        rows = [[self._test(key, test.strip()) for test in text.split(" and ")] for text in texts]
        self._conditions[key] = rows

    def _test(self, key: str, text: str) -> tuple[int, str | None, bool]:
        test = _TEST.fullmatch(text)
        if test is None:
            raise TableError((key,), f"{text!r} is no condition: write a path, !path, path = word or path != word")
        place = self._plan.want(self._root + checked_path((key,), test["path"]), PART)
        word = None if test["word"] is None else told_apart(test["word"].strip("\"'"))
        return place, word, test["sign"] != "!=" and not test["not"]

    def want_events(self, events: EventTable) -> None:
        """Want a history."""
        plan = Plan()
        places = Places(plan, ())
        places.want("status", events.status, WORD)
        places.want("at", events.at, TEXT)
        entry = plan.compiled()
        place = self._plan.want(self._root + checked_path(("events", "path"), events.path), list_of(entry.type))
        status, at = (places.pick(key, entry) for key in ("status", "at"))
        self._events = place, EventPaths(entries=entry.base, base=entry.base, status=status, at=at)

    def pick(self, key: str, compiled: Compiled) -> Pick:
        """Return the readers of a key's paths."""
        return tuple(compiled.readers[place] for _, place in self._wanted.get(key, ()))

    def picks(self, compiled: Compiled) -> Picks:
        """Return all readers."""
        read = compiled.readers

        def pick(key: str) -> Pick:
            return self.pick(key, compiled)

        times = pick("times")
        return Picks(
            id=pick("id"),
            status=tuple((name, read[place]) for name, place in self._wanted.get("status", ())),
            type=pick("type"),
            project=pick("project"),
            error=pick("error"),
            result=pick("result"),
            attempt=pick("attempt"),
            progress=tuple(
                Progress(read[value], whole if isinstance(whole, float) else read[whole])
                for value, whole in self._progress
            ),
            created_at=pick("created_at"),
            started_at=pick("started_at"),
            ended_at=pick("ended_at"),
            updated_at=pick("updated_at"),
            events=self._history(compiled),
            times=times[0] if times else None,
            proven=tuple((key.partition(".")[2], pick(key)) for key in self._wanted if key.startswith("times.")),
            decided=tuple(
                (phase, self._condition(key, compiled))
                for key, phase in zip(CONDITIONS, _DECIDED, strict=True)
                if self._conditions.get(key)
            ),
            missing=self._condition("missing", compiled),
        )

    def _history(self, compiled: Compiled) -> EventPaths | None:
        if self._events is None:
            return None
        place, paths = self._events
        return msgspec.structs.replace(paths, entries=compiled.readers[place])

    def _condition(self, key: str, compiled: Compiled) -> Condition:
        rows = self._conditions.get(key, ())
        return tuple(tuple(Test(compiled.readers[place], word, wanted) for place, word, wanted in row) for row in rows)
