"""When a request may go, and who is asked about next: a schedule on a clock that jumps, and nothing that asks."""

from __future__ import annotations

import asyncio
import gc
import random

import pytest

from jobwatch._core.budget import Budget
from jobwatch._core.source import Seen
from jobwatch._core.tracker import Watched
from jobwatch._engine.schedule import DueQueue, Schedule
from jobwatch._engine.watch import NEVER, AwaitedWatch, Watch
from jobwatch._engine.workers import Workers
from jobwatch._models import Fault, FaultKind, Job, Phase
from jobwatch._reading.reply import RateLimit
from tests.virtual import on_virtual_clock, running_loop


class _Workers(Workers):
    """Notes when they would be woken, and how often called."""

    def __init__(self) -> None:
        super().__init__(16, needed=lambda: False, crashed=lambda: None)
        self.woken: list[float] = []
        self.called = 0

    def wake_at(self, due: float) -> None:
        self.woken.append(due)

    def call(self) -> None:
        self.called += 1

    def noted(self) -> list[float]:
        """Return when they would have been woken since this was asked last."""
        woken, self.woken = self.woken, []
        return woken


def _schedule(budget: Budget | None = None, *, patience: float = 300.0, most: int = 16) -> Schedule:
    return _with_workers(budget, patience=patience, most=most)[0]


def _with_workers(
    budget: Budget | None = None, *, patience: float = 300.0, most: int = 16
) -> tuple[Schedule, _Workers]:
    workers = _Workers()
    return Schedule(budget or Budget(), patience, workers, most), workers


def _watch(job_id: str = "a") -> AwaitedWatch:
    return AwaitedWatch(Watched(job_id=job_id, api="capydb"), listeners=1)


def _limited(retry_after: float | None) -> Fault:
    return Fault(FaultKind.RATE_LIMITED, "slow down", 429, retry_after=retry_after)


def _in_trouble(retry_after: float) -> Fault:
    return Fault(FaultKind.UNREACHABLE, "oops", 503, retry_after=retry_after)


def _seen(**fields: object) -> Seen:
    job = Job(id="a", api="capydb", status="running", phase=Phase.RUNNING)
    return Seen(**{"what": job} | fields)  # type: ignore[arg-type]


# --- requests that no look is due for --------------------------------------------------------------------------------


@on_virtual_clock
async def test_one_more_request_may_go_unless_it_would_have_to_wait() -> None:
    schedule = _schedule()
    assert schedule.may_ask()
    schedule.heed(_in_trouble(30.0))
    assert not schedule.may_ask()
    running_loop().jump(29.9)
    assert not schedule.may_ask()
    running_loop().jump(0.1)
    assert schedule.may_ask(), "the pause is over"
    schedule.close()
    assert not schedule.may_ask()


@on_virtual_clock
async def test_one_more_request_is_counted() -> None:
    schedule = _schedule(Budget(1.0))
    assert [schedule.may_ask() for _ in range(3)] == [True, False, False]
    running_loop().jump(1.0)
    assert [schedule.may_ask() for _ in range(2)] == [True, False]


@pytest.mark.parametrize("seconds", [0.5, 30.0])
@on_virtual_clock
async def test_a_turn_does_not_come_in_a_pause(seconds: float) -> None:
    schedule = _schedule()
    schedule.heed(_in_trouble(seconds))
    told = f"the API has asked for no requests for {seconds:.0f} s more"
    assert await schedule.turn() == Fault(FaultKind.RATE_LIMITED, told, retry_after=seconds)
    assert running_loop().time() == 0.0
    running_loop().jump(seconds / 2.0)
    assert schedule.paused(running_loop().time()).retry_after == seconds / 2.0
    assert await schedule.turn(through_pauses=True) is None
    assert running_loop().time() == pytest.approx(seconds)
    assert await schedule.turn() is None


@on_virtual_clock
async def test_turns_come_as_the_budget_allows() -> None:
    schedule, times = _schedule(Budget(2.0)), []
    for _ in range(4):
        assert await schedule.turn() is None
        times.append(running_loop().time())
    assert times == pytest.approx([0.0, 0.5, 1.0, 1.5])


