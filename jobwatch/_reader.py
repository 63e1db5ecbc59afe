"""Reads what a table says a reply holds, by the paths that the table gives. Pure.

Nothing is guessed from a body that does not fit: it is a fault with the place in the body. A body that is null, or in
which null stands where the table says that the job lies (an empty list in place of its first entry counts as that), is
a job that the API does not know; and so is one in which both the id and the status are null.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Struct

from ._api import moment_of, shared
from ._models import JSON, Event, Fault, FaultKind, Job, Phase, Problem
from ._paths import Compiled, Path, Reader, plain, shown
from ._words import Words, text_of, told_apart

Pick: TypeAlias = tuple[Reader, ...]
"""Readers of one thing; the first that finds a value wins."""

_NO_SUCH_JOB = Fault(FaultKind.NOT_FOUND, "the API knows no such job", 200)
_MESSAGE_LIMIT = 2000
_when = operator.itemgetter(0)
_MESSAGES = ("message", "msg", "detail", "description", "error_message", "errorMessage", "title", "reason", "error")
_CODES = ("code", "error_code", "errorCode", "type")


class Test(Struct, frozen=True):
    """One condition on a body: that a value is there, or is a word; or the contrary."""

    reader: Reader
    word: str | None
    wanted: bool

    def holds(self, base: object) -> bool:
        """Whether it holds."""
        value = self.reader(base)
        if self.word is None:
            return bool(plain(value)) is self.wanted
        value = plain(value)
        scalar = None if isinstance(value, (dict, list)) else value
        return (told_apart(text_of(scalar)) == self.word) is self.wanted


Condition: TypeAlias = tuple[tuple[Test, ...], ...]
"""Tests of which all in one row must hold."""


class EventPaths(Struct, frozen=True):
    """Where a history lies, and in each of its entries the status and the time."""

    entries: Reader
    base: Reader
    status: Pick
    at: Pick


class Picks(Struct, frozen=True, kw_only=True):
    """The readers of everything that a table says of a job."""

    id: Pick = ()
    status: tuple[tuple[str, Reader], ...] = ()
    type: Pick = ()
    project: Pick = ()
    error: Pick = ()
    result: Pick = ()
    attempt: Pick = ()
    progress: tuple[Progress, ...] = ()
    created_at: Pick = ()
    started_at: Pick = ()
    ended_at: Pick = ()
    updated_at: Pick = ()
    events: EventPaths | None = None
    times: Reader | None = None
    proven: tuple[tuple[str, Pick], ...] = ()
    failed_if: Condition = ()
    cancelled_if: Condition = ()
    missing: Condition = ()


class Progress(Struct, frozen=True):
    """How far a job is: a value, and the value or number that it is a part of."""

    value: Reader
    whole: Reader | float = 1.0


class TableReader:
    """Reads one API's replies.

    Args:
        api: The name of the API.
        words: What its words mean.
        compiled: Where things lie.
        picks: Their readers.
        root: Where the job lies.
        zone: The zone of times that name none.
        http: Which HTTP statuses are states.
    """

    def __init__(
        self,
        api: str,
        words: Words,
        compiled: Compiled,
        picks: Picks,
        *,
        root: Path,
        zone: tzinfo = UTC,
        http: dict[int, Phase] | None = None,
    ) -> None:
        self._api = api
        self._words = words
        self._base = compiled.base
        self._root = root
        self._decode: Callable[[bytes], object] = msgspec.json.Decoder(compiled.type).decode
        self._picks = picks
        self._zone = zone
        self._http = http or {}

    def of(self, compiled: Compiled, picks: Picks) -> TableReader:
        """Return a reader of the same words, of jobs that lie elsewhere."""
        return TableReader(self._api, self._words, compiled, picks, root=(), zone=self._zone)

    def reply(self, body: bytes, http_status: int, job_id: str) -> Job | Fault:
        """Read the reply to a look at one job."""
        phase = self._http.get(http_status)
        try:
            root = self._decode(body)
        except msgspec.MsgspecError:
            if phase is None or http_status == 200:
                raise
            root = None
        base = None if root is None else self._base(root)
        if phase is not None and (base is None or base is UNSET):
            return self._stateless(f"HTTP {http_status}", phase, job_id)
        if base is UNSET:
            raise msgspec.ValidationError(f"Object missing required field - at `{shown(self._root)}`")
        if base is None or (self._picks.missing and _holds(self._picks.missing, base)):
            return _NO_SUCH_JOB
        return self.job(base, job_id, None if phase is None else (f"HTTP {http_status}", phase))

    def is_missing(self, body: bytes) -> bool:
        """Whether an error reply's body says, by the table's conditions, that there is no such job."""
        try:
            base = self._base(self._decode(body))
        except (msgspec.MsgspecError, AttributeError):
            return False
        if base is None or base is UNSET:
            return False
        return _holds(self._picks.missing, base)

    def _stateless(self, status: str, phase: Phase, job_id: str) -> Job:
        return Job(id=job_id, api=self._api, status=status, phase=phase)

    def job(self, base: object, job_id: str | None, otherwise: tuple[str, Phase] | None = None) -> Job | Fault:
        """Read a job.

        Args:
            base: What the job lies in.
            job_id: The id asked for; None in a list.
            otherwise: The state, if the body tells none.
        """
        picks = self._picks
        state = self._state(base, otherwise)
        if state is None:
            return _NO_SUCH_JOB
        status, phase = state
        ended = phase.ended
        times: dict[object, datetime | None] = {}
        return Job(
            id=self._id(base, job_id),
            api=self._api,
            status=status,
            phase=phase,
            type=_text(picks.type, base) if picks.type else None,
            project_id=_text(picks.project, base) if picks.project else None,
            created_at=self._moment(picks.created_at, base, times) if picks.created_at else None,
            started_at=self._moment(picks.started_at, base, times) if picks.started_at else None,
            ended_at=self._moment(picks.ended_at, base, times) if ended and picks.ended_at else None,
            updated_at=self._moment(picks.updated_at, base, times) if picks.updated_at else None,
            attempt=_whole(_first(picks.attempt, base)) if picks.attempt else None,
            progress=_progress(picks.progress, base) if picks.progress else None,
            events=None if picks.events is None else self.events(picks.events, base),
            proven=self._proven(base, times) if picks.proven or picks.times is not None else (),
            error=_problem(picks.error, base) if picks.error and _may_be_wrong(phase) else None,
            result=plain(_first(picks.result, base)) if ended and picks.result else None,
        )

    def _id(self, base: object, job_id: str | None) -> str:
        value = _first(self._picks.id, base) if self._picks.id else UNSET
        if value is None or value is UNSET:
            if job_id is None or self._picks.id:
                raise msgspec.ValidationError("the body holds no id where the table says that it lies")
            return job_id
        told = str(value)
        if told == job_id:
            return told
        if job_id is not None and (told.endswith(f"/{job_id}") or job_id.endswith(f"/{told}")):
            return job_id  # an id, and the resource's name that ends with it
        return told

    def _state(self, base: object, otherwise: tuple[str, Phase] | None) -> tuple[str, Phase] | None:
        picks = self._picks
        if picks.cancelled_if and _holds(picks.cancelled_if, base):
            return self._told(base, "cancelled")[0], Phase.CANCELLED
        if picks.failed_if and _holds(picks.failed_if, base):
            return self._told(base, "failed")[0], Phase.FAILED
        null = False
        for name, reader in picks.status:
            value = reader(base)
            if value is UNSET or value in ("", []):
                continue
            if value is None:
                null = True
                continue
            return self._words.meaning(value, name)
        if otherwise is not None:
            return otherwise
        if not null and self._words.absent is not None:
            return f"no {picks.status[0][0]}" if picks.status else "absent", self._words.absent
        if null:
            return None if picks.id and _first(picks.id, base) in (None, UNSET) else self._words.meaning(None)
        raise msgspec.ValidationError("the body holds no status where the table says that it lies")

    def _told(self, base: object, otherwise: str) -> tuple[str, Phase]:
        """Return the API's own word for a state that a condition has decided, unless it says something else."""
        for name, reader in self._picks.status:
            value = reader(base)
            if isinstance(value, str) and value:
                status, phase = self._words.meaning(value, name)
                if phase.ended and phase is not Phase.SUCCEEDED:
                    return status, phase
        return otherwise, Phase.UNKNOWN

    def events(self, paths: EventPaths, base: object) -> tuple[Event, ...] | None:
        """Read a history; None where there is none."""
        entries = paths.entries(base)
        if entries is None or entries is UNSET:
            return None
        return tuple(self._event(paths, entry) for entry in entries if entry is not None)

    def _event(self, paths: EventPaths, entry: object) -> Event:
        entry = paths.base(entry)
        value = None if entry is None or entry is UNSET else _first(paths.status, entry)
        if value is UNSET:
            raise msgspec.ValidationError("an entry of the history holds no status where the table says that it lies")
        status, phase = self._words.meaning(value)
        return Event(status, phase, self._moment(paths.at, entry, {}))

    def _proven(self, base: object, times: dict[object, datetime | None]) -> tuple[Event, ...]:
        told = [(self._moment(pick, base, times), word) for word, pick in self._picks.proven]
        if self._picks.times is not None:
            table: dict[str, object] = self._picks.times(base) or {}
            told += [(self._time(value), word) for word, value in table.items()]
        dated = [(at, word) for at, word in told if at is not None]
        dated.sort(key=_when)
        # An end is told by the status alone: what lies before it can be proven by a time.
        events = (Event(*self._words.meaning(word), at) for at, word in dated)
        return tuple(event for event in events if not event.phase.ended)

    def _moment(self, pick: Pick, base: object, times: dict[object, datetime | None]) -> datetime | None:
        """Return the first time that a pick finds; a look at the same text twice is one reading."""
        for reader in pick:
            value = reader(base)
            if value is None or value is UNSET:
                continue
            if value not in times:
                times[value] = self._time(value)
            if (moment := times[value]) is not None:
                return moment
        return None

    def _time(self, value: Any) -> datetime | None:
        if not isinstance(value, str):
            return moment_of(value)
        if value.isdigit() and len(value) >= 10:
            return moment_of(int(value)) if len(value) < 20 else None
        if self._zone is UTC:
            return moment_of(value)
        return _local(value, self._zone)


