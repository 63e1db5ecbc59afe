"""Reads what a table says a reply holds, by the paths that the table gives. Pure.

Nothing is guessed from a body that does not fit: it is a fault with the place in the body. A body that is null, or in
which null stands where the table says that the job lies (an empty list in place of its first entry counts as that), is
a job that the API does not know; and so is one in which both the id and the status are null. Only id and status must be
of the types that a table wants; whatever else is not, is left out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Struct

from .._models import Event, Fault, FaultKind, Job, Phase, Problem
from .._reading.api import shared
from .._reading.problems import problem_of, read_problem
from .._reading.times import moment_of
from .._reading.words import Words
from .conditions import Condition, holds
from .paths import Compiled, Path, Reader, plain, shown

Pick: TypeAlias = tuple[Reader, ...]
"""Readers of one thing; the first that finds a value wins."""

_BARE_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9_ -]{0,63}")
_SECONDS = re.compile(r"\d{10,19}(?:\.\d+)?", re.ASCII)
_SHOWN = 200
_BAD_ENDS = (Phase.FAILED, Phase.CANCELLED)
_ENDS = (Phase.SUCCEEDED, *_BAD_ENDS)
_when = operator.itemgetter(0)


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
    decided: tuple[tuple[Phase, Condition], ...] = ()
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
        loosely: Reads the bodies that are not of the types that this one wants.
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
        loosely: TableReader | None = None,
    ) -> None:
        self._api = api
        self._words = words
        self._base = compiled.base
        self._base_of = compiled.base_of
        self._root = root
        self._decode: Callable[[bytes], object] = msgspec.json.Decoder(compiled.type).decode
        self._picks = picks
        self._zone = zone
        self._http = http or {}
        self._loosely = loosely or self
        names = [name for name, _ in picks.status]
        self._is_bare_word = names == [""] and not root
        self._tells_by_http_alone = not (names or picks.id or root)

    def of(self, compiled: Compiled, picks: Picks) -> TableReader:
        """Return a reader of the same words, of jobs that lie elsewhere."""
        return TableReader(self._api, self._words, compiled, picks, root=(), zone=self._zone)

    def reply(self, body: bytes, http_status: int, job_id: str) -> Job | Fault:
        """Read the reply to a look at one job."""
        phase = self._http.get(http_status)
        try:
            return self._reply(body, http_status, job_id)
        except msgspec.MsgspecError as error:
            if phase is not None and (http_status != 200 or self._tells_by_http_alone):
                return self._stateless((f"HTTP {http_status}", phase), job_id, body)
            if self._is_bare_word and (word := _BARE_WORD.fullmatch(body.strip())) is not None:
                return self._stateless(self._words.meaning(word[0].decode()), job_id, body)
            if isinstance(error, msgspec.ValidationError) and (problem := _problem_in(body)) is not None:
                raise msgspec.ValidationError(f"{error}; it says: {problem}") from None
            raise

    def _reply(self, body: bytes, http_status: int, job_id: str) -> Job | Fault:
        try:
            root = self._decode(body)
        except msgspec.ValidationError:
            if self._loosely is self:
                raise
            return self._loosely._reply(body, http_status, job_id)  # noqa: SLF001 - another of the same class
        base = None if root is None else self._base_in(root, job_id)
        phase = self._http.get(http_status)
        otherwise = None if phase is None else (f"HTTP {http_status}", phase)
        if base is UNSET:
            raise msgspec.ValidationError(f"Object missing required field - at `{shown(self._root)}`")
        if base is None and root is not None and self._base_of is not None and self._words.absent is not None:
            otherwise = otherwise or ("absent", self._words.absent)
        if base is None and otherwise is not None:
            return self._stateless(otherwise, job_id, body)
        if base is None:
            return _not_there(http_status, body)
        if self._picks.missing and holds(self._picks.missing, base):
            return _no_such_job(http_status, body)
        return self.job(base, job_id, otherwise) or _not_there(http_status, body)

    def is_missing(self, body: bytes) -> bool:
        """Whether an error reply's body says, by the table's conditions, that there is no such job."""
        loosely = self._loosely
        try:
            base = loosely._base(loosely._decode(body))  # noqa: SLF001 - another of the same class
        except msgspec.MsgspecError:
            return False
        if base is None or base is UNSET:
            return False
        return holds(loosely._picks.missing, base)  # noqa: SLF001 - another of the same class

    def _base_in(self, root: object, job_id: str) -> object:
        return self._base(root) if self._base_of is None else self._base_of(job_id)(root)

    def _stateless(self, state: tuple[str, Phase], job_id: str, body: bytes) -> Job:
        status, phase = state
        error = _problem_in(body) if phase.ended and _may_be_wrong(phase) else None
        return Job(id=job_id, api=self._api, status=status, phase=phase, error=error)

    def job(self, base: object, job_id: str | None, otherwise: tuple[str, Phase] | None = None) -> Job | None:
        """Read a job; None where all that is needed is null.

        Args:
            base: What the job lies in.
            job_id: The id asked for; None in a list.
            otherwise: The state, if the body tells none.
        """
        picks = self._picks
        state = self._state(base, otherwise)
        if state is None:
            return None
        status, phase = state
        ended = phase in _ENDS
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

    def jobs(self, entries: Sequence[object] | None) -> tuple[Job, ...]:
        """Read the jobs of a list; those that cannot be read are left out, unless none can."""
        found: list[Job] = []
        wrong: msgspec.ValidationError | None = None
        for entry in entries or ():
            try:
                gone = entry is None or (self._picks.missing and holds(self._picks.missing, entry))
                job = None if gone else self.job(entry, None)
            except msgspec.ValidationError as error:
                wrong = wrong or error
                continue
            if job is not None:
                found.append(job)
        if wrong is not None and not found:
            raise wrong
        return tuple(found)

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
        for phase, condition in picks.decided:
            if holds(condition, base):
                return self._told(base, phase), phase
        null, nothing = False, None
        for name, reader in picks.status:
            value = reader(base)
            if value is UNSET or value in ("", []):
                continue
            if value is None:
                null = True
                continue
            if self._words.says_nothing(value):
                nothing = nothing or self._words.meaning(value, name)
                continue
            return self._words.meaning(value, name)
        if otherwise is not None:
            return otherwise
        if not null and self._words.absent is not None:
            return f"no {picks.status[0][0]}" if picks.status else "absent", self._words.absent
        if null or nothing is not None:
            missing = nothing is None and picks.id and _first(picks.id, base) in (None, UNSET)
            return None if missing else nothing or self._words.meaning(None)
        raise msgspec.ValidationError("the body holds no status where the table says that it lies")

    def _told(self, base: object, phase: Phase) -> str:
        """Return the API's own word for a state that a condition has decided, unless it says something else."""
        for name, reader in self._picks.status:
            value = reader(base)
            if isinstance(value, str) and value:
                status, meant = self._words.meaning(value, name)
                if meant is phase or (meant in _BAD_ENDS and phase in _BAD_ENDS):
                    return status
        return phase.value

    def events(self, paths: EventPaths, base: object) -> tuple[Event, ...] | None:
        """Read a history; None where there is none."""
        entries = paths.entries(base)
        if entries is None or entries is UNSET:
            return None
        events = [self._event(paths, entry) for entry in entries if entry is not None]
        told = tuple(event for event in events if event is not None)
        return told if len(told) == len(events) else None

    def _event(self, paths: EventPaths, entry: object) -> Event | None:
        entry = paths.base(entry)
        value = None if entry is None or entry is UNSET else _first(paths.status, entry)
        if value is UNSET or value == []:
            return None
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
        events = [Event(*self._words.meaning(word), at) for at, word in dated]
        return tuple([event for event in events if event.phase not in _ENDS])

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
        if self._zone is UTC and value[4:5] == "-":  # nearly every time there is
            return moment_of(value) or _in_words(value)
        if _SECONDS.fullmatch(value):
            return moment_of(float(value))
        if self._zone is UTC:
            return moment_of(value) or _in_words(value)
        return _local(value, self._zone)