@on_virtual_clock
async def test_who_asked_for_a_turn_first_gets_it_first() -> None:
    schedule, came = _schedule(Budget(1.0)), list[str]()

    async def ask(name: str, after: float) -> None:
        await asyncio.sleep(after)
        assert await schedule.turn() is None
        came.append(name)

    # The latecomer asks at the moment at which there is a turn for those who wait, and before they have woken.
    latecomer = asyncio.create_task(ask("latecomer", 1.0))
    await asyncio.gather(*(ask(str(number), 0.0) for number in range(4)), latecomer)
    assert came == ["0", "1", "2", "3", "latecomer"]


@on_virtual_clock
async def test_who_waits_for_a_turn_hears_of_a_pause_that_comes_meanwhile() -> None:
    schedule = _schedule(Budget(1.0))
    assert await schedule.turn() is None
    waiting = [asyncio.create_task(schedule.turn()) for _ in range(3)]
    through = asyncio.create_task(schedule.turn(through_pauses=True))
    await asyncio.sleep(0.5)
    schedule.heed(_limited(30.0))
    assert [fault.kind for fault in await asyncio.gather(*waiting) if fault] == [FaultKind.RATE_LIMITED] * 3
    assert running_loop().time() < 5.0
    assert await through is None
    assert running_loop().time() >= 30.5


@on_virtual_clock
async def test_where_all_is_closed_no_turn_comes() -> None:
    schedule = _schedule(Budget(0.1))
    assert await schedule.turn() is None
    waiting = asyncio.create_task(schedule.turn())
    await asyncio.sleep(0.0)
    schedule.close()
    closed = Fault(FaultKind.UNREACHABLE, "the client is closed")
    assert await schedule.turn() == closed
    assert await waiting == closed


# --- who is asked about next -----------------------------------------------------------------------------------------


@on_virtual_clock
async def test_newcomers_and_those_who_are_due_take_turns() -> None:
    schedule = _schedule()
    new, due = [_watch(f"new{n}") for n in range(3)], [_watch(f"due{n}") for n in range(3)]
    for n in range(3):
        schedule.enqueue(new[n])
        schedule.put(due[n], float(n))
    assert schedule.next_at(0.0) == 0.0
    assert [schedule.take(0.0), schedule.take(0.0), schedule.take(0.0)] == [new[0], due[0], new[1]]
    assert [schedule.take(0.0), schedule.take(0.0)] == [new[2], None], "nobody else is due yet"
    assert schedule.next_at(0.0) == 1.0
    assert [schedule.take(2.0), schedule.take(2.0), schedule.take(2.0)] == [due[1], due[2], None]
    assert schedule.next_at(2.0) == NEVER


@on_virtual_clock
async def test_one_that_somebody_waits_for_goes_first() -> None:
    schedule, watches = _schedule(), [_watch(name) for name in "abc"]
    for watch in watches[:2]:
        schedule.put(watch, 1.0)
    schedule.put_first(watches[2])
    assert schedule.take(0.0) is watches[2]
    assert schedule.take(0.0) is None


@on_virtual_clock
async def test_a_newcomer_whom_nobody_wants_any_more_is_not_asked_about() -> None:
    schedule, gone, moved, new = _schedule(), _watch("gone"), _watch("moved"), _watch("new")
    for watch in (gone, moved, new):
        schedule.enqueue(watch)
    gone.listeners = 0
    schedule.put(moved, 50.0)
    assert schedule.first_looks == 3
    assert schedule.take(0.0) is new
    assert schedule.take(0.0) is None
    assert schedule.first_looks == 0
    assert schedule.next_at(0.0) == 50.0


@on_virtual_clock
async def test_where_all_is_closed_nobody_is_asked_about() -> None:
    schedule = _schedule()
    schedule.put(_watch(), 0.0)
    schedule.close()
    assert schedule.take(0.0) is None


