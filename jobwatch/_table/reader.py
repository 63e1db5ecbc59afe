"""Reads what a table says a reply holds, by the expressions that the table gives. Pure.

Nothing is guessed from a body that does not fit: it is a fault with the place in the body. A body that is null, or in
which null stands where the table says that the job lies (an empty list in place of its first entry counts as that), is
a job that the API does not know; and so is one in which both the id and the status are null. Only id and status must be
of the types that a table wants; whatever else is not, is left out. An expression that cannot be evaluated on a reply
makes it unreadable, whatever it was for.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from sys import intern
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Struct

from .._models import Event, Fault, FaultKind, Job, Phase, Problem
from .._reading.api import unreadable
from .._reading.bodies import decoder_of, line_in, plain
from .._reading.ids import in_one_spelling
from .._reading.problems import problem_of, read_problem, reported_error
from .._reading.structs import MOST_ENTRIES, MOST_JOBS
from .._reading.times import Moment, moment_in
from .._reading.words import ABSENT, Words, lowered, normalized
from .evaluation import CannotEvaluate, begin, can_read, holds
from .expressions import Expression, shown
from .paths import Compiled, Reader, Scope, header_key

Extractor: TypeAlias = tuple[Reader, ...]
"""Readers of one field; the first that finds a value wins."""

_Number = TypeVar("_Number", int, float)

_FRACTION = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*/\s*(\d{1,15}(?:\.\d{1,15})?)\s*", re.ASCII)
_PERCENT = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*%\s*", re.ASCII)
_NOTHING = re.compile(rb"\s*\{\s*\}\s*")
_OK = 200
_SHOWN = 200
_LONGEST_TEXT = 1024
_BAD_ENDS = (Phase.FAILED, Phase.CANCELLED, Phase.PARTIAL)
_ENDS = (
    Phase.SUCCEEDED,
    *_BAD_ENDS,
    Phase.FINISHED,
)  # a tuple is looked through faster than an enum's hash is computed
_when = operator.itemgetter(0)


class Condition(Struct, frozen=True):
    """Reads what is to hold, or not, and tells whether it looks beyond what lies at the root."""

    value: Reader
    whole: bool = False


class EventExtractors(Struct, frozen=True):
    """Reads where a history lies, and in each of its entries, put in scope, the status and the time."""

    entries: Reader
    scope: Callable[[object, object, Mapping[str, str]], object]
    status: Extractor
    at: Extractor


class Progress(Struct, frozen=True):
    """Reads how far a job is: a value, and the value or number that it is a part of."""

    value: Extractor
    whole: Extractor | float = 1.0


class Extractors(Struct, frozen=True, kw_only=True):
    """The readers of everything that a table says of a job.

    Attributes:
        scope: Makes what they read from, of what lies at the root, the whole reply, and the values of names in braces.
        texts, times: Of fields that hold a text or a time, by the names that `Job` has for them.
        entered: A map from the API's own words for states to the times when they were entered.
        proven: Of states named by the table, the time when each was entered.
        nothing: While one of these conditions holds, nothing is an end.
        decided: The conditions that decide the phase, in the order in which they are asked.
    """

    scope: Callable[[object, object, Mapping[str, str]], object]
    id: Extractor
    status: tuple[tuple[str, Reader], ...]
    texts: tuple[tuple[str, Extractor], ...]
    times: tuple[tuple[str, Extractor], ...]
    error: Extractor
    result: Extractor
    asked: Extractor
    attempt: Extractor
    progress: tuple[Progress, ...]
    events: EventExtractors | None
    entered: Reader | None
    proven: tuple[tuple[str, Extractor], ...]
    nothing: tuple[Condition, ...]
    decided: tuple[tuple[Phase, tuple[Condition, ...]], ...]
    missing: tuple[Condition, ...]
    limited: tuple[Condition, ...]
    refused: tuple[Condition, ...]
    renewed: tuple[Condition, ...]


class Layout:
    """How the fields of a job lie in a body of some type.

    Args:
        compiled: The type, and where the job lies in it.
        fields: The readers of its fields.
    """

    def __init__(self, compiled: Compiled, fields: Extractors) -> None:
        # What is decoded whole may hold anything, so what that would cost is found out before.
        is_whole = compiled.type is Any
        self._decode = _decoded_whole if is_whole else decoder_of(compiled.type, is_typed=True)
        self.kind = compiled.type
        self.base = compiled.base
        self.is_scoped = compiled.is_scoped
        self.is_searched = compiled.is_searched
        self.is_whole = compiled.is_whole
        self.headers = compiled.headers
        self.ignores_body = compiled.ignores_body
        self.fields = fields

    def decode(self, body: bytes) -> object:
        """Return a body decoded, of which there is now as much to be read as any job may take."""
        begin(body)
        return self._decode(body)


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
        http_alone: Whether 200 is one even of a body that tells nothing.
        given: The values of the names in braces that stand in expressions.
        no_error: What it says where an error would be that is none, as it is compared.

    Attributes:
        headers: The headers that it reads, by their names in lower case.
        ignores_body: Whether it reads nothing else.
    """

    def __init__(
        self,
        api: str,
        words: Words,
        layout: Layout,
        loose: Layout,
        *,
        root: Expression | None = None,
        zone: tzinfo = UTC,
        http: dict[int, Phase] | None = None,
        http_alone: bool = False,
        given: Mapping[str, str] | None = None,
        no_error: frozenset[str] = frozenset(),
    ) -> None:
        self._api = api
        self._words = words
        self._layout = layout
        self._loose = loose
        self._root = root
        self._zone = zone
        self._http = http or {}
        self._given = given or {}
        self._no_error = no_error
        self.headers = layout.headers
        self.ignores_body = layout.ignores_body
        self._tells_by_http_alone = http_alone or not (layout.fields.status or layout.fields.id or root)

    def reply(
        self, body: bytes, http_status: int, job_id: str, headers: Mapping[str, str] | None = None
    ) -> Job | Fault:
        """Read the reply to a look at one job, with the headers that are wanted of it, by their names in lower case."""
        phase = self._phase_of(http_status, body)
        try:
            seen = self._reply(b"{}" if self.ignores_body else body, http_status, job_id, headers or {})
        except CannotEvaluate as error:
            return unreadable(f"an expression of the table cannot be evaluated on the reply: {error}")
        except msgspec.MsgspecError as error:
            if self._loose.fields.limited and self.is_limited(body):
                return _limited(http_status, body)
            if phase is not None and (http_status != _OK or self._tells_by_http_alone):
                return self._stateless((f"HTTP {http_status}", phase), job_id, body)
            if isinstance(error, msgspec.ValidationError) and (problem := read_problem(body)) is not None:
                raise msgspec.ValidationError(f"{error}; it says: {problem}") from None
            raise

        if isinstance(seen, Fault) and self._loose.fields.limited and self.is_limited(body):
            return _limited(http_status, body)
        return seen

    def _reply(self, body: bytes, http_status: int, job_id: str, headers: Mapping[str, str]) -> Job | Fault:
        layout, root = self._decoded(body)
        given = self._given_with(job_id)
        if headers:
            given = {**given, **{header_key(name): value for name, value in headers.items()}}
        base = None if root is None else layout.base(root, given)
        phase = self._phase_of(http_status, body)
        otherwise = None if phase is None else (f"HTTP {http_status}", phase)
        fields, scope = layout.fields, layout.fields.scope(base, root, given)
        if base is UNSET or base is None:
            state = self._beside(fields, layout.fields.scope(None, root, given)) if layout.is_scoped else None
            if isinstance(state, FaultKind):
                return _no_such_job(http_status, body)
            otherwise = state or otherwise
            if base is UNSET and state is None:
                raise msgspec.ValidationError(f"Object missing required field - at `{self._root_shown()}`")
            if base is None and root is not None and layout.is_searched and self._words.absent is not None:
                otherwise = otherwise or (ABSENT, self._words.absent)
            return _not_there(http_status, body) if otherwise is None else self._stateless(otherwise, job_id, body)
        if _any_holds(fields.missing, scope):
            return _no_such_job(http_status, body)
        if fields.limited and _tells_no_state(fields, scope) and _any_holds(fields.limited, scope):
            return _limited(http_status, body)
        return self.job(fields, scope, job_id, otherwise) or _not_there(http_status, body)

    def _phase_of(self, http_status: int, body: bytes) -> Phase | None:
        """Return what an HTTP status means where the body tells no state: 200 nothing, where that tells nothing at all.

        A 200 is what any reply has that could be read, so it is a state beside others only of what is there.
        """
        is_nothing = http_status == _OK and not self._tells_by_http_alone and _NOTHING.fullmatch(body) is not None
        return None if is_nothing else self._http.get(http_status)

    def _decoded(self, body: bytes) -> tuple[Layout, object]:
        """Return a body decoded, and how the fields lie in it: as JSON, or as the text that it may be."""
        try:
            return self._layout, self._layout.decode(body)
        except msgspec.ValidationError:
            return self._loose, self._loose.decode(body)
        except (msgspec.DecodeError, UnicodeError):
            line = line_in(body) if self._layout.is_whole else None
            if line is None:
                raise
            return self._loose, line

    def _root_shown(self) -> str:
        if self._root is None:
            return "$"
        return shown(self._root.place.path) if self._root.place is not None else self._root.text

    def _given_with(self, job_id: str | None) -> Mapping[str, str]:
        if not (self._layout.is_scoped or self._layout.is_searched):
            return self._given
        return self._given if job_id is None else {**self._given, "job_id": job_id}

    def _beside(self, fields: Extractors, scope: object) -> tuple[str, Phase] | FaultKind | None:
        """Return what the conditions that look beyond the root say of a job that does not lie there."""
        if any(condition.whole and holds(plain(condition.value(scope))) for condition in fields.missing):
            return FaultKind.NOT_FOUND
        nothing = _any_holds(fields.nothing, scope)
        for phase, conditions in fields.decided:
            if not (nothing and phase in _ENDS) and _any_holds([each for each in conditions if each.whole], scope):
                return phase.value, phase
        return None

    def is_missing(self, body: bytes) -> bool:
        """Whether an error reply's body says, by the table's conditions, that there is no such job."""

        def beside(fields: Extractors, scope: object) -> bool:
            return self._loose.is_scoped and self._beside(fields, scope) is FaultKind.NOT_FOUND

        return self._says(body, lambda fields: fields.missing, beside)

    def is_limited(self, body: bytes) -> bool:
        """Whether a body without a status that can be read says, by the table's conditions, that looks are too many."""
        return self._says(body, lambda fields: fields.limited)

    def is_unauthorized(self, body: bytes, http_status: int) -> bool:
        """Whether a reply says, by the table's conditions, that the token was refused; a state of a job never does."""
        is_good = 200 <= http_status <= 299
        return self._says(body, lambda fields: fields.refused, beside_no_state=is_good)

    def may_be_unauthorized(self, body: bytes, http_status: int) -> bool:
        """Whether a reply that is no success may say, by the table's conditions, that the token was refused."""
        return not 200 <= http_status <= 299 and self._says(body, lambda fields: fields.renewed)

    def _says(
        self,
        body: bytes,
        conditions: Callable[[Extractors], Sequence[Condition]],
        beside: Callable[[Extractors, object], bool] | None = None,
        *,
        beside_no_state: bool = False,
    ) -> bool:
        """Whether a condition holds on a body.

        Args:
            body: The body.
            conditions: The conditions.
            beside: Tells it where nothing lies at the root; by default those do that start at the whole reply.
            beside_no_state: Whether none holds of a body that tells a state.
        """
        try:
            root = self._loose.decode(body)
            base = None if root is None else self._loose.base(root, self._given)
            fields = self._loose.fields
            if base is None or base is UNSET:
                scope = fields.scope(None, root, self._given)
                whole = [each for each in conditions(fields) if each.whole]
                return _any_holds(whole, scope) if beside is None else beside(fields, scope)
            scope = fields.scope(base, root, self._given)
            if beside_no_state and not _tells_no_state(fields, scope):
                return False
            return _any_holds(conditions(fields), scope)
        except (ValueError, RecursionError):  # no JSON, not UTF-8, or nested too deeply: its HTTP status says all
            return False

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
            error=self._problem(fields.error, base) if fields.error and _may_be_wrong(phase) else None,
            result=plain(_first(fields.result, base)) if fields.result and ended else None,
            asked=_asked(fields.asked, base) if fields.asked and phase is Phase.BLOCKED else None,
            **found,
        )

    def jobs(self, fields: Extractors, entries: Sequence[object] | None, whole: object = None) -> tuple[Job, ...]:
        """Read the first `MOST_JOBS` of a list; those that cannot be read are left out, unless none can.

        What a list tells twice, and once so that it is no job or cannot be read, it tells in two ways: neither is to be
        believed.
        """
        found: list[Job] = []
        unread: set[str] = set()
        wrong: msgspec.ValidationError | None = None
        for entry in (entries or ())[:MOST_JOBS]:
            scope = fields.scope(entry, whole, self._given)
            try:
                gone = entry is None or _any_holds(fields.missing, scope)
                job = None if gone else self.job(fields, scope, None)
            except msgspec.ValidationError as error:
                wrong, job = wrong or error, None
            if job is not None:
                found.append(job)
            elif (named := _named(fields, scope)) is not None:
                unread.add(in_one_spelling(named))
        if wrong is not None and not found:
            raise wrong
        return tuple(job for job in found if in_one_spelling(job.id) not in unread) if unread else tuple(found)

    def _state(self, fields: Extractors, base: object, otherwise: tuple[str, Phase] | None) -> tuple[str, Phase] | None:
        nothing = _any_holds(fields.nothing, base)
        for phase, conditions in fields.decided:
            if not (nothing and phase in _ENDS) and _any_holds(conditions, base):
                return self._own_word(fields, base, phase), phase
        state, is_nothing = self._told(fields, base, otherwise)
        if state is not None and (nothing or is_nothing) and state[1] in _ENDS:
            return state[0], Phase.UNKNOWN
        return state

    def _told(
        self, fields: Extractors, base: object, otherwise: tuple[str, Phase] | None
    ) -> tuple[tuple[str, Phase] | None, bool]:
        """Return the state that the status tells, and whether a word was met that says that nothing is an end."""
        is_empty, null, nothing = False, False, None
        for name, reader in fields.status:
            value = reader(base)
            if value is UNSET:
                continue
            if not can_read(value):
                raise msgspec.ValidationError("the status is of more words than any job has")
            if value is None or value in ("", []):
                is_empty, null = True, null or value is None
                continue
            if self._words.says_nothing(value):
                nothing = nothing or self._words.meaning(value, name)
                continue
            state = self._words.meaning(value, name)
            if otherwise is None and not is_empty:
                return state, nothing is not None
            given = self._words.is_given(value)
            if is_empty and not given and state[1] in _ENDS:
                state = state[0], Phase.UNKNOWN  # "completed" may only say "over" while how it ended is still empty
            return (state if otherwise is None else _decided(state, otherwise, given=given)), nothing is not None
        if otherwise is not None:
            return otherwise, nothing is not None
        if not null and nothing is None and self._words.absent is not None:
            return (f"no {_name_of(fields)}" if fields.status else ABSENT, self._words.absent), False
        if null or nothing is not None:
            missing = nothing is None and fields.id and _first(fields.id, base) in (None, UNSET)
            return None if missing else nothing or self._words.meaning(None), nothing is not None
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
        if len(table) > MOST_ENTRIES:
            return None
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
        """Read a history; None where there is none, it is longer than any, or an entry of it cannot be read."""
        entries = extractors.entries(base)
        if entries is None or entries is UNSET or len(entries) > MOST_ENTRIES:
            return None
        whole, given = (base.whole, base.given) if isinstance(base, Scope) else (None, self._given)
        events: list[Event] = []
        for entry in entries:
            if entry is None:
                continue
            scope = extractors.scope(entry, whole, given)
            value = _first(extractors.status, scope)
            if value is UNSET or value == [] or not can_read(value):
                return None
            events.append(Event(*self._words.meaning(value), self._moment(extractors.at, scope, {})))
        return tuple(events)

    def _problem(self, extractor: Extractor, base: object) -> Problem | None:
        for reader in extractor:
            told = plain(reader(base))
            if self._no_error and isinstance(told, str) and normalized(told) in self._no_error:
                continue
            if (found := problem_of(told)) is not None:
                return found
        return None

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


