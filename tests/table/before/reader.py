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
from sys import intern
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Struct

from jobwatch._models import Event, Fault, FaultKind, Job, Phase, Problem
from jobwatch._reading.bodies import plain
from jobwatch._reading.problems import problem_of, read_problem, reported_error
from jobwatch._reading.times import Moment, moment_in
from jobwatch._reading.words import Words, lowered

from .conditions import Condition, holds
from .paths import Compiled, Path, Reader, shown

Extractor: TypeAlias = tuple[Reader, ...]
"""Readers of one field; the first that finds a value wins."""

_Number = TypeVar("_Number", int, float)

_BARE_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9_ -]{0,63}")
_SHOWN = 200
_BAD_ENDS = (Phase.FAILED, Phase.CANCELLED)
_ENDS = (Phase.SUCCEEDED, *_BAD_ENDS)  # a tuple is looked through faster than an enum's hash is computed
_when = operator.itemgetter(0)


class EventExtractors(Struct, frozen=True):
    """Reads where a history lies, and in each of its entries the status and the time."""

    entries: Reader
    status: Extractor
    at: Extractor


class Progress(Struct, frozen=True):
    """Reads how far a job is: a value, and the value or number that it is a part of."""

    value: Reader
    whole: Reader | float = 1.0


class Extractors(Struct, frozen=True, kw_only=True):
    """The readers of everything that a table says of a job.

    Attributes:
        texts, times: Of fields that hold a text or a time, by the names that `Job` has for them.
        entered: A map from the API's own words for states to the times when they were entered.
        proven: Of states named by the table, the time when each was entered.
        decided: The conditions that decide the phase, in the order in which they are asked.
    """

    id: Extractor
    status: tuple[tuple[str, Reader], ...]
    texts: tuple[tuple[str, Extractor], ...]
    times: tuple[tuple[str, Extractor], ...]
    error: Extractor
    result: Extractor
    attempt: Extractor
    progress: tuple[Progress, ...]
    events: EventExtractors | None
    entered: Reader | None
    proven: tuple[tuple[str, Extractor], ...]
    decided: tuple[tuple[Phase, Condition], ...]
    missing: Condition


class Layout:
    """How the fields of a job lie in a body of some type.

    Args:
        compiled: The type, and where the job lies in it.
        fields: The readers of its fields.
    """

    def __init__(self, compiled: Compiled, fields: Extractors) -> None:
        self.decode: Callable[[bytes], object] = msgspec.json.Decoder(compiled.type).decode
        self.base = compiled.base
        self.by_id = compiled.by_id
        self.fields = fields