@on_virtual_clock
async def test_one_that_is_taken_off_was_due_when_it_was_put() -> None:
    schedule, watch = _schedule(), _watch()
    assert schedule.remove(watch) == NEVER
    schedule.put(watch, 3.0)
    assert schedule.remove(watch) == 3.0
    assert schedule.next_at(9.0) == NEVER


@pytest.mark.parametrize(("max_rate", "between"), [(None, 1.0 / 12.5), (4.0, 1.0 / 5.0)])
@on_virtual_clock
async def test_late_looks_at_many_jobs_are_spread_by_what_is_usual(max_rate: float | None, between: float) -> None:
    for count, late, second in ((100, 50.0, 50.0 + between), (64, 50.0, 0.0), (100, 0.9, 0.0), (100, 1.0, 0.0)):
        schedule = _schedule(Budget(max_rate))
        for number in range(count):
            watch = _watch(f"w{number}")
            schedule.put(watch, 0.0)
            schedule.demand(watch, 10.0 / count)
        assert schedule.take(late) is not None
        assert schedule._due_at(late) == pytest.approx(second), (count, late)


@on_virtual_clock
async def test_looks_are_spread_from_the_first_that_is_late_and_no_sooner() -> None:
    for on_time in (0.9, 1.0):
        schedule = _schedule()
        for number in range(100):
            watch = _watch(f"w{number}")
            schedule.put(watch, 0.0)
            schedule.demand(watch, 1e-4)
        schedule.take(on_time)
        assert schedule._due_at(5.0) == 0.0
        urgent = _watch("urgent")
        schedule.put_first(urgent)
        assert schedule.take(5.0) is urgent
        assert schedule._due_at(5.0) == 0.0, "a look that somebody waits for is not one of those"
        schedule.take(5.0)
        assert schedule._due_at(5.0) == pytest.approx(5.0 + 100.0 / 1.25)
        schedule.put_first(urgent)
        assert schedule.take(5.0) is urgent, "nor held up by those"


@on_virtual_clock
async def test_a_look_that_is_not_late_is_not_held_up_by_those_that_were() -> None:
    schedule, late, on_time = _schedule(), _watch("late"), _watch("on time")
    for number in range(100):
        schedule.demand(_watch(f"w{number}"), 1e-4)
    schedule.put(late, 0.0)
    schedule.put(on_time, 4.5)
    assert schedule.take(5.0) is late
    assert schedule.take(5.0) is on_time


@on_virtual_clock
async def test_however_few_looks_are_usual_late_ones_go_on() -> None:
    schedule = _schedule()
    for number in range(100):
        watch = _watch(f"w{number}")
        schedule.put(watch, 0.0)
        schedule.demand(watch, 1e-15)
    schedule.take(5.0)
    assert schedule._due_at(5.0) == pytest.approx(5.0 + 86_400.0 / 1.25)


@on_virtual_clock
async def test_who_goes_along_is_of_those_whose_turn_it_is_first() -> None:
    schedule = _schedule()
    new, due = [_watch(f"new{n}") for n in range(4)], [_watch(f"due{n}") for n in range(4)]
    for n in range(4):
        schedule.enqueue(new[n])
        schedule.put(due[n], float(n))
    assert schedule.take(3.0) is new[0]
    assert schedule.members(1, 3.0) == {new[1]: NEVER}
    assert schedule.take(3.0) is due[0]
    assert schedule.members(1, 3.0) == {due[1]: 1.0}
    assert schedule.members(3, 3.0) == {due[2]: 2.0, due[3]: 3.0, new[2]: NEVER}


# --- when the workers are woken --------------------------------------------------------------------------------------