def _decoded_whole(body: bytes) -> object:
    return plain(msgspec.Raw(body or b" "))


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


def _named(fields: Extractors, scope: object) -> str | None:
    """Return the id of what cannot be read, if that can."""
    try:
        return _text(fields.id, scope)
    except msgspec.ValidationError:
        return None


def _number(kind: type[_Number], value: Any) -> _Number | None:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _progress(progress: Sequence[Progress], base: object) -> float | None:
    for each in progress:
        told = _first(each.value, base)
        fraction = _FRACTION.fullmatch(told) if isinstance(told, str) and each.whole == 1.0 else None
        percent = _PERCENT.fullmatch(told) if isinstance(told, str) else None
        if fraction is not None:
            value, whole = _number(float, fraction[1]), _number(float, fraction[2])
        elif percent is not None:
            value, whole = _number(float, percent[1]), 100.0
        else:
            value = _number(float, told)
            whole = _number(float, _first(each.whole, base)) if isinstance(each.whole, tuple) else each.whole
        if value is not None and whole is not None and whole > 0 and 0.0 <= value / whole <= 1.0:
            return value / whole
    return None


def _any_holds(conditions: Sequence[Condition], base: object) -> bool:
    return bool(conditions) and any(holds(plain(condition.value(base))) for condition in conditions)