class TableReader:
    """Reads one API's replies.

    Args:
        api: The name of the API.
        words: What its words mean.
        layout: Where things lie in the bodies that the table describes.
        loose: Where they lie in bodies in which what is optional is of another type.
        root: Where the job lies.
        zone: The zone of times that name none.
        http: Which HTTP statuses are states.
    """

    def __init__(
        self,
        api: str,
        words: Words,
        layout: Layout,
        loose: Layout,
        *,
        root: Path,
        zone: tzinfo = UTC,
        http: dict[int, Phase] | None = None,
    ) -> None:
        self._api = api
        self._words = words
        self._layout = layout
        self._loose = loose
        self._root = root
        self._zone = zone
        self._http = http or {}
        names = [name for name, _ in layout.fields.status]
        self._is_bare_word = names == [""] and not root
        self._tells_by_http_alone = not (names or layout.fields.id or root)

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
            if isinstance(error, msgspec.ValidationError) and (problem := read_problem(body)) is not None:
                raise msgspec.ValidationError(f"{error}; it says: {problem}") from None
            raise

    def _reply(self, body: bytes, http_status: int, job_id: str) -> Job | Fault:
        layout = self._layout
        try:
            root = layout.decode(body)
        except msgspec.ValidationError:
            layout = self._loose
            root = layout.decode(body)
        base = None if root is None else layout.base(root, job_id)
        phase = self._http.get(http_status)
        otherwise = None if phase is None else (f"HTTP {http_status}", phase)
        if base is UNSET:
            raise msgspec.ValidationError(f"Object missing required field - at `{shown(self._root)}`")
        if base is None and root is not None and layout.by_id and self._words.absent is not None:
            otherwise = otherwise or ("absent", self._words.absent)
        if base is None and otherwise is not None:
            return self._stateless(otherwise, job_id, body)
        if base is None:
            return _not_there(http_status, body)
        if holds(layout.fields.missing, base):
            return _no_such_job(http_status, body)
        return self.job(layout.fields, base, job_id, otherwise) or _not_there(http_status, body)

    def is_missing(self, body: bytes) -> bool:
        """Whether an error reply's body says, by the table's conditions, that there is no such job."""
        try:
            root = self._loose.decode(body)
            base = None if root is None else self._loose.base(root, "")
        except (ValueError, RecursionError):  # no JSON, not UTF-8, or nested too deeply: its HTTP status says all
            return False
        return base is not None and base is not UNSET and holds(self._loose.fields.missing, base)

    def _stateless(self, state: tuple[str, Phase], job_id: str, body: bytes) -> Job:
        status, phase = state
        error = read_problem(body) if phase in _BAD_ENDS else None
        return Job(id=job_id, api=self._api, status=status, phase=phase, error=error)

    def job(
        self, fields: Extractors, base: object, job_id: str | None, otherwise: tuple[str, Phase] | None = None
    ) -> Job | None:
        """Read a job; None where all that is needed is null.

        Args:
            fields: Where its fields lie.
            base: What the job lies in.
            job_id: The id asked for; None in a list.
            otherwise: The state, if the body holds none.
        """
        state = self._state(fields, base, otherwise)
        if state is None:
            return None
        status, phase = state
        ended = phase in _ENDS
        known: dict[object, datetime | None] = {}
        # Only what the table names is asked for; the rest is None in any case.
        found: dict[str, Any] = {name: _text(extractor, base) for name, extractor in fields.texts}
        for name, extractor in fields.times:
            if ended or name != "ended_at":
                found[name] = self._moment(extractor, base, known)
        events = self._history(fields, base, Event(status, phase))
        if ended and events and events[-1].phase is phase and found.get("ended_at") is None:
            found["ended_at"] = events[-1].at
        return Job(
            id=_id(fields, base, job_id),
            api=self._api,
            status=status,
            phase=phase,
            attempt=_number(int, _first(fields.attempt, base)) if fields.attempt else None,
            progress=_progress(fields.progress, base) if fields.progress else None,
            events=events,
            proven=self._proven(fields, base, known) if fields.proven else (),
            error=_problem(fields.error, base) if fields.error and _may_be_wrong(phase) else None,
            result=plain(_first(fields.result, base)) if fields.result and ended else None,
            **found,
        )

    def jobs(self, fields: Extractors, entries: Sequence[object] | None) -> tuple[Job, ...]:
        """Read the jobs of a list; those that cannot be read are left out, unless none can."""
        found: list[Job] = []
        wrong: msgspec.ValidationError | None = None
        for entry in entries or ():
            try:
                gone = entry is None or holds(fields.missing, entry)
                job = None if gone else self.job(fields, entry, None)
            except msgspec.ValidationError as error:
                wrong = wrong or error
                continue
            if job is not None:
                found.append(job)
        if wrong is not None and not found:
            raise wrong
        return tuple(found)

    def _state(self, fields: Extractors, base: object, otherwise: tuple[str, Phase] | None) -> tuple[str, Phase] | None:
        for phase, condition in fields.decided:
            if holds(condition, base):
                return self._own_word(fields, base, phase), phase
        is_empty, null, nothing = False, False, None
        for name, reader in fields.status:
            value = reader(base)
            if value is UNSET:
                continue
            if value is None or value in ("", []):
                is_empty, null = True, null or value is None
                continue
            if self._words.says_nothing(value):
                nothing = nothing or self._words.meaning(value, name)
                continue
            state = self._words.meaning(value, name)
            if otherwise is None and not is_empty:
                return state
            given = self._words.is_given(value)
            if is_empty and not given and state[1] in _ENDS:
                state = state[0], Phase.UNKNOWN  # "completed" may only say "over" while how it ended is still empty
            return state if otherwise is None else _decided(state, otherwise, given=given)
        if otherwise is not None:
            return otherwise
        if not null and self._words.absent is not None:
            return f"no {fields.status[0][0]}" if fields.status else "absent", self._words.absent
        if null or nothing is not None:
            missing = nothing is None and fields.id and _first(fields.id, base) in (None, UNSET)
            return None if missing else nothing or self._words.meaning(None)
        raise msgspec.ValidationError("the body holds no status where the table says that it lies")

    def _own_word(self, fields: Extractors, base: object, phase: Phase) -> str:
        """Return the API's own word for a state that a condition has decided, unless it says something else."""
        for name, reader in fields.status:
            value = reader(base)
            if isinstance(value, str) and value:
                status, meant = self._words.meaning(value, name)
                if meant is phase or (meant in _BAD_ENDS and phase in _BAD_ENDS):
                    return status
        return phase.value

    def _history(self, fields: Extractors, base: object, now: Event) -> tuple[Event, ...] | None:
        told = None if fields.events is None else self.events(fields.events, base)
        return self._entered(fields.entered, base, now) if told is None and fields.entered is not None else told

    def _entered(self, entered: Reader, base: object, now: Event) -> tuple[Event, ...] | None:
        """Read a map from states to times as a history, which ends in the present state; None if it holds no time."""
        table: dict[str, Moment] = entered(base) or {}
        dated = [(moment_in(value, self._zone), *self._words.meaning(word)) for word, value in table.items()]
        events = [Event(word, phase, at) for at, word, phase in dated if at is not None]
        if not events:
            return None
        # Of states entered in one moment, the present one is the last.
        events.sort(key=lambda event: (event.at, lowered(event.status) == lowered(now.status)))
        if lowered(events[-1].status) != lowered(now.status):
            events.append(now)
        return tuple(events)

    def events(self, extractors: EventExtractors, base: object) -> tuple[Event, ...] | None:
        """Read a history; None where there is none, or an entry of it cannot be read."""
        entries = extractors.entries(base)
        if entries is None or entries is UNSET:
            return None
        events: list[Event] = []
        for entry in entries:
            if entry is None:
                continue
            value = _first(extractors.status, entry)
            if value is UNSET or value == []:
                return None
            events.append(Event(*self._words.meaning(value), self._moment(extractors.at, entry, {})))
        return tuple(events)

    def _proven(self, fields: Extractors, base: object, known: dict[object, datetime | None]) -> tuple[Event, ...]:
        found = [(self._moment(extractor, base, known), word) for word, extractor in fields.proven]
        dated = [(at, word) for at, word in found if at is not None]
        dated.sort(key=_when)
        # Only the status says that a job has ended; a time can prove what lies before that.
        events = [Event(*self._words.meaning(word), at) for at, word in dated]
        return tuple([event for event in events if event.phase not in _ENDS])

    def _moment(self, extractor: Extractor, base: object, known: dict[object, datetime | None]) -> datetime | None:
        """Return the first time that is found; the same text in several fields is read once, by way of `known`."""
        for reader in extractor:
            value = reader(base)
            if value is None or value is UNSET:
                continue
            if value not in known:
                known[value] = moment_in(value, self._zone)
            if (moment := known[value]) is not None:
                return moment
        return None