@on_virtual_clock
async def test_workers_are_woken_for_what_is_due_earlier_than_they_know() -> None:
    schedule, workers = _with_workers()
    running_loop().jump(1.0)
    schedule.enqueue(_watch("new"))
    assert workers.noted() == [1.0]
    workers.alarm_at = 8.0
    for due in (8.0, 9.0, 7.0):
        schedule.put(_watch(), due)
    assert workers.noted() == [7.0]
    workers.alarm_at = NEVER
    schedule.heed(_in_trouble(30.0))
    schedule.put(_watch(), 7.0)
    schedule.put(_watch(), 70.0)
    schedule.put_first(_watch())
    assert workers.noted() == [31.0, 70.0, 31.0], "in a pause nothing is due"


@on_virtual_clock
async def test_who_takes_one_sees_to_the_next() -> None:
    schedule, workers = _with_workers()
    for due in (0.0, 1.0, 5.0):
        schedule.put(_watch(), due)
    workers.noted()
    schedule.take(1.0)
    assert (workers.called, workers.noted()) == (1, [])
    workers.alarm_at = 5.0
    schedule.take(1.0)
    assert (workers.called, workers.noted()) == (1, []), "they know of it"
    schedule.put(_watch(), 4.0)
    workers.alarm_at = NEVER
    workers.noted()
    schedule.take(4.0)
    assert (workers.called, workers.noted()) == (1, [5.0])
    schedule.take(5.0)
    assert (workers.called, workers.noted()) == (1, [])


@on_virtual_clock
async def test_what_is_due_next_is_found_anew_once_anything_has_changed() -> None:
    schedule, sooner, later, new = _schedule(), _watch("sooner"), _watch("later"), _watch("new")
    schedule.put(later, 9.0)
    assert schedule.take(0.0) is None
    schedule.put(sooner, 5.0)
    assert schedule.next_at(0.0) == 5.0
    assert schedule.take(0.0) is None
    assert schedule.take(5.0) is sooner
    assert schedule.next_at(5.0) == 9.0
    assert schedule.take(5.0) is None
    schedule.enqueue(new)
    assert schedule.next_at(5.0) <= 5.0
    assert [schedule.take(5.0), schedule.take(5.0)] == [new, None]
    assert schedule.next_at(5.0) == 9.0


@on_virtual_clock
async def test_where_no_place_is_free_the_end_of_a_look_makes_the_next_one_due() -> None:
    schedule, first, second = _schedule(most=1), _watch("first"), _watch("second")
    for watch in (first, second):
        schedule.put(watch, 0.0)
    assert schedule.take(0.0) is first
    assert schedule.take(0.0) is None
    schedule.end(first, 0.0)
    assert schedule.next_at(0.0) == 0.0


@pytest.mark.parametrize("due", [1, 2, 3, 5])
@on_virtual_clock
async def test_few_that_are_due_are_counted_to_the_last(due: int) -> None:
    schedule = _schedule()
    schedule.put(_watch("due0"), 1.0)
    schedule.put(_watch("later"), 1.5)  # wherever it stands among them
    for number in range(1, due):
        schedule.put(_watch(f"due{number}"), 1.0)
    assert schedule.ready(0.5, 64) == 0
    assert schedule.ready(1.0, 64) == due
    schedule.enqueue(_watch("new"))
    assert schedule.ready(1.0, 64) == due + 1


@on_virtual_clock
async def test_how_many_may_begin_is_how_many_begin_roughly() -> None:
    for most, budget, begin in ((64, None, 12), (8, None, 8), (64, Budget(16.0), 4), (64, Budget(1000.0), 12)):
        schedule = _schedule(budget, most=most)
        await asyncio.sleep(20.0)
        now = running_loop().time()
        if budget is not None:
            budget.spend(now - 10.0)
        for number in range(30):
            schedule.put(_watch(f"j{number}"), now - 0.5 + number / 24)
        assert schedule.ready(now, 64) in (begin - 1, begin, begin + 1), most
        assert schedule.ready(now, 3) == 3
        taken = 0
        while schedule.take(now) is not None:
            taken += 1
        assert abs(taken - begin) <= 1
        assert schedule.ready(now, 64) == 0