def _local(text: str, zone: tzinfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        local = moment.tzinfo is None
        return moment_of(moment.replace(tzinfo=zone).isoformat() if local else text)
    except (ValueError, OverflowError):
        return moment_of(text)


def _first(pick: Pick, base: object) -> Any:
    found: object = UNSET
    for reader in pick:
        value = reader(base)
        if value is not UNSET and value is not None and value != "":
            return value
        found = found if value is UNSET else value
    return found


def _text(pick: Pick, base: object) -> str | None:
    value = _first(pick, base)
    return None if value is None or value is UNSET else shared(str(value))


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _progress(progress: Sequence[Progress], base: object) -> float | None:
    for each in progress:
        value = _number(each.value(base))
        whole = _number(each.whole(base)) if callable(each.whole) else each.whole
        if value is not None and whole is not None and whole > 0 and 0.0 <= value / whole <= 1.0:
            return value / whole
    return None


def _holds(condition: Condition, base: object) -> bool:
    return any(_all_hold(tests, base) for tests in condition)


def _all_hold(tests: Sequence[Test], base: object) -> bool:
    return all(test.holds(base) for test in tests)


def _may_be_wrong(phase: Phase) -> bool:
    """Whether a message can be an error's: of a job that goes on or succeeded it tells something else."""
    return phase in (Phase.FAILED, Phase.CANCELLED, Phase.UNKNOWN)


def _problem(pick: Pick, base: object) -> Problem | None:
    for reader in pick:
        problem = problem_of(plain(reader(base)))
        if problem is not None:
            return problem
    return None


def problem_of(value: JSON) -> Problem | None:
    """Return what went wrong, from whatever an API puts in the place of an error; None if that is nothing."""
    match value:
        case None | False | "" | 0:
            return None
        case dict():
            return _from_object(value)
        case list():
            return next((problem for problem in map(problem_of, value) if problem is not None), None)
        case _:
            return Problem(text_of(value)[:_MESSAGE_LIMIT])


def _from_object(value: dict[str, JSON]) -> Problem | None:
    if not value:
        return None
    code = next((text_of(told) for key in _CODES if isinstance(told := value.get(key), (str, int)) and told), None)
    for key in _MESSAGES:
        told = value.get(key)
        if isinstance(told, str) and told:
            return Problem(told[:_MESSAGE_LIMIT], code)
        if isinstance(told, (dict, list)) and (inner := problem_of(told)) is not None:
            return Problem(inner.message, inner.code or code)
    return Problem(code or msgspec.json.encode(value).decode()[:_MESSAGE_LIMIT], code)


_bodies = msgspec.json.Decoder(dict[str, Any])


def read_problem(body: bytes) -> Problem | None:
    """Read an error body, whatever it calls its message."""
    value = _bodies.decode(body)
    problem = _from_object({key: value[key] for key in (*_MESSAGES, *_CODES) if key in value})
    request_id = value.get("request_id") or value.get("requestId")
    if problem is None or not isinstance(request_id, str):
        return problem
    return Problem(problem.message, problem.code, request_id)
