"""What is due when: held against a plain sorted list, and the bells of those who wait."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobwatch import Fault, FaultKind, Outcome, Phase, Transition, Watched
from jobwatch._core.matching import Fingerprint
from jobwatch._core.moves import Place
from jobwatch._core.tracker import SeenBlocked
from jobwatch._engine.background import BackgroundWatch
from jobwatch._engine.schedule import DueQueue
from jobwatch._engine.watch import DUE, LOG_KEPT, NEVER, AwaitedWatch, Brief, Watch


def watches(count: int) -> list[AwaitedWatch]:
    return [AwaitedWatch(Watched(job_id=f"job_{number}", api="bedrock")) for number in range(count)]


def popped(due_queue: DueQueue) -> list[tuple[float, str]]:
    taken = []
    while (due := due_queue.next_due()) != NEVER:
        taken.append((due, due_queue.pop().watched.job_id))
    return taken


def test_an_empty_agenda_has_nothing_due() -> None:
    assert DueQueue().next_due() == NEVER


def test_what_is_due_first_comes_first() -> None:
    due_queue = DueQueue()
    for watch, due in zip(watches(4), [3.0, 1.0, 2.0, 1.5], strict=True):
        due_queue.put(watch, due)
    assert popped(due_queue) == [(1.0, "job_1"), (1.5, "job_3"), (2.0, "job_2"), (3.0, "job_0")]
    assert due_queue.next_due() == NEVER


def test_what_is_taken_off_is_on_it_no_more() -> None:
    due_queue = DueQueue()
    (watch,) = watches(1)
    due_queue.put(watch, 1.0)
    assert watch.due == 1.0
    assert due_queue.pop() is watch
    assert watch.due == NEVER
    due_queue.put(watch, 2.0)
    due_queue.remove(watch)
    due_queue.remove(watch)
    assert watch.due == NEVER
    assert due_queue.next_due() == NEVER


def test_what_is_moved_is_there_once() -> None:
    due_queue = DueQueue()
    first, second = watches(2)
    due_queue.put(first, 1.0)
    due_queue.put(second, 2.0)
    due_queue.put(first, 3.0)
    due_queue.put(first, 1.0)  # back to the very time at which it left a place behind
    assert popped(due_queue) == [(1.0, "job_0"), (2.0, "job_1")]


def test_watches_of_the_same_time_can_be_put_in_any_number() -> None:
    due_queue = DueQueue()
    many = watches(100)
    for watch in many:
        due_queue.put(watch, 1.0)
    assert len({job_id for _, job_id in popped(due_queue)}) == 100


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "remove", "pop"]), st.integers(0, 9), st.sampled_from([1.0, 2.0, 3.0, 4.5])
    ),
    max_size=300,
)


@given(MOVES)
def test_it_does_as_a_sorted_list_would(moves: list[tuple[str, int, float]]) -> None:
    due_queue = DueQueue()
    all_watches = watches(10)
    plain: dict[str, float] = {}
    for move, number, due in moves:
        watch = all_watches[number]
        if move == "put":
            due_queue.put(watch, due)
            plain[watch.watched.job_id] = due
        elif move == "remove":
            due_queue.remove(watch)
            plain.pop(watch.watched.job_id, None)
        elif plain:
            assert due_queue.next_due() == min(plain.values())
            first = min(plain.values())
            assert plain.pop(due_queue.pop().watched.job_id) == first
        assert due_queue.next_due() == min(plain.values(), default=NEVER)
        assert all(one.due == plain.get(one.watched.job_id, NEVER) for one in all_watches)
    rest = popped(due_queue)
    assert [due for due, _ in rest] == sorted(plain.values())
    assert {job_id: due for due, job_id in rest} == plain


def test_places_left_behind_do_not_pile_up() -> None:
    due_queue = DueQueue()
    ten = watches(10)
    for step in range(10_000):
        due_queue.put(ten[step % 10], 1.0 + step)
    assert len(due_queue._heap) < 200
    assert [job_id for _, job_id in popped(due_queue)] == [f"job_{number}" for number in range(10)]


def test_a_watch_is_small_and_nothing_the_collector_walks() -> None:
    (watch,) = watches(1)
    assert not gc.is_tracked(watch)
    assert not hasattr(watch, "__dict__")
    assert watch != watches(1)[0]
    assert len({watch, watches(1)[0]}) == 2
    assert not watch < watch  # noqa: PLR0124 - a heap compares what is equal


@pytest.mark.parametrize(("listeners", "wanted"), [(0, False), (1, True), (2, True)])
def test_a_watch_is_wanted_by_listeners(listeners: int, wanted: bool) -> None:
    (watch,) = watches(1)
    watch.listeners = listeners
    assert watch.wanted is wanted
    assert watch.goes_on is wanted
    watch.watched = replace(watch.watched, outcome=Outcome.SUCCEEDED)
    assert not watch.goes_on


def test_a_watch_in_the_background_is_wanted_by_a_sink() -> None:
    watch = BackgroundWatch(Watched(job_id="a", api="capydb"))
    assert not watch.wanted
    watch.on_look = lambda _watch, _looked: None
    assert watch.wanted
    assert watch.goes_on
    watch.watched = replace(watch.watched, outcome=Outcome.SUCCEEDED)
    assert not watch.goes_on


async def test_a_bell_wakes_all_who_listen_and_only_once() -> None:
    (watch,) = watches(1)
    watch.notify()
    loop = asyncio.get_running_loop()
    first, second, gone, cancelled = (loop.create_future() for _ in range(4))
    for listener in (first, second, gone, cancelled):
        watch.subscribe(listener)
    watch.unsubscribe(gone)
    watch.unsubscribe(gone)
    cancelled.cancel()
    watch.notify()
    assert (first.done(), second.done(), gone.done()) == (True, True, False)
    assert watch.subscribers is None
    watch.notify()
    later = loop.create_future()
    watch.subscribe(later)
    watch.unsubscribe(first)
    watch.notify()
    assert later.done()


# --- the log of a job that goes on and on ---------------------------------------------------------------------------


def entered(watch: AwaitedWatch, first: int, last: int) -> None:
    at = datetime.fromtimestamp(0.0, UTC)
    for seq in range(first, last + 1):
        watch.enter((Transition("job", seq, "RUNNING", Phase.RUNNING, None, at),))


def test_row_112_what_all_listeners_have_read_is_not_kept_for_ever() -> None:
    watch = AwaitedWatch(Watched(job_id="job", api="capydb"))
    fast, slow = object(), object()
    watch.readers = {fast: 0, slow: 0}
    entered(watch, 1, 2 * LOG_KEPT - 1)
    watch.readers = {fast: 2 * LOG_KEPT - 1, slow: 700}
    entered(watch, 2 * LOG_KEPT, 2 * LOG_KEPT)
    assert (watch.log[0].seq, len(watch.log)) == (701, 2 * LOG_KEPT - 700), "the slow one loses nothing"
    watch.readers = {fast: 2 * LOG_KEPT}
    entered(watch, 2 * LOG_KEPT + 1, 10 * LOG_KEPT)
    assert watch.log[-1].seq == 10 * LOG_KEPT
    assert watch.log[0].seq == 2 * LOG_KEPT + 1, "the one that is left never came back"
    watch.readers = None
    entered(watch, 10 * LOG_KEPT + 1, 20 * LOG_KEPT)
    assert LOG_KEPT <= len(watch.log) < 2 * LOG_KEPT, "nobody reads"


def test_row_112_who_comes_too_late_is_told_that_something_is_missing() -> None:
    watch = AwaitedWatch(Watched(job_id="job", api="capydb"))
    assert watch.after(0) is None
    entered(watch, 1, 5)
    first = watch.after(0)
    assert first is not None
    assert (first.seq, first.gap) == (1, False)
    entered(watch, 6, 5 * LOG_KEPT)
    oldest = watch.log[0].seq
    late, next_ = watch.after(0), watch.after(oldest)
    assert late is not None
    assert next_ is not None
    assert (late.seq, late.gap) == (oldest, True)
    assert (next_.seq, next_.gap) == (oldest + 1, False)
    assert watch.after(5 * LOG_KEPT) is None
    watch.log = (watch.log[0], *watch.log[3:])
    next_ = watch.after(oldest)
    assert next_ is not None
    assert (next_.seq, next_.gap) == (oldest + 3, True), "always one that is later"


# --- in the background -----------------------------------------------------------------------------------------------


def _kept(watch: Watch) -> object:
    """Return what a watch really holds."""
    return Watch.watched.__get__(watch)  # type: ignore[attr-defined]  # the slot, which a class below gives another name


_times = st.none() | st.floats(0.0, 2e9)
_words = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
_faults = st.builds(Fault, st.sampled_from(FaultKind), st.just("no"), st.none() | st.just(503), retry_after=_times)
_fingerprints = st.builds(Fingerprint, st.text(st.characters(exclude_categories=["Cs"])), _times)


@given(
    known=st.builds(
        Watched,
        job_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        api=st.just("capydb"),
        type=_words,
        status=_words,
        phase=st.none() | st.sampled_from(Phase),
        entered_at=_times,
        attempt=st.none() | st.integers(0, 2**31),
        progress=st.none() | st.floats(0.0, 1.0),
        delivered=st.lists(_fingerprints, max_size=3).map(tuple),
        looks=st.integers(0, 2**31),
        looked_at=_times,
        fault=st.none() | _faults,
        place=st.none() | st.builds(Place, st.just("https://a.example/j"), hops=st.integers(0, 5)),
        visited=st.lists(st.text(max_size=5).filter(str.isascii), max_size=2).map(tuple),
        blocked=st.none() | st.builds(SeenBlocked, st.floats(0.0, 2e9), st.floats(0.0, 2e9), _words),
        outcome=st.none() | st.sampled_from(Outcome),
    )
)
def test_what_is_known_in_the_background_is_the_same_at_rest_and_in_a_look(known: Watched) -> None:
    watch = BackgroundWatch(known, DUE)
    watch.rest()
    assert type(_kept(watch)) is bytes
    assert watch.watched == known
    assert type(watch.watched) is Watched
    assert watch.brief == Brief(known.phase, known.outcome is None, known.is_blocked)
    watch.rest()
    assert watch.watched == known
    watch.begin_look()
    assert _kept(watch) == known
    changed = replace(known, looks=known.looks + 1, phase=Phase.RUNNING, outcome=None)
    watch.watched = changed
    assert watch.watched is changed
    assert watch.brief == Brief(Phase.RUNNING, goes_on=True, is_blocked=False)
    watch.rest()
    assert watch.brief == Brief(Phase.RUNNING, goes_on=True, is_blocked=False)


@pytest.mark.parametrize("odd", [{"project_id": "\ud800"}, {"attempt": 2**70}])
def test_what_has_no_encoding_stays_as_it_is(odd: dict[str, Any]) -> None:
    known = Watched(job_id="a", api="mine", **odd)
    watch = BackgroundWatch(known)
    watch.rest()
    assert watch.watched is known


def test_who_awaits_a_job_is_not_encoded() -> None:
    watch = AwaitedWatch(Watched(job_id="a", api="capydb"))
    watch.rest()
    assert type(_kept(watch)) is Watched