@pytest.mark.parametrize(("interval", "rest"), [(0.1, 0.01), (0.4, 0.01), (1.0, 0.025), (2.0, 0.05), (60.0, 0.05)])
@on_virtual_clock
async def test_where_there_are_many_jobs_no_look_begins_for_a_moment_once_all_have_that_were_due(
    interval: float, rest: float
) -> None:
    schedule, workers = _with_workers()
    watches = [_watch(f"j{number}") for number in range(70)]
    for watch in watches:
        schedule.demand(watch, 1.0 / interval)
    for watch, due in zip(watches, (5.0, 5.001, 5.012, 9.0), strict=False):
        schedule.put(watch, due)
    assert schedule.take(5.0) is watches[0]
    assert schedule.take(5.001) is None
    assert schedule.next_at(5.001) == pytest.approx(max(5.0 + rest, 5.001))
    assert workers.noted()[-1] == pytest.approx(5.0 + rest)
    schedule.put_first(watches[10])
    assert schedule.take(5.002) is watches[10], "somebody waits for this one"
    assert schedule.take(5.002) is watches[1], "and what is due by then goes along"
    assert schedule.next_at(5.002) == pytest.approx(max(5.012, 5.002 + rest)), "which begins the moment anew"
    schedule.put(watches[11], 5.005)
    assert schedule.next_at(5.003) == pytest.approx(5.005), "one that was put for a time goes by then"


@on_virtual_clock
async def test_a_budget_without_a_request_left_says_when_there_will_be_one() -> None:
    schedule, watches = _schedule(Budget(0.5)), [_watch(name) for name in "ab"]
    for watch in watches:
        schedule.put(watch, 0.0)
    assert schedule.take(0.0) is watches[0]
    assert schedule.take(0.0) is None
    assert schedule.next_at(0.0) == pytest.approx(2.0)
    assert schedule.take(1.0) is None
    assert schedule.take(2.0) is watches[1]


# --- how many looks are under way ------------------------------------------------------------------------------------


@on_virtual_clock
async def test_no_more_looks_are_under_way_than_there_are_places() -> None:
    schedule, watches = _schedule(most=1), [_watch(name) for name in "abc"]
    schedule.enqueue(watches[0])
    schedule.put(watches[1], 0.0)
    schedule.put(watches[2], 0.0)
    assert schedule.take(0.0) is watches[0]
    assert (schedule.next_at(0.0), schedule.take(0.0)) == (NEVER, None)
    schedule.end(watches[0])
    assert schedule.next_at(0.0) == 0.0
    assert schedule.take(0.0) is watches[1]
    schedule.end(watches[1])


@on_virtual_clock
async def test_a_look_that_becomes_slow_lets_another_begin() -> None:
    schedule, workers = _with_workers(most=2)
    first, second, third = (_watch(name) for name in "abc")
    for watch, due in ((first, 0.0), (second, 0.0), (third, 0.2)):
        schedule.put(watch, due)
    assert [schedule.take(0.3), schedule.take(0.3), schedule.take(0.3)] == [first, second, None]
    workers.noted()
    await asyncio.sleep(0.75)
    assert workers.noted() == []
    await asyncio.sleep(0.1)
    assert workers.noted() == [0.2]
    workers.alarm_at = 0.1
    schedule._wake()
    assert workers.noted() == []
    workers.alarm_at = NEVER
    schedule.heed(_in_trouble(30.0))
    schedule._wake()
    assert workers.noted() == [pytest.approx(30.85)]
    schedule.paused_until = 0.0
    assert schedule.take(0.9) is third
    for watch in (first, second, third):
        schedule.end(watch)


@on_virtual_clock
async def test_the_last_place_is_for_no_newcomer() -> None:
    schedule = _schedule(most=2)
    hanging, new, due = [_watch(f"h{n}") for n in range(2)], [_watch(f"new{n}") for n in range(2)], _watch("due")
    for watch in (*hanging, *new):
        schedule.enqueue(watch)
    assert [schedule.take(0.0), schedule.take(0.0), schedule.take(0.0)] == [*hanging, None]
    assert schedule.take(1.0) is new[0], "both are slow, and there are two places more"
    assert (schedule.take(1.0), schedule.next_at(1.0)) == (None, NEVER)
    schedule.put(due, 1.0)
    assert schedule.take(1.0) is due
    for watch in (*hanging, new[0], due):
        schedule.end(watch)