def _local(text: str, zone: tzinfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        local = moment.tzinfo is None
        return moment_of(moment.replace(tzinfo=zone).isoformat() if local else text)
    except (ValueError, OverflowError):
        return moment_of(text) or _in_words(text)


def _in_words(text: str) -> datetime | None:
    """Read a time as HTTP and mail headers write it, or with the zone's name at its end."""
    if text.endswith((" UTC", " GMT")) and text[:1].isdigit():
        return moment_of(text[:-4])
    try:
        return moment_of(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


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


def _may_be_wrong(phase: Phase) -> bool:
    """Whether a message can be an error's: of a job that goes on or succeeded it tells something else."""
    return phase in _BAD_ENDS or phase is Phase.UNKNOWN


def _not_there(http_status: int, body: bytes) -> Fault:
    """Say why a reply holds nothing where the job should be: an API that reports an error has not looked for it."""
    problem = _error_in(body)
    if problem is not None:
        return Fault(FaultKind.UNREACHABLE, f"the API reports an error: {problem.message[:_SHOWN]}", http_status)
    return _no_such_job(http_status, body)


def _error_in(body: bytes) -> Problem | None:
    try:
        value = _errors.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return problem_of(value.error) or problem_of(value.errors)


class _Errors(Struct):
    error: Any = None
    errors: Any = None


_errors = msgspec.json.Decoder(_Errors)


def _no_such_job(http_status: int, body: bytes) -> Fault:
    problem = _problem_in(body)
    told = "the API knows no such job" + (f": {problem.message[:_SHOWN]}" if problem is not None else "")
    return Fault(FaultKind.NOT_FOUND, told, http_status)


def _problem_in(body: bytes) -> Problem | None:
    try:
        return read_problem(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _problem(pick: Pick, base: object) -> Problem | None:
    for reader in pick:
        problem = problem_of(plain(reader(base)))
        if problem is not None:
            return problem
    return None