def _asked(extractor: Extractor, base: object) -> str | None:
    """Return what a blocked job asks, as text: the message of an object, and anything else as JSON writes it."""
    told = (problem_of(plain(reader(base))) for reader in extractor)
    return next((each.message[:_LONGEST_TEXT] for each in told if each is not None), None)


def _name_of(fields: Extractors) -> str:
    return fields.status[0][0] or "status"


def _may_be_wrong(phase: Phase) -> bool:
    """Whether a message can be an error's: of a job that goes on or succeeded it tells something else."""
    return phase in _BAD_ENDS or phase is Phase.UNKNOWN or phase is Phase.FINISHED


def _not_there(http_status: int, body: bytes) -> Fault:
    """Say why a reply holds nothing where the job should be: an API that reports an error has not looked for it."""
    problem = reported_error(body)
    if problem is not None:
        return Fault(FaultKind.UNREACHABLE, f"the API reports an error: {problem.message[:_SHOWN]}", http_status)
    return _no_such_job(http_status, body)


def _tells_no_state(fields: Extractors, scope: object) -> bool:
    """Whether a reply has no status, or in a table without one nothing that decides the state."""
    if fields.status:
        return all(reader(scope) in (None, UNSET, "", []) for _, reader in fields.status)
    return not any(_any_holds(conditions, scope) for _, conditions in fields.decided)


def _limited(http_status: int, body: bytes) -> Fault:
    problem = read_problem(body)
    message = "the API asked for fewer requests" + (f": {problem.message[:_SHOWN]}" if problem is not None else "")
    return Fault(FaultKind.RATE_LIMITED, message, http_status)


def _no_such_job(http_status: int, body: bytes) -> Fault:
    problem = read_problem(body)
    message = "the API knows no such job" + (f": {problem.message[:_SHOWN]}" if problem is not None else "")
    return Fault(FaultKind.NOT_FOUND, message, http_status)