@on_virtual_clock
async def test_jobs_whose_last_look_was_slow_wait_for_a_place_of_theirs() -> None:
    schedule, quick = _schedule(most=4), _watch("quick")
    slow = [_watch(f"slow{n}") for n in range(6)]
    for watch in slow:
        at = running_loop().time()
        schedule.put(watch, at)
        assert schedule.take(at) is watch
        running_loop().jump(1.0)
        schedule.end(watch)
    for number, watch in enumerate(slow):
        schedule.put(watch, 6.0 + number / 5.0)
    schedule.put(quick, 6.9)
    running_loop().jump(1.0)
    assert [schedule.take(7.0) for _ in range(5)] == [*slow[:3], quick, None], "three of four places, and the last"
    schedule.end(quick)
    assert schedule.take(7.0) is None
    assert schedule.remove(slow[5]) == 7.0
    schedule.put(slow[5], 50.0)  # while others are held back, and it is not
    schedule.put(slow[4], 9.0)
    schedule.end(slow[0])
    assert schedule.take(7.0) is slow[3], "which was held back"
    schedule.end(slow[1])
    assert schedule.next_at(7.0) == 9.0
    assert schedule.take(9.0) is slow[4]
    for watch in (slow[2], slow[3], slow[4]):
        schedule.end(watch)


@on_virtual_clock
async def test_a_slow_job_that_somebody_waits_for_does_not_wait_for_such_a_place() -> None:
    schedule, slow = _schedule(most=4), [_watch(f"slow{n}") for n in range(4)]
    for watch in slow:
        at = running_loop().time()
        schedule.put(watch, at)
        schedule.take(at)
        running_loop().jump(1.0)
        schedule.end(watch)
    for watch in slow[:3]:
        schedule.put(watch, 4.0)
    assert [schedule.take(4.0) for _ in range(3)] == slow[:3]
    schedule.put(slow[3], 4.0)
    assert schedule.take(4.0) is None
    schedule.put_first(slow[3])
    assert schedule.take(4.0) is slow[3]
    for watch in slow:
        schedule.end(watch)


# --- pauses ----------------------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_a_pause_is_never_shortened_and_never_longer_than_a_day() -> None:
    schedule = _schedule()
    schedule.heed(_in_trouble(100.0))
    schedule.heed(_in_trouble(10.0))
    assert schedule.paused_until == 100.0
    running_loop().jump(50.0)
    schedule.heed(_in_trouble(1e9))
    assert schedule.paused_until == 50.0 + 86_400.0


@on_virtual_clock
async def test_looks_go_on_after_a_pause_but_at_once_where_it_is_beyond_all_patience() -> None:
    running_loop().jump(1000.0)
    for pause, at in ((300.0, 1300.0), (301.0, 0.0)):
        schedule, watch = _schedule(patience=300.0), _watch()
        schedule.enqueue(watch)
        schedule.heed(_in_trouble(pause))
        assert schedule.next_at(1000.0) == at
        assert schedule.take(1000.0) is (watch if at == 0.0 else None)


@on_virtual_clock
async def test_a_look_in_a_pause_beyond_all_patience_costs_nothing() -> None:
    schedule = _schedule(Budget(1.0))
    schedule.heed(_in_trouble(1000.0))
    for name in "abc":
        schedule.enqueue(_watch(name))
    assert all(schedule.take(0.0) for _ in "abc")
    assert schedule._budget.spend(0.0) == 0.0, "the budget's one request is left"


@on_virtual_clock
async def test_only_a_429_makes_the_rate_lower() -> None:
    schedule = _schedule(Budget(8.0))
    schedule.heed(_in_trouble(1.0))
    assert schedule._budget.rate(0.0) == 8.0
    schedule.heed(_limited(None))
    assert schedule._budget.rate(0.0) < 8.0
    assert schedule.paused_until == 1.0


