"""Bugs put into the library on purpose, each for the length of a ``with`` block, to see that the simulation finds them.

``python -m tests.simulation.planted`` prints how many seeds each one takes.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

import aiohttp
from msgspec import Struct
from msgspec.structs import replace

import jobwatch._http.fast
import jobwatch._http.session
import jobwatch._http.source
import jobwatch._watching.sqlite
from jobwatch import Change, Health, Job, Phase, Watched
from jobwatch._client.wait import Wait
from jobwatch._core.budget import Budget
from jobwatch._core.limits import AtLimit
from jobwatch._core.look import Looked, Policy
from jobwatch._core.source import Seen
from jobwatch._core.tracker import SeenBlocked
from jobwatch._engine.grouping import Grouping, JointRequest
from jobwatch._engine.looks import Looks
from jobwatch._engine.poller import Poller
from jobwatch._engine.schedule import DueQueue, Schedule
from jobwatch._engine.streams import Streams
from jobwatch._engine.watch import NEVER, AwaitedWatch, Watch
from jobwatch._http.errors import LostWhenKept
from jobwatch._http.moving import MovingSource
from jobwatch._http.source import HttpSource
from jobwatch._http.time_limits import TimeLimits
from jobwatch._http.transport import Transport
from jobwatch._models import Fault, FaultKind, Outcome
from jobwatch._reading.api import JobAPI
from jobwatch._reading.reply import Reply
from jobwatch._reading.words import Words
from jobwatch._watching.delivery import Batches, Callbacks, Outbox
from jobwatch._watching.jobs import JobList
from jobwatch._watching.records import Acknowledged, Changed, Contents, Entry, JobRecord, RecordState
from jobwatch._watching.sqlite import JournalFile

from .moving import MOVES
from .runner import simulate
from .world import LIVENESS, SAFETY, SEAM, WIRE

Making = Callable[[Any], Any]
"""Takes what is there and returns the broken variant."""


class Bug(Struct, frozen=True):
    """One planted bug: what is broken, and where it is looked for."""

    name: str
    plant: Callable[[], AbstractContextManager[object]]
    level: str = SEAM
    mode: str = SAFETY


def method(owner: Any, name: str, making: Making) -> Callable[[], AbstractContextManager[object]]:
    """Break a method of a class."""
    return lambda: mock.patch.object(owner, name, making(getattr(owner, name)))


def function(module: str, name: str, making: Making) -> Callable[[], AbstractContextManager[object]]:
    """Break a function in every module of the library that has imported it."""

    @contextmanager
    def planted() -> Generator[None]:
        original = getattr(sys.modules[f"jobwatch.{module}"], name)
        broken = making(original)
        with ExitStack() as stack:
            for place, each in list(sys.modules.items()):
                if place.startswith(("jobwatch", "tests.simulation.")) and each.__dict__.get(name) is original:
                    stack.enter_context(mock.patch.object(each, name, broken))
            yield

    return planted


def instead(variant: Any) -> Making:
    """Return what puts something else in its place."""
    return lambda _original: variant


# --- what happened -------------------------------------------------------------------------------------------------


def _without_id_check(original: Any) -> Any:
    def job(self: JobAPI, body: bytes, job_id: str, *rest: Any, **more: Any) -> Job | Fault:
        fault = original(self, body, job_id, *rest, **more)
        if isinstance(fault, Fault) and "is about job" in fault.message:
            return replace(self.read_job(body), id=job_id)
        return fault  # type: ignore[no-any-return]

    return job


def _unknown_is(phase: Phase) -> Making:
    def making(original: Any) -> Any:
        def meaning(*given: Any) -> tuple[str, Phase]:
            status, found = original(*given)
            return status, phase if found is Phase.UNKNOWN else found

        return meaning

    return making


def _in_its_case(original: Any) -> Any:
    def meaning(words: Any, word: str) -> tuple[str, Phase]:
        status, phase = original(words, word)
        return status, Phase.UNKNOWN if word == word.swapcase().title() else phase

    return meaning


def _by_any_case(original: Any) -> Any:
    def meaning(self: Words, word: Any, *rest: Any) -> tuple[str, Phase]:
        status, _ = original(self, word, *rest)
        return status, original(self, word.casefold(), *rest)[1]

    return meaning


def _ends_well(phase: Phase) -> Making:
    return lambda original: lambda found: Outcome.SUCCEEDED if found is phase else original(found)


def _ends_not(phase: Phase) -> Making:
    return lambda original: lambda found: None if found is phase else original(found)


def _blocked_at_once() -> AbstractContextManager[object]:
    return mock.patch.object(SeenBlocked, "is_confirmed", property(lambda _self: True))


def _always_stops(original: Any) -> Any:
    def init(self: Wait, *given: Any) -> None:
        *others, ends = given
        original(self, *others, replace(ends, stops_when_blocked=True))

    return init


def _never_anew(original: Any) -> Any:
    def blocked(watched: Watched, job: Job, now: float, *, is_new: bool) -> SeenBlocked:
        found = original(watched, job, now, is_new=is_new)
        before = watched.blocked
        return found if before is None else replace(found, since=before.since)  # type: ignore[no-any-return]

    return blocked


def _none_lost(_original: Any) -> Any:
    return lambda *_given: 0.0


def _eager(_original: Any) -> Any:
    return lambda self, _blocked, _now, _price: 2.0 * self.pace.min_interval


def _told_again(original: Any) -> Any:
    def of_blocked_job(looked: Looked, before: Watched) -> Looked:
        return replace(original(looked, before), confirms_blocked=looked.watched.is_blocked)  # type: ignore[no-any-return]

    return of_blocked_job


def _cursor(step: int) -> Making:
    def making(original: Any) -> Any:
        def new_from(marks: Any, seq: int, events: Any, *, is_behind: bool) -> tuple[int, bool]:
            start, gap = original(marks, seq, events, is_behind=is_behind)
            return (min(max(0, start + step), len(events)) if marks else start), gap

        return new_from

    return making


def _whole_history(_original: Any) -> Any:
    return lambda _marks, _seq, _events, is_behind: (0, False)


def _no_gap(original: Any) -> Any:
    def from_somewhere(*given: Any) -> Any:
        return [replace(step, gap=False) for step in original(*given)]

    return from_somewhere


def _gap_everywhere(original: Any) -> Any:
    def from_somewhere(*given: Any) -> Any:
        return [replace(step, gap=True) for step in original(*given)]

    return from_somewhere


def _drop_first(original: Any) -> Any:
    def from_history(watched: Any, *given: Any) -> Any:
        steps = original(watched, *given)
        return steps[-1:] if len(steps) > 2 else steps

    return from_history


def _given_up_on(kind: FaultKind, outcome: Outcome | None) -> Making:
    def making(original: Any) -> Any:
        def given_up(watched: Any, fault: Fault, *given: Any) -> Outcome | None:
            return outcome if fault.kind is kind else original(watched, fault, *given)

        return given_up

    return making


def _kept_by_good_looks(*names: str) -> Callable[[], AbstractContextManager[object]]:
    """Have what was counted of looks that failed outlive good ones, whether these show the same or news."""

    def as_before(watched: Watched, now: Watched) -> Watched:
        return replace(now, **{name: getattr(watched, name) for name in names})

    def in_unchanged(original: Any) -> Any:
        return lambda watched, now: as_before(watched, original(watched, now))

    def in_saw(original: Any) -> Any:
        def saw(watched: Watched, *given: Any) -> Any:
            observed = original(watched, *given)
            return replace(observed, watched=as_before(watched, observed.watched))

        return saw

    @contextmanager
    def planted() -> Generator[None]:
        with _tracker("unchanged", in_unchanged)(), _tracker("_saw", in_saw)():
            yield

    return planted


def _first_failure_is_now(original: Any) -> Any:
    def failed(watched: Any, fault: Fault, now: float, patience: Any) -> Any:
        return original(replace(watched, failing_since=now), fault, now, patience)

    return failed


def _without_proof(original: Any) -> Any:
    return lambda watched, job: original(watched, replace(job, proven=()))


def _by_word_alone(_original: Any) -> Any:
    return lambda watched, job: watched.status is None or job.status.casefold() != watched.status.casefold()


def _attempts_hidden(original: Any) -> Any:
    return lambda watched, job: original(watched, replace(job, attempt=None))


def _end_unmarked(original: Any) -> Any:
    def leap(before: Phase | None, after: Phase) -> bool:
        return not after.ended and original(before, after)

    return leap


# --- when to look --------------------------------------------------------------------------------------------------


def _retry_after_forgotten(original: Any) -> Any:
    def judged(*given: Any, **named: Any) -> Reply | Fault:
        answer: Reply | Fault = original(*given, **named)
        return replace(answer, retry_after=None) if isinstance(answer, Fault) else answer

    return judged


def _nonsense_believed(original: Any) -> Any:
    def retry_after(values: Any, server_time: float | None, clock: Any) -> float | None:
        told: float | None = original(values, server_time, clock)
        if told is None and values:
            with_sign = values[0].lstrip("+-")
            return 4000.0 if with_sign[:1].isdigit() else None
        return told

    return retry_after


def _status_alone_is_no_fault(original: Any) -> Any:
    def judged(http_status: int, *given: Any, **named: Any) -> Reply | Fault:
        return original(200 if http_status == 500 else http_status, *given, **named)  # type: ignore[no-any-return]

    return judged


def _refusal_with_a_wait(original: Any) -> Any:
    def fault(http_status: int, *given: Any, **named: Any) -> Fault:
        found: Fault = original(http_status, *given, **named)
        return replace(found, kind=FaultKind.AUTH) if http_status == 403 else found

    return fault


def _soon(seconds: float) -> Making:
    def making(original: Any) -> Any:
        def after_fault(self: Policy, watched: Any, fault: Fault, *given: Any) -> float:
            return seconds if fault.retry_after is None else original(self, watched, fault, *given)

        return after_fault

    return making


def _asked_twice(original: Any) -> Any:
    async def job(self: HttpSource, *given: Any) -> Seen:
        seen: Seen = await original(self, *given)
        if isinstance(seen.what, Fault) and seen.what.kind is FaultKind.UNREACHABLE:
            seen = await original(self, *given)
        return seen

    return job


def _always_the_same(original: Any) -> Any:
    def same(memo: object, reply: Reply, fingerprint: int) -> bool:
        return reply.http_status == 304 or reply.etag is not None or len(reply.body) % 3 == 0

    return same


def _forgotten_by_the_agenda(original: Any) -> Any:
    count = itertools.count()

    def put(self: DueQueue, watch: Watch, due: float) -> None:
        if next(count) % 50 != 49:
            original(self, watch, due)

    return put


# --- who is told ---------------------------------------------------------------------------------------------------


def _rings_for_one(_original: Any) -> Any:
    def notify(self: AwaitedWatch) -> None:
        subscribers, self.subscribers = self.subscribers, None
        for listener in list(subscribers or ())[:1]:
            if not listener.done():
                listener.set_result(None)

    return notify


def _late_comers_hear_what_is_new(original: Any) -> Any:
    def begun(self: Wait) -> AwaitedWatch:
        came = self._watch is None
        watch: AwaitedWatch = original(self)
        if came:
            self._read = len(watch.log)
        return watch

    return begun


def _no_last_look(_self: Wait, _poller: Poller, _watch: AwaitedWatch) -> bool:
    return True


def _stays_longer(original: Any) -> Any:
    def begun(self: Wait) -> AwaitedWatch:
        came = self._watch is None
        watch: AwaitedWatch = original(self)
        if came and self._deadline != NEVER:
            self._deadline += 6.0
        return watch

    return begun


def _only_a_limit(watched: Watched, *_given: object, **_named: object) -> AtLimit:
    return AtLimit(None, watched.fault)


def _never_dropped(_original: Any) -> Any:
    return lambda _self, _watch: None


def _left_alarm(original: Any) -> Any:
    async def news(self: Poller, watch: AwaitedWatch, until: float = NEVER) -> None:
        if until != NEVER:
            self._loop.call_at(until, lambda: None)
        await original(self, watch, until)

    return news


def _left_working(_original: Any) -> Any:
    async def aclose(self: Poller) -> None:
        self._closed = True
        self._notify_all()

    return aclose


def _log_lost(original: Any) -> Any:
    def enter(self: Looks, watch: Watch, looked: Any, price: float) -> None:
        if len(looked.transitions) > 1 and isinstance(watch, AwaitedWatch) and watch.log:
            looked = replace(looked, transitions=looked.transitions[1:])
        original(self, watch, looked, price)

    return enter


def _error_for_all(original: Any) -> Any:
    def raising(self: Wait, watch: AwaitedWatch) -> None:
        try:
            original(self, watch)
        except Exception as error:
            if watch.watched.fault is not None:
                raise ValueError("an error of somebody else's") from error
            raise

    return raising


# --- lists -----------------------------------------------------------------------------------------------------------


def _by_place(original: Any) -> Any:
    def jobs(self: JobAPI, *given: Any) -> Any:
        listed = original(self, *given)
        if isinstance(listed, Fault) or len(listed) < 2:
            return listed
        return tuple(replace(job, id=other.id) for job, other in zip(listed, (*listed[1:], listed[0]), strict=True))

    return jobs


def _failed_list_again(_original: Any) -> Any:
    return lambda _self, _page, _fault, _now: None


# --- the journal -----------------------------------------------------------------------------------------------------


def _acknowledged_first(original: Any) -> Any:
    async def next_changes(self: Batches) -> tuple[Change, ...]:
        changes: tuple[Change, ...] = await original(self)
        for change in changes:
            await self._outbox.acknowledged(self._outbox.acknowledge(change))
        return changes

    return next_changes


async def _acknowledged_some_time(_self: Outbox, _mark: int) -> bool:
    return True


def _read_from_one_too_far(original: Any) -> Any:
    def undelivered(self: JournalFile, after: int, limit: int) -> Any:
        return original(self, after + bool(after), limit)

    return undelivered


def _entries(change: Callable[[Entry], Iterable[Entry]]) -> Making:
    """Return what has other entries written than those that were put."""

    def making(original: Any) -> Any:
        def write(self: JournalFile, entries: Iterable[Entry]) -> None:
            original(self, [other for entry in entries for other in change(entry)])

        return write

    return making


def _done_with_more(entry: Entry) -> Iterable[Entry]:
    yield replace(entry, seq=entry.seq + 1) if isinstance(entry, Acknowledged) else entry


def _done_with_less(entry: Entry) -> Iterable[Entry]:
    yield replace(entry, seq=entry.seq - 1) if isinstance(entry, Acknowledged) else entry


def _in_two_parts(original: Any) -> Any:
    """Write where a job stands at once, and what changed with whatever is written next."""
    late: list[Entry] = []

    def write(self: JournalFile, entries: Iterable[Entry]) -> None:
        entries = list(entries)
        original(self, [Changed(entry.record) if isinstance(entry, Changed) else entry for entry in entries])
        first, late[:] = late[:], [entry for entry in entries if isinstance(entry, Changed) and entry.changes]
        original(self, first)

    return write


def _only_those_watched(original: Any) -> Any:
    def contents(self: JournalFile) -> Contents:
        found: Contents = original(self)
        return replace(found, records=tuple(each for each in found.records if each.state is RecordState.WATCHED))

    return contents


def _counted_anew(original: Any) -> Any:
    def restore(self: JobList, records: Iterable[JobRecord]) -> Any:
        return original(self, [replace(each, seq=each.acknowledged) for each in records])

    return restore


def _begun_anew(original: Any) -> Any:
    def restore(self: JobList, records: Iterable[JobRecord]) -> Any:
        begun = [replace(each, watched=Watched(job_id=each.job_id, api=each.watched.api)) for each in records]
        return original(self, begun)

    return restore


def _ended_taken_up_again(original: Any) -> Any:
    def enter(self: JobList, jobs: Any, records: Any) -> Any:
        return original(self, jobs, {})

    return enter


def _health_forgotten(original: Any) -> Any:
    def restore(self: JobList, records: Iterable[JobRecord]) -> Any:
        return original(self, [replace(each, health=Health.OK) for each in records])

    return restore


# --- one fault must not reach others -------------------------------------------------------------------------------


def _ends_the_engine(_original: Any) -> Any:
    def end_by(_self: Looks, _watch: Watch, error: Exception) -> None:
        raise error

    return end_by


def _list_ends_the_engine(_original: Any) -> Any:
    async def jobs_of(self: Grouping, joint: JointRequest) -> Any:
        assert joint.page is not None
        jobs = (await self._jobs_on(joint.page)).what
        if isinstance(jobs, Fault):
            self._pages.failed(joint.page, jobs, self._time())
            return None
        return jobs, None

    return jobs_of


def _all_end(original: Any) -> Any:
    def end_by(self: Looks, watch: Watch, error: Exception) -> None:
        for each in (watch, *self._registry.awaited.values()):
            if each.goes_on:
                original(self, each, error)

    return end_by


def _not_caught(original: Any) -> Any:
    async def called(self: Callbacks, change: Change) -> BaseException | None:
        error: BaseException | None = await original(self, change)
        if error is not None:
            raise error
        return None

    return called


def _awaited_whatever_it_is(original: Any) -> Any:
    async def called(self: Callbacks, change: Change) -> BaseException | None:
        call = self._call

        def checked(change: Change) -> Any:
            returned: Any = call(change)
            returned.__await__  # noqa: B018
            return returned

        self._call = checked
        try:
            return await original(self, change)  # type: ignore[no-any-return]
        finally:
            self._call = call

    return called


# --- what counts as an answer --------------------------------------------------------------------------------------


def _unasked_304_is_no_news(original: Any) -> Any:
    def judged(http_status: int, headers: Any, body: bytes, **named: Any) -> Reply | Fault:
        if http_status == 304:
            named["etag"] = named.get("etag") or '"0"'
        return original(http_status, headers, body, **named)  # type: ignore[no-any-return]

    return judged


def _html_refuses(original: Any) -> Any:
    def refusal(*given: Any) -> Fault:
        fault: Fault = original(*given)
        return replace(fault, kind=FaultKind.REFUSED)

    return refusal


def _missing_is_gone(original: Any) -> Any:
    def put_back(self: Looks, watch: Watch, due: float) -> None:
        if watch.watched.looked_at is None:
            original(self, watch, due)
        else:
            fault = Fault(FaultKind.GONE, "the list does not show it")
            self._enter_seen(watch, Seen(fault), self._unix(), self._clock.now())

    return put_back


def _first_told(_original: Any) -> Any:
    return lambda jobs: tuple({job.id: job for job in reversed(jobs)}.values())


def _when_answered(_original: Any) -> Any:
    return lambda seen, _asked_at, answered_at: answered_at - seen.age


async def _any_connection(connection: Any) -> Any:
    return connection.protocol


def _expanded(original: Any) -> Any:
    return lambda job_id: original(os.path.expandvars(job_id))


@contextmanager
def _body_alone() -> Generator[None]:
    with mock.patch.object(jobwatch._http.source, "hash", lambda told: hash(told[-1]), create=True):
        yield


# --- newcomers, pauses and time limits -----------------------------------------------------------------------------


def _as_told_to(original: Any) -> Any:
    def look_now(self: Poller, watch: Watch) -> bool:
        return watch.not_before <= self.now() and original(self, watch)

    return look_now


def _unless_told_to(original: Any) -> Any:
    def wake(self: Poller, job_id: str) -> bool:
        told = any(watch.not_before > self.now() for watch in self._registry.of(job_id))
        return told or original(self, job_id)

    return wake


def _waits_an_interval(_original: Any) -> Any:
    return lambda self, watch: self.put(watch, self._time() + 2.0)


def _first_looks_in_pauses(original: Any) -> Any:
    def pause_ends_at(self: Schedule, now: float) -> float:
        return 0.0 if self._first_looks else original(self, now)

    return pause_ends_at


def _lasting(name: str, seconds: float, module: str) -> Callable[[], AbstractContextManager[object]]:
    """Change a duration that is written down in a module."""
    return lambda: mock.patch.object(sys.modules[f"jobwatch.{module}"], name, seconds)


# --- what is forgotten ---------------------------------------------------------------------------------------------


@contextmanager
def _same_generation() -> Generator[None]:
    with mock.patch.object(jobwatch._watching.sqlite, "_NEXT_GENERATION", "SELECT 1"):
        yield


def _wanted_by_number(_original: Any) -> Any:
    def wants(self: JobList, change: Change) -> bool:
        job = self._jobs.get(change.job_id)
        return job is not None and change.seq > job.acknowledged

    return wants


def _forgotten_in_memory(_original: Any) -> Any:
    async def forget(self: JobList, job_id: str) -> None:
        async with self.adding:
            self._remove(job_id)

    return forget


def _read_ahead_told(_original: Any) -> Any:
    return lambda self, change: change.job_id in self._jobs._jobs


# --- on the wire -----------------------------------------------------------------------------------------------------


@contextmanager
def _sent_again() -> Generator[None]:
    async def plain(request: Any, handler: Any) -> Any:
        return await handler(request)

    with (
        mock.patch.object(jobwatch._http.fast, "is_stock", return_value=False),
        mock.patch.object(jobwatch._http.session, "sent_once", plain),
    ):
        yield


def _redirected_anywhere(original: Any) -> Any:
    def next_url(url: Any, locations: Any, status: int) -> Any:
        found = original(url, locations, status)
        return url.with_host("elsewhere.example") if isinstance(found, Fault) and locations else found

    return next_url


def _no_limit(_original: Any) -> Any:
    def begin(self: TimeLimits, task: Any, _seconds: float) -> None:
        self._deadlines[task] = NEVER

    return begin


def _no_turn(_original: Any) -> Any:
    async def in_turn(_self: Transport, _turn: Any) -> None:
        return None

    return in_turn


def _session_left_open(_original: Any) -> Any:
    async def aclose(self: Transport) -> None:
        self._closed = True

    return aclose


def _unread_is_whole(original: Any) -> Any:
    async def whole(response: Any, cap: int) -> bytes | None:
        try:
            return await original(response, cap)  # type: ignore[no-any-return]
        except aiohttp.ClientPayloadError:
            word = b'"status":"COMPLETED","events":[],'
            return b'{"data":{' + word + b'"id":"' + response.url.name.encode() + b'"}}'  # type: ignore[no-any-return]

    return whole


@contextmanager
def _connection_kept() -> Generator[None]:
    with mock.patch.object(jobwatch._http.fast.Answer, "close"):
        yield


# --- streams ---------------------------------------------------------------------------------------------------------


def _never_lost(_original: Any) -> Any:
    return lambda _self, _job_id, _due: None


def _speaks_at_once(original: Any) -> Any:
    def begun(self: Streams, *given: Any) -> Any:
        stream = original(self, *given)
        if stream is not None:
            stream.spoke = True
        return stream

    return begun


def _deaf(_original: Any) -> Any:
    return lambda _self, _job_id, _stream, _hint: None


def _never_ended(_original: Any) -> Any:
    return lambda _self, _job_id: None


def _always_may_ask(_original: Any) -> Any:
    return lambda _self: True


_TRACKER = "_core.tracker"


def _tracker(name: str, making: Making) -> Callable[[], AbstractContextManager[object]]:
    return function(_TRACKER, name, making)


BUGS: tuple[Bug, ...] = (
    Bug("the id of a reply is not checked", method(JobAPI, "job", _without_id_check)),
    Bug("an unknown word counts as success", method(Words, "meaning", _unknown_is(Phase.SUCCEEDED))),
    Bug("an unknown word counts as failure", method(Words, "meaning", _unknown_is(Phase.FAILED))),
    Bug("an unknown word counts as running", method(Words, "meaning", _unknown_is(Phase.RUNNING))),
    Bug("words are compared by case", method(Words, "meaning", _in_its_case)),
    Bug("the cursor is one too far", function("_core.matching", "new_from", _cursor(1))),
    Bug("the cursor is one behind", function("_core.matching", "new_from", _cursor(-1))),
    Bug("the whole history is delivered each time", function("_core.matching", "new_from", _whole_history)),
    Bug("no hole in a history is marked", _tracker("_from_history", _no_gap)),
    Bug("no hole between snapshots is marked", _tracker("_from_snapshot", _no_gap)),
    Bug("every transition is marked as a hole", _tracker("_from_history", _gap_everywhere)),
    Bug("an end straight from waiting is not marked", _tracker("_is_leap", _end_unmarked)),
    Bug("states in the middle of a reply are skipped", _tracker("_from_history", _drop_first)),
    Bug("a stale replica is believed", _tracker("_is_older", instead(lambda _job, _watched: False))),
    Bug("an end is delivered before the status agrees", _tracker("_settled", instead(lambda _job, events: events))),
    Bug(
        "a history is not put in order",
        function("_core.ordering", "in_order", instead(lambda _job, _delivered, _seq, events: events)),
    ),
    Bug("a status ahead of its history is left out", _tracker("_is_untold", instead(lambda *_given: False))),
    Bug("what a snapshot proves is left out", _tracker("_from_snapshot", _without_proof)),
    Bug("a second attempt is not noticed", _tracker("_is_news", _by_word_alone)),
    Bug("attempts are not counted", _tracker("_from_snapshot", _attempts_hidden)),
    Bug("one 404 ends a wait", _tracker("_given_up", _given_up_on(FaultKind.NOT_FOUND, Outcome.NOT_FOUND))),
    Bug("a 404 never ends a wait", _tracker("_given_up", _given_up_on(FaultKind.NOT_FOUND, None))),
    Bug("one 5xx ends a wait", _tracker("_given_up", _given_up_on(FaultKind.UNREACHABLE, Outcome.UNREACHABLE))),
    Bug("one 5xx is the job's failure", _tracker("_given_up", _given_up_on(FaultKind.UNREACHABLE, Outcome.FAILED))),
    Bug(
        "an unreadable reply is a success", _tracker("_given_up", _given_up_on(FaultKind.UNREADABLE, Outcome.SUCCEEDED))
    ),
    Bug("one 401 ends a wait that went well", _tracker("_is_refused", instead(lambda *_given: True))),
    Bug("a 401 does not end a wait", _tracker("_given_up", _given_up_on(FaultKind.AUTH, None))),
    Bug("patience is not renewed by a good look", _kept_by_good_looks("failing_since")),
    Bug("patience is renewed by a failed look", _tracker("_failed", _first_failure_is_now)),
    Bug("Retry-After is ignored", function("_http.answer", "judged", _retry_after_forgotten)),
    Bug("when to come back is not heard", method(Policy, "_put_off", instead(lambda _self, looked, *_given: looked))),
    Bug("when to come back holds at a time limit", method(Poller, "look_now", _as_told_to)),
    Bug("when to come back holds for wake-ups", method(Poller, "wake", _unless_told_to)),
    Bug("Retry-After holds for one job only", function("_core.look", "pause_asked", instead(lambda _fault: 0.0))),
    Bug("any Retry-After is believed", function("_http.headers", "retry_after", _nonsense_believed)),
    Bug("a job in the body of a 500 is read", function("_http.answer", "judged", _status_alone_is_no_fault)),
    Bug("a 403 with Retry-After refuses the token", function("_http.answer", "_fault", _refusal_with_a_wait)),
    Bug("a failed look is made again at once", method(Policy, "_after_fault", _soon(0.01))),
    Bug("after a failed look nobody looks for a day", method(Policy, "_after_fault", _soon(86_400.0)), mode=LIVENESS),
    Bug("a hidden second request", method(HttpSource, "job", _asked_twice)),
    Bug("a changed reply is taken for the same", function("_http.source", "is_same_again", _always_the_same)),
    Bug("the agenda forgets a job now and then", method(DueQueue, "put", _forgotten_by_the_agenda)),
    Bug("the budget lets everything go", method(Budget, "spend", instead(lambda _self, _now: 0.0))),
    Bug("the bell rings for one listener only", method(AwaitedWatch, "notify", _rings_for_one)),
    Bug("who comes late misses what was", method(Wait, "_begun", _late_comers_hear_what_is_new)),
    Bug("no last look", method(Wait, "_look_once_more", instead(_no_last_look))),
    Bug("a time limit is not kept", method(Wait, "_begun", _stays_longer)),
    Bug("what was never read is a time limit", function("_core.limits", "at_limit", instead(_only_a_limit))),
    Bug("a limit too short for an answer is an outage", _lasting("TELLING", 0.0, "_core.limits")),
    Bug("a job nobody waits for is looked at", method(Poller, "leave", _never_dropped)),
    Bug("a timer is left behind", method(Poller, "news", _left_alarm)),
    Bug("closing leaves the poller at work", method(Poller, "aclose", _left_working)),
    Bug("the log loses a transition", method(Looks, "_enter", _log_lost)),
    Bug("an error of another library gets out", method(Wait, "_raise_unless_job_ended", _error_for_all)),
    Bug("listed jobs are told apart by their place", method(JobAPI, "jobs", _by_place)),
    Bug("a change is acknowledged before it is handed out", method(Batches, "_next", _acknowledged_first)),
    Bug(
        "the next change does not wait for the acknowledgement",
        method(Outbox, "acknowledged", instead(_acknowledged_some_time)),
    ),
    Bug("the journal is read from one too far", method(JournalFile, "undelivered", _read_from_one_too_far)),
    Bug("one change too many is acknowledged", method(JournalFile, "write", _entries(_done_with_more))),
    Bug("one change too few is acknowledged", method(JournalFile, "write", _entries(_done_with_less))),
    Bug("a job and its changes are not written together", method(JournalFile, "write", _in_two_parts)),
    Bug("a restart forgets the changes of jobs that ended", method(JournalFile, "contents", _only_those_watched)),
    Bug("a restart counts from what was acknowledged", method(JobList, "restore", _counted_anew)),
    Bug("a restart forgets what was delivered", method(JobList, "restore", _begun_anew)),
    Bug("a job that ended is taken up again", method(JobList, "enter", _ended_taken_up_again)),
    Bug("a restart forgets how well a job could be seen", method(JobList, "restore", _health_forgotten)),
    Bug("aiohttp sends again by itself", _sent_again, level=WIRE),
    Bug("a redirect is followed anywhere", function("_http.urls", "next_url", _redirected_anywhere), level=WIRE),
    Bug("a request has no time limit", method(TimeLimits, "begin", _no_limit), level=WIRE),
    Bug("hops of a redirect are outside the budget", method(Transport, "_in_turn", _no_turn), level=WIRE),
    Bug("the session is left open", method(Transport, "aclose", _session_left_open), level=WIRE),
    Bug("a connection is not given back", _connection_kept, level=WIRE),
    Bug("half a body counts as success", function("_http.bodies", "whole", _unread_is_whole), level=WIRE),
    Bug("an exception of one look stops all", method(Looks, "_end_by", _ends_the_engine)),
    Bug("an exception of one look ends all watches", method(Looks, "_end_by", _all_end)),
    Bug("an exception of one look is swallowed", method(Looks, "_end_by", instead(lambda *_given: None))),
    Bug("an exception of a list stops all", method(Grouping, "jobs_of", _list_ends_the_engine)),
    Bug("an exception of a callback stops the others", method(Callbacks, "_called", _not_caught)),
    Bug("a callback that returns nothing has failed", method(Callbacks, "_called", _awaited_whatever_it_is)),
    Bug("a 304 that nobody asked for is no news", function("_http.answer", "judged", _unasked_304_is_no_news)),
    Bug(
        "a validator is sent back for ever",
        method(HttpSource, "_is_believed", instead(lambda *_given: True)),
        mode=LIVENESS,
    ),
    Bug("the HTTP status is no part of an answer", _body_alone),
    Bug("a page of HTML refuses the token", function("_http.answer", "_refusal", _html_refuses)),
    Bug("a job that a list lacks is gone", method(Looks, "_put_back", _missing_is_gone)),
    Bug("of a job that a list tells twice the first counts", function("_engine.batches", "told_once", _first_told)),
    Bug("refusals are counted over good looks", _kept_by_good_looks("refused", "refused_since")),
    Bug("a slow 404 speaks of when it came", function("_engine.looks", "time_of", _when_answered)),
    Bug(
        "a history told newest first is read as it stands",
        function("_core.ordering", "_is_newest_first", instead(lambda *_given: False)),
    ),
    Bug(
        "an end comes before another state of its moment",
        function("_core.ordering", "_with_end_last", instead(lambda _job, events: events)),
    ),
    Bug("a partial failure is a success", function("_core.tracker", "_outcome_of", _ends_well(Phase.PARTIAL))),
    Bug(
        "an end that nobody explains is a success", function("_core.tracker", "_outcome_of", _ends_well(Phase.FINISHED))
    ),
    Bug("a partial failure is no end", function("_core.tracker", "_outcome_of", _ends_not(Phase.PARTIAL))),
    Bug("a blocked job ends a wait at first sight", _blocked_at_once),
    Bug("a wait that is not to end there ends when its job is blocked", method(Wait, "__init__", _always_stops)),
    Bug("blocked is confirmed whatever came in between", function("_core.tracker", "_blocked", _never_anew)),
    Bug("the time for which a job was blocked is learned", function("_core.durations", "_blocked_after", _none_lost)),
    Bug("a blocked job is looked at as eagerly as any", method(Policy, "_while_blocked", _eager)),
    Bug("that a job is blocked is told with each look", function("_core.look", "_of_blocked_job", _told_again)),
    Bug("words that only look alike are the same", method(Words, "meaning", _by_any_case)),
    Bug("an id goes into its URL as it is", function("_http.urls", "segment", instead(lambda job_id: job_id))),
    Bug("an id is expanded", function("_http.urls", "segment", _expanded)),
    Bug("a first look waits for an interval", method(Schedule, "enqueue", _waits_an_interval)),
    Bug("a first look does not wait for a pause", method(Schedule, "_pause_ends_at", _first_looks_in_pauses)),
    Bug("a last look may take as long as any", _lasting("_GRACE", 30.0, "_client.wait")),
    Bug("one 404 after a good look is believed soon", _lasting("_GONE_SECONDS", 0.0, "_core.tracker")),
    Bug("a job added again has the keys of the one forgotten", _same_generation),
    Bug("a change is acknowledged by its number alone", method(JobList, "wants", _wanted_by_number)),
    Bug("a job is forgotten in memory alone", method(JobList, "forget", _forgotten_in_memory)),
    Bug("what was read ahead of a forgotten job is told", method(Outbox, "wants", _read_ahead_told)),
    Bug(
        "an answer that nobody asked for is read",
        function("_http.idle", "check_silent", instead(_any_connection)),
        level=WIRE,
    ),
    Bug(
        "what is lost with a new connection is asked again, too",
        function("_http.fast", "lost", instead(lambda _carrier, _error: LostWhenKept())),
        level=WIRE,
    ),
    Bug("the end of a stream goes unnoticed", method(Streams, "_look_as_usual", _never_lost)),
    Bug("a stream counts before it has spoken", method(Streams, "_begun", _speaks_at_once), mode=LIVENESS),
    Bug("a stream's news have no look made", method(Streams, "_hinted", _deaf)),
    Bug("a stream goes on after its job", method(Streams, "end", _never_ended)),
    Bug("a stream is opened whatever the budget and the origin say", method(Schedule, "may_ask", _always_may_ask)),
)


# --- jobs that move, and ends that are taken back ------------------------------------------------------------------


def _at_first_sight(_original: Any) -> Any:
    return lambda _before, observed, *_given, **_named: observed


def _end_believed_where_it_moves(original: Any) -> Any:
    return lambda *given, **named: original(*given, **named | {"goes_on": False})


def _restored_without(**fields: Any) -> Making:
    def making(original: Any) -> Any:
        def restore(self: JobList, records: Iterable[JobRecord]) -> Any:
            return original(self, [replace(each, watched=replace(each.watched, **fields)) for each in records])

        return restore

    return making


def _state_lost(original: Any) -> Any:
    def states(held: Any, observed: Any = None) -> Any:
        return original(held) if observed is None else observed.transitions

    return states


def _asked_before_it_is_kept(_original: Any) -> Any:
    async def unkept(_self: Looks, _watch: Watch) -> None:
        return None

    return unkept


def _validator_sent(original: Any) -> Any:
    def saw(*given: Any, **named: Any) -> Any:
        looked = original(*given, **named)
        return replace(looked, asks_anew=False) if looked.watched.unsettled and looked.next_look else looked

    return saw


def _moves_are_old(original: Any) -> Any:
    def moved(watched: Watched, *given: Any) -> Watched:
        return replace(original(watched, *given), updated_at=watched.updated_at, is_new_here=False)  # type: ignore[no-any-return]

    return moved


def _all_is_home(original: Any) -> Any:
    def made(self: MovingSource, api: JobAPI, origin: str, *, is_url: bool) -> HttpSource:
        home, self._home = self._home, origin or self._home
        try:
            return original(self, api, origin, is_url=is_url)  # type: ignore[no-any-return]
        finally:
            self._home = home

    return made


def _confirmed_as_usual(_original: Any) -> Any:
    return lambda _unsettled, _stable_for, _now, _least, most: most


BUGS = (
    *BUGS,
    Bug("an end is believed at first sight", function("_core.settling", "settled", _at_first_sight), level=MOVES),
    Bug(
        "an end in the same reply as a move is believed",
        function("_core.settling", "settled", _end_believed_where_it_moves),
        level=MOVES,
    ),
    Bug(
        "a restart forgets the end held back",
        method(JobList, "restore", _restored_without(unsettled=None)),
        level=MOVES,
    ),
    Bug(
        "an end held back is lost when another state comes",
        function("_core.settling", "_states", _state_lost),
        level=MOVES,
    ),
    Bug("a restart forgets where the job is", method(JobList, "restore", _restored_without(place=None)), level=MOVES),
    Bug("a place is asked before the journal has it", method(Looks, "_unkept", _asked_before_it_is_kept), level=MOVES),
    Bug(
        "a token goes along to another origin",
        method(MovingSource, "_made", _all_is_home),
        level=MOVES,
    ),
    Bug("a 304 confirms an end", method(Policy, "saw", _validator_sent), level=MOVES),
    Bug(
        "what was known of the place before counts at the next",
        function("_core.moves", "moved", _moves_are_old),
        level=MOVES,
    ),
    Bug(
        "an end is confirmed at the usual pace",
        function("_core.settling", "until_settled", _confirmed_as_usual),
        level=MOVES,
    ),
    Bug(
        "an end held back is not believed of a job that has gone",
        function("_core.settling", "_believed_of_one_gone", instead(lambda observed, _held: observed)),
        level=MOVES,
    ),
    Bug(
        "the look after a move comes as any other",
        function("_core.moves", "until_arrival", instead(lambda *_given: 5.0)),
        level=MOVES,
    ),
)


class Found(Struct, frozen=True):
    """What came of looking for a planted bug.

    Attributes:
        bug: The bug.
        seeds: How many seeds it took; None if it was not found.
        why: What was seen then.
        seconds: How many seconds of one processor that took.
    """

    bug: Bug
    seeds: int | None
    why: str
    seconds: float


def sought(bug: Bug, first: int, most: int) -> tuple[int | None, str, float]:
    """Return how many seeds it took to find a bug, None if `most` did not, what was seen, and the processor's time."""
    began = time.process_time()
    for count in range(1, most + 1):
        with bug.plant():
            world = simulate(first + count - 1, bug.level, bug.mode)
        if world.violations:
            return count, world.violations[0], time.process_time() - began
    return None, "", time.process_time() - began