def _decided(word: tuple[str, Phase], http: tuple[str, Phase], *, given: bool) -> tuple[str, Phase]:
    """Return the state of a job whose body holds a word and whose HTTP status is a state by the table, too.

    A bad end comes first, whoever tells it; then the words that the table gives; then the HTTP status, which is no
    success beside a word; then the usual words.

    Args:
        word: The word, and what it means.
        http: The name of the HTTP status, and what that means.
        given: Whether the table gives the word's meaning.
    """
    (status, phase), (name, meant) = word, http
    is_bad = given and phase in _BAD_ENDS
    if is_bad or (meant not in _BAD_ENDS and (given or meant is Phase.SUCCEEDED)):
        return word
    return (name if meant in _BAD_ENDS and phase is not Phase.UNKNOWN else status), meant


def _id(fields: Extractors, base: object, job_id: str | None) -> str:
    value = _first(fields.id, base)
    if value is None or value is UNSET:
        if job_id is None or fields.id:
            raise msgspec.ValidationError("the body holds no id where the table says that it lies")
        return job_id
    found = str(value)
    if job_id is None or found == job_id:
        return found
    if found.endswith(f"/{job_id}") or job_id.endswith(f"/{found}"):
        return job_id  # an id, and the resource's name that ends with it
    return found


def _first(extractor: Extractor, base: object) -> Any:
    found: object = UNSET
    for reader in extractor:
        value = reader(base)
        if value is not UNSET and value is not None and value != "":
            return value
        found = found if value is UNSET else value
    return found


def _text(extractor: Extractor, base: object) -> str | None:
    value = _first(extractor, base)
    return None if value is None or value is UNSET else intern(str(value))  # a million jobs have few of them


def _number(kind: type[_Number], value: Any) -> _Number | None:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _progress(progress: Sequence[Progress], base: object) -> float | None:
    for each in progress:
        value = _number(float, each.value(base))
        whole = _number(float, each.whole(base)) if callable(each.whole) else each.whole
        if value is not None and whole is not None and whole > 0 and 0.0 <= value / whole <= 1.0:
            return value / whole
    return None


def _may_be_wrong(phase: Phase) -> bool:
    """Whether a message can be an error's: of a job that goes on or succeeded it tells something else."""
    return phase in _BAD_ENDS or phase is Phase.UNKNOWN


def _not_there(http_status: int, body: bytes) -> Fault:
    """Say why a reply holds nothing where the job should be: an API that reports an error has not looked for it."""
    problem = reported_error(body)
    if problem is not None:
        return Fault(FaultKind.UNREACHABLE, f"the API reports an error: {problem.message[:_SHOWN]}", http_status)
    return _no_such_job(http_status, body)


def _no_such_job(http_status: int, body: bytes) -> Fault:
    problem = read_problem(body)
    message = "the API knows no such job" + (f": {problem.message[:_SHOWN]}" if problem is not None else "")
    return Fault(FaultKind.NOT_FOUND, message, http_status)


def _problem(extractor: Extractor, base: object) -> Problem | None:
    for reader in extractor:
        if (found := problem_of(plain(reader(base)))) is not None:
            return found
    return None