# --- what an answer tells --------------------------------------------------------------------------------------------


async def _after(seconds: float, answer: Seen) -> Seen:
    await asyncio.sleep(seconds)
    return answer


@on_virtual_clock
async def test_answers_tell_how_long_they_take_with_something_to_spare_and_a_second_at_most() -> None:
    schedule = _schedule()
    await schedule.answer(_after(0.1, _seen()))
    assert schedule.answer_time == pytest.approx(0.2)
    await schedule.answer(_after(0.3, _seen()))
    assert schedule.answer_time == pytest.approx(0.2 + 0.4 / 4)
    schedule = _schedule()
    await schedule.answer(_after(20.0, _seen()))
    assert schedule.answer_time == 1.0


@on_virtual_clock
async def test_an_answer_that_is_a_fault_and_one_beside_it_are_heeded() -> None:
    schedule = _schedule()
    answer = await schedule.answer(_after(1.0, _seen(what=_limited(20.0))))
    assert isinstance(answer.what, Fault)
    assert schedule.paused_until == 21.0
    await schedule.answer(_after(1.0, _seen(aside=_limited(40.0))))
    assert schedule.paused_until == 42.0


@on_virtual_clock
async def test_what_an_api_tells_of_its_window_is_less_those_under_way() -> None:
    schedule = _schedule()
    limit = RateLimit(limit=100, remaining=10, reset_in=10.0)
    slow = [asyncio.create_task(schedule.answer(_after(5.0, _seen()))) for _ in range(5)]
    await schedule.answer(_after(1.0, _seen(rate=limit)))
    assert schedule._budget.rate(1.0) == pytest.approx(0.5), "ten are left for ten seconds, and five are under way"
    await asyncio.gather(*slow)
    await schedule.answer(_after(1.0, _seen(rate=limit)))
    assert schedule._budget.rate(6.0) == pytest.approx(1.0)


@on_virtual_clock
async def test_a_source_that_raises_is_not_under_way_any_more() -> None:
    async def fail() -> Seen:
        raise ZeroDivisionError

    schedule = _schedule()
    with pytest.raises(ZeroDivisionError):
        await schedule.answer(fail())
    assert schedule._in_flight == 0
    assert schedule.answer_time == 0.0


# --- what a request costs --------------------------------------------------------------------------------------------


@on_virtual_clock
async def test_what_all_jobs_want_makes_the_price() -> None:
    schedule, one, other = _schedule(), _watch("a"), _watch("b")
    schedule.demand(one, 9.0)
    assert schedule.price(0.0) == 1.0, "nothing limits it"
    schedule, one = _schedule(Budget(1.0)), _watch("a")
    assert schedule.price(0.0) == 1.0
    schedule.demand(one, 2.0)
    schedule.demand(other, 1.0)
    assert (schedule.known, schedule._budget.demand, schedule.price(0.0)) == (2, 3.0, 9.0)
    schedule.demand(one, 1.0)
    assert (schedule.known, schedule._budget.demand) == (2, 2.0)
    schedule.demand(other, 0.0)
    assert (schedule.known, schedule._budget.demand, schedule.price(0.0)) == (1, 1.0, 1.0)
    schedule.demand(one, 0.1)
    schedule.demand(other, 0.2)
    for watch in (one, one, other):
        schedule.demand(watch, 0.0)
    assert (schedule.known, schedule._budget.demand) == (0, 0.0), "and nothing that is left of rounding"
    assert (one.demand, other.demand) == (0.0, 0.0)


@on_virtual_clock
async def test_no_delay_is_longer_than_until_the_price_will_have_fallen() -> None:
    schedule, watch = _schedule(), _watch()
    schedule._budget.told(RateLimit(limit=None, remaining=1, reset_in=10.0), 0, 0.0)
    schedule.demand(watch, 10.0)
    price = schedule.price(0.0)
    assert price == pytest.approx((10.0 / 0.1) ** 2)
    plain = 0.5
    assert schedule.priced(plain * price**0.5, price, 0.0) == pytest.approx(schedule._budget.turn(plain, 0.0))
    assert schedule.priced(plain * price**0.5, price, 0.0) < plain * price**0.5 / 2.0
    assert schedule.priced(1.0, price, 0.0) == 1.0