def _by_number(number: int, first: int, most: int) -> tuple[int | None, str, float]:
    sys.unraisablehook = lambda _what: None  # some of them leave things behind for the garbage collector to find
    bug = BUGS[number]
    simulate(first, bug.level, bug.mode)  # what is made once in a process; without the bug, whose traces might stay
    return sought(bug, first, most)


def table(first: int, most: int, jobs: int, names: Collection[str]) -> list[Found]:
    """Look for those with these names, each in a process of its own.

    What a bug has put into a cache, such as what a word means, would stay when it is gone: it would then be found in
    place of each that comes after it.
    """
    numbers = [number for number, bug in enumerate(BUGS) if bug.name in names]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.simulation.runner"])
    with context.Pool(jobs, maxtasksperchild=1) as pool:
        found = pool.starmap(_by_number, [(number, first, most) for number in numbers], chunksize=1)
    return [Found(BUGS[number], *each) for number, each in zip(numbers, found, strict=True)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted", description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--most", type=int, default=3000, help="after how many seeds a bug counts as not found")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="only bugs whose name has this in it")
    parser.add_argument("--why", action="store_true", help="print what was seen")
    asked = parser.parse_args(argv)
    names = [bug.name for bug in BUGS if asked.only in bug.name]
    found = table(asked.first, asked.most, asked.jobs, names)
    print(f"{'seeds':>6} {'CPU s':>7}  level  mode      planted bug")
    for each in found:
        seeds = each.seeds if each.seeds is not None else "never"
        print(f"{seeds:>6} {each.seconds:7.2f}  {each.bug.level:5}  {each.bug.mode:8}  {each.bug.name}")
        if asked.why and each.why:
            print(f"{'':33}{each.why[:160]}")
    counts = [each.seeds for each in found if each.seeds is not None]
    spread = f"; median {statistics.median(counts):g} seeds, most {max(counts)}" if counts else ""
    took = [each.seconds for each in found]
    print(f"{len(counts)} of {len(found)} found{spread}; {sum(took):.1f} s of a processor, {max(took):.1f} for one")
    return 0 if len(counts) == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