# --- the queue -------------------------------------------------------------------------------------------------------


def test_whatever_is_put_moved_and_removed_comes_off_in_order() -> None:
    dice, queue = random.Random(3), DueQueue()
    watches = [_watch(f"w{number}") for number in range(400)]
    due: dict[Watch, float] = {}
    for step in range(6000):
        watch = dice.choice(watches)
        match dice.randrange(8):
            case 0:
                queue.remove(watch)
                due.pop(watch, None)
            case 1 if due:
                first = min(due.values())
                assert queue.next_due() == first
                taken = queue.pop()
                assert due.pop(taken) == first
                assert taken.due == NEVER
            case _:
                # In a second of these or at its very beginning, long past, and so far away that it lies in no heap.
                at = step / 500.0 + 4.0 * dice.random()
                due[watch] = dice.choice([at, at, at, float(int(at)), float(int(at)), -1.0, 1e6 + dice.random()])
                queue.put(watch, due[watch])
    while due:
        assert queue.next_due() == min(due.values())
        due.pop(queue.pop())
    assert queue.next_due() == NEVER


def test_places_that_were_left_behind_do_not_pile_up() -> None:
    queue, watches = DueQueue(), [_watch(f"w{number}") for number in range(50)]
    queue.put(watches[0], 0.5)
    assert queue.next_due() == 0.5  # from here on that second is a heap
    for round_ in range(100):
        for watch in watches:
            queue.put(watch, round_ / 200.0)
    assert len(queue._heap) < 200
    assert queue.next_due() == 99 / 200.0
    assert {queue.pop() for _ in watches} == set(watches)
    assert queue.next_due() == NEVER


def _places(queue: DueQueue) -> int:
    """Return how many places a queue has for what is due later, those that were left counted in."""
    return sum(len(each.last) + sum(map(len, each.packed)) for each in queue._buckets.values())


def test_of_very_many_that_are_due_in_one_second_each_comes_off_once_however_often_it_was_moved() -> None:
    dice, queue = random.Random(5), DueQueue()
    watches = [_watch(f"w{number}") for number in range(1000)]
    for _ in range(20):
        for watch in watches:
            queue.put(watch, dice.choice([7.0, 8.0, 9.0]) + 0.9 * dice.random())  # away, and often back
        assert _places(queue) <= 3 * len(watches)
    for watch in watches[:100]:
        queue.remove(watch)
    expected = sorted(watch.due for watch in watches[100:])
    found = []
    while (due := queue.next_due()) != NEVER:
        found.append(due)
        queue.pop()
    assert found == expected
    assert (_places(queue), queue._packed, queue._left_packed) == (0, 0, 0)


def test_what_is_taken_off_is_let_go_of_but_for_a_few() -> None:
    queue, watches = DueQueue(), [_watch(f"w{number}") for number in range(1000)]
    for watch in watches:
        queue.put(watch, 100.0)
    few = [_watch(f"few{number}") for number in range(10)]
    for watch in few:
        queue.put(watch, 200.0)
    for watch in (*watches, *few):
        queue.remove(watch)
    assert _places(queue) <= 64
    assert not any(watch in each.last for watch in few for each in queue._buckets.values())
    assert queue.next_due() == NEVER
    assert (_places(queue), queue._packed, queue._left_packed) == (0, 0, 0)


def test_the_collector_does_not_walk_what_is_due_later() -> None:
    queue = DueQueue()
    for number in range(1000):
        queue.put(_watch(f"w{number}"), 100.0)
    gc.collect()
    (bucket,) = queue._buckets.values()
    assert bucket.packed
    assert not any(map(gc.is_tracked, bucket.packed))
