"""One list request in place of many looks: what it saves, and what it must never cost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest

from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.lists import Page, Pages
from jobwatch._engine.poller import Poller
from jobwatch._engine.watch import LOOKING, AwaitedWatch, Watch
from jobwatch._files.history import History
from jobwatch._models import Fault, FaultKind, Outcome
from jobwatch._reading.reply import Reply
from jobwatch.apis import BEDROCK, CAPYDB
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport, ended, poller_of, watched
from tests.virtual import on_virtual_clock

REFUSALS: dict[str, Reply | Fault] = {
    "forbidden": Fault(FaultKind.AUTH, "not for this token", 403),
    "not there": Fault(FaultKind.NOT_FOUND, "no such project", 404),
    "bad request": Fault(FaultKind.REFUSED, "limit is too large", 400),
    "in trouble": Fault(FaultKind.UNREACHABLE, "oops", 500),
    "HTML": Fault(FaultKind.UNREADABLE, "the reply is HTML, perhaps a login page", 200),
    "too large": Fault(FaultKind.UNREADABLE, "the reply is too large: over 1048576 bytes", 200),
    "too often": Fault(FaultKind.RATE_LIMITED, "slow down", 429),
    "not JSON": Reply(200, b'{"jobs": [{"id"'),
    "another shape": Reply(200, b'{"data": 1}'),
}


def _watch(job_id: str, project_id: str | None = "p", *, looks: int = 0, job_type: str | None = None) -> AwaitedWatch:
    return AwaitedWatch(
        Watched(job_id=job_id, api="capydb", project_id=project_id, looks=looks, type=job_type), listeners=1
    )


def _pages(*watches: AwaitedWatch, history: History | None = None) -> Pages:
    pages = Pages(CAPYDB.name, history or History(), has_lists=True)
    for watch in watches:
        pages.join(watch)
    return pages


def _project(count: int, project_id: str = "p", *, ends: float = float("inf")) -> list[ScriptedJob]:
    return [ScriptedJob(f"{project_id}-{n}", starts=-100.0 - n, ends=ends, project_id=project_id) for n in range(count)]


async def _ready(
    transport: ScriptedTransport, *, seconds: float = 5.0, **options: object
) -> tuple[Poller, list[AwaitedWatch]]:
    """Return a poller that has looked at each job once, and forget how."""
    poller = poller_of(transport, **options)  # type: ignore[arg-type]
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(seconds)
    transport.requests.clear()
    return poller, watches


def _only_lists(reply: Reply | Fault) -> Callable[[str, float], Reply | Fault | None]:
    return lambda target, _now: reply if target.startswith("list") else None


# --- which page --------------------------------------------------------------------------------------------------


def test_one_job_alone_is_asked_for_by_itself() -> None:
    one = _watch("a")
    pages = _pages(one)
    assert pages.page_for(one, 0.0, 0) is None
    assert pages.sharers(one, 0.0) == 1


def test_two_jobs_of_a_project_are_one_request() -> None:
    one, two, other = _watch("a"), _watch("b"), _watch("c", "q")
    pages = _pages(one, two, other)
    page = pages.page_for(one, 0.0, 0)
    assert page is not None
    assert (page.project_id, page.limit, page.others) == ("p", 25, (two,))
    assert pages.sharers(one, 0.0) == 2
    assert pages.page_for(other, 0.0, 0) is None


def test_a_job_being_looked_at_is_not_asked_for_twice() -> None:
    one, two = _watch("a"), _watch("b")
    two.stage = LOOKING
    assert _pages(one, two).page_for(one, 0.0, 0) is None


def test_a_page_has_room_for_all_and_some_more_up_to_a_thousand() -> None:
    for count, limit in [(3, 25), (41, 50), (101, 125), (5000, 1000)]:
        watches = [_watch(f"j{n}") for n in range(count)]
        page = _pages(*watches).page_for(watches[0], 0.0, 0)
        assert page is not None
        assert page.limit == limit


def test_a_project_with_more_jobs_than_a_list_shows_is_gone_through_page_by_page() -> None:
    watches = [_watch(f"j{n}") for n in range(3500)]
    pages = _pages(*watches)
    shown = set[Watch]()
    for _ in range(4):
        page = pages.page_for(watches[0], 0.0, 0)
        assert page is not None
        assert (page.limit, len(page.others)) == (1000, 1000)
        shown.update(page.others)
    assert shown == set(watches[1:])


def test_two_watches_of_one_job_leave_one_by_one() -> None:
    one, same, two = _watch("a"), _watch("a"), _watch("b")
    pages = _pages(one, same, two)
    pages.leave(same)
    page = pages.page_for(two, 0.0, 0)
    assert page is not None
    assert page.others == (one,)
    pages.leave(one)
    pages.leave(one)
    assert pages.page_for(two, 0.0, 0) is None
    pages.leave(two)
    assert pages._groups == {}


def test_an_api_without_lists_has_no_pages() -> None:
    pages = Pages(BEDROCK.name, History(), has_lists=False)
    one, two = _watch("a", looks=100), _watch("b")
    pages.join(one)
    pages.join(two)
    assert pages.page_for(one, 0.0, 1000) is None
    assert pages.sharers(one, 0.0) == 1
    assert pages.to_wake("p", 0.0) == ("a", "b")


def test_what_a_list_does_not_show_is_alone() -> None:
    one, two, three = _watch("a"), _watch("b"), _watch("c")
    pages = _pages(one, two, three)
    pages.missed(three, Page("p", 25), 24)
    assert pages.page_for(three, 0.0, 0) is None
    assert pages.sharers(three, 0.0) == 1
    assert pages.sharers(one, 0.0) == 2
    pages.join(three)
    assert pages.sharers(one, 0.0) == 2, "and stays so"


def test_a_full_page_is_followed_by_a_larger_one_before_anybody_is_alone() -> None:
    one, two = _watch("a"), _watch("b")
    pages = _pages(one, two)
    limits = []
    while (page := pages.page_for(one, 0.0, 0)) is not None:
        limits.append(page.limit)
        pages.missed(two, page, min(page.limit, 300))
    assert limits == [25, 50, 100, 200, 400]
    assert two.alone
    assert not one.alone


@pytest.mark.parametrize("kind", [FaultKind.UNREADABLE, FaultKind.REFUSED])
def test_a_page_that_is_too_large_shrinks_for_that_project_only(kind: FaultKind) -> None:
    watches = [_watch(f"j{n}") for n in range(900)]
    others = [_watch(f"k{n}", "q") for n in range(900)]
    pages = _pages(*watches, *others)
    limits = []
    while (page := pages.page_for(watches[0], 0.0, 0)) is not None:
        limits.append(page.limit)
        pages.failed(page, Fault(kind, "too large"), 0.0)
    assert limits == [1000, 250, 62, 25]
    assert (pages.page_for(watches[0], 61.0, 0) is None) == (kind is FaultKind.REFUSED)
    other = pages.page_for(others[0], 0.0, 0)
    assert other is not None
    assert other.limit == 1000


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_list_that_fails_pauses_that_project_only(kind: FaultKind) -> None:
    one, two, three, four = _watch("a"), _watch("b"), _watch("c", "q"), _watch("d", "q")
    pages = _pages(one, two, three, four)
    page = pages.page_for(one, 100.0, 0)
    assert page is not None
    pages.failed(page, Fault(kind, "no"), 100.0)
    assert pages.page_for(two, 159.0, 0) is None
    assert pages.sharers(two, 159.0) == 1, "looks made singly are not paid by others"
    for_good = kind in {FaultKind.AUTH, FaultKind.NOT_FOUND, FaultKind.GONE, FaultKind.REFUSED}
    assert (pages.page_for(two, 160.0, 0) is None) == for_good
    assert pages.page_for(three, 100.0, 0) is not None


def test_guesses_are_few_unless_they_are_right() -> None:
    known = [_watch(f"j{n}", f"project-{n}") for n in range(50)]
    pages = _pages(*known)
    guesses = [pages.page_for(_watch("new", None), 0.0, 100) for _ in range(50)]
    assert len([page for page in guesses if page is not None]) == 3
    assert all(page is None or page.guess for page in guesses)
    pages.guessed_right()
    assert pages.page_for(_watch("new", None), 0.0, 100) is not None
    assert _pages(*known).page_for(_watch("new", None), 0.0, 3) is None, "not worth it for three"


def test_a_history_is_asked_for_once_a_type_after_some_looks() -> None:
    history = History()
    early, one, same, other = (
        _watch("a", looks=3, job_type="x"),
        _watch("b", looks=4, job_type="x"),
        _watch("c", looks=9, job_type="x"),
        _watch("d", looks=9, job_type="y"),
    )
    pages = Pages(CAPYDB.name, history, has_lists=True)
    assert pages.page_for(early, 0.0, 0) is None
    page = pages.page_for(one, 0.0, 0)
    assert page is not None
    assert (page.limit, page.others) == (100, ())
    assert pages.page_for(other, 1.0, 0) is None, "the list on its way shows that type too"
    assert pages.page_for(same, 61.0, 0) is None
    assert pages.page_for(other, 61.0, 0) is not None


# --- what it saves -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@on_virtual_clock
async def test_jobs_of_one_project_are_read_by_one_request() -> None:
    transport = ScriptedTransport(_project(50))
    poller, watches = await _ready(transport)
    await asyncio.sleep(300.0)
    await poller.aclose()
    assert len(transport.times("list")) == len(transport.requests) <= 160
    assert min(watch.watched.looks for watch in watches) >= len(transport.requests)


@on_virtual_clock
async def test_watched_jobs_of_two_projects_are_two_requests() -> None:
    transport = ScriptedTransport([*_project(10, "p"), *_project(10, "q")])
    poller, _ = await _ready(transport)
    await asyncio.sleep(300.0)
    await poller.aclose()
    asked = Counter(target.partition("?")[0] for _, target in transport.requests)
    assert set(asked) == {"list:p", "list:q"}


@on_virtual_clock
async def test_a_thousand_jobs_that_come_together_are_known_after_a_few_requests() -> None:
    transport = ScriptedTransport(_project(1000))
    poller = poller_of(transport)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(2.0)
    assert all(watch.watched.looks for watch in watches)
    assert len(transport.requests) <= 40
    await poller.aclose()


@on_virtual_clock
async def test_jobs_each_in_a_project_of_its_own_cost_a_few_wrong_guesses() -> None:
    transport = ScriptedTransport([ScriptedJob(f"j{n}", starts=-100.0, project_id=f"p{n}") for n in range(300)])
    poller = poller_of(transport)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    while not all(watch.watched.looks for watch in watches):  # noqa: ASYNC110 - nothing rings a bell for all of them
        await asyncio.sleep(0.01)
    assert len(transport.times("list")) <= 3
    await poller.aclose()


@on_virtual_clock
async def test_jobs_known_from_before_are_read_together_at_once() -> None:
    transport = ScriptedTransport(_project(100))
    poller = poller_of(transport)
    told = [Watched(job_id=job_id, api="capydb", project_id="p") for job_id in transport.jobs]
    watches = [poller.listen(each) for each in told]
    await asyncio.sleep(1.0)
    assert [watch.watched.looks for watch in watches] == [len(transport.requests)] * 100
    assert len(transport.requests) == len(transport.times("list")) <= 2
    await poller.aclose()


@pytest.mark.slow
@on_virtual_clock
async def test_lists_do_not_claim_a_budget_that_they_do_not_need() -> None:
    transport = ScriptedTransport(_project(500))
    poller, watches = await _ready(transport, max_rate=5.0, seconds=30.0)
    assert poller._schedule._budget.demand <= 5.0
    await asyncio.sleep(60.0)
    await poller.aclose()
    assert len(transport.times("list")) >= 25
    assert min(watch.watched.looks for watch in watches) >= 25


# --- what it must not cost ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", REFUSALS)
@on_virtual_clock
async def test_no_job_suffers_from_a_list_that_cannot_be_read(why: str) -> None:
    transport = ScriptedTransport(_project(30, ends=200.0))
    transport.answer = _only_lists(REFUSALS[why])
    poller, watches = await _ready(transport, patience=Patience(unreachable_after=10.0))
    await asyncio.sleep(350.0)
    await poller.aclose()
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}
    assert len(transport.times("list")) <= 10
    looked = [at for at, target in transport.requests if target == "job:p-0"]
    assert max(b - a for a, b in pairwise(looked)) <= (120.0 if why == "too often" else 65.0)


@pytest.mark.parametrize("jobs", [b'{"jobs": null}', b'{"jobs": []}', b"{}"])
@on_virtual_clock
async def test_a_list_that_shows_nothing_is_not_asked_again_and_again(jobs: bytes) -> None:
    transport = ScriptedTransport(_project(10, ends=100.0))
    transport.answer = _only_lists(Reply(200, jobs))
    poller, watches = await _ready(transport)
    await asyncio.sleep(200.0)
    await poller.aclose()
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}
    assert len(transport.times("list")) <= 4


@on_virtual_clock
async def test_row_92_a_job_that_the_list_does_not_show_is_asked_for_by_itself() -> None:
    transport = ScriptedTransport(_project(40, ends=100.0), page=30)
    poller, watches = await _ready(transport)
    await asyncio.sleep(250.0)
    await poller.aclose()
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}
    singly = {target for _, target in transport.requests if target.startswith("job")}
    assert singly >= {f"job:p-{n}" for n in range(30, 40)}, "the oldest are beyond the page"
    assert len(singly) <= 12


@on_virtual_clock
async def test_a_list_that_lags_behind_does_not_hide_an_end() -> None:
    transport = ScriptedTransport(_project(5))
    stale = msgspec.json.encode({"jobs": [job.body(0.0) for job in transport.jobs.values()]})
    poller, watches = await _ready(transport)
    for job in transport.jobs.values():
        job.starts = 10.0  # a second attempt, newer than what the list goes on showing
    transport.answer = _only_lists(Reply(200, b"{}"))
    await asyncio.sleep(100.0)
    transport.answer = _only_lists(Reply(200, stale))
    for watch in watches:
        watch.alone = False
        poller._grouping._pages.join(watch)
    told = [watch.watched.updated_at for watch in watches]
    for job in transport.jobs.values():
        job.ends = 110.0
    await asyncio.sleep(100.0)
    await poller.aclose()
    assert told == [EPOCH + 10.0] * 5
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}


@on_virtual_clock
async def test_rows_80_95_an_older_state_on_a_list_changes_nothing_and_is_not_shown() -> None:
    transport = ScriptedTransport(_project(3, ends=50.0))
    bodies = [job.body(0.0) | {"state": "pending", "started_at": None} for job in transport.jobs.values()]
    lagging = [body | {"updated_at": EPOCH - 1000.0} for body in bodies]
    poller, watches = await _ready(transport)
    transport.answer = _only_lists(Reply(200, msgspec.json.encode({"jobs": lagging})))
    await asyncio.sleep(20.0)
    assert {watch.watched.status for watch in watches} == {"running"}
    assert {watch.job.status for watch in watches if watch.job} == {"running"}
    await asyncio.sleep(100.0)
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}
    await poller.aclose()


@on_virtual_clock
async def test_row_92_extra_foreign_and_repeated_jobs_on_a_list_do_no_harm() -> None:
    mine, other = _project(4, ends=60.0), _project(3, "q", ends=60.0)
    transport = ScriptedTransport([*mine, *other])

    def answer(target: str, now: float) -> Reply | None:
        if not target.startswith("list:p"):
            return None
        bodies = [job.body(now) for job in (*mine, *mine, *other)]
        strangers = [{"id": f"x{n}", "state": "completed", "type": "t"} for n in range(20)]
        return Reply(200, msgspec.json.encode({"jobs": [*bodies, *strangers]}))

    transport.answer = answer
    poller, watches = await _ready(transport)
    await asyncio.sleep(120.0)
    await poller.aclose()
    assert [watch.watched.outcome for watch in watches] == [Outcome.SUCCEEDED] * 7
    assert [[each.status for each in watch.log] for watch in watches] == [["pending", "running", "completed"]] * 7


@on_virtual_clock
async def test_row_92_a_full_page_that_repeats_jobs_is_full() -> None:
    jobs = _project(30)  # the newest first
    transport = ScriptedTransport(jobs)
    limits: list[int] = []

    def answer(target: str, now: float) -> Reply | None:
        if not target.startswith("list:p"):
            return None
        limits.append(int(target.partition("?")[2]))
        shown = [job for job in jobs for _ in range(2)][: limits[-1]]
        return Reply(200, msgspec.json.encode({"jobs": [job.body(now) for job in shown]}))

    transport.answer = answer
    poller = poller_of(transport)
    watches = [poller.listen(watched(job.id)) for job in jobs[25:]]
    await asyncio.sleep(120.0)
    assert limits[:3] == [25, 50, 100]
    assert not any(watch.alone for watch in watches)
    await poller.aclose()


@on_virtual_clock
async def test_row_92_two_ends_on_one_list_end_no_job_wrongly() -> None:
    transport = ScriptedTransport(_project(4, ends=60.0))

    def answer(target: str, now: float) -> Reply | None:
        if not target.startswith("list") or now < 60.0:
            return None
        bodies = [job.body(now) for job in transport.jobs.values()]
        others = [body | {"state": "failed", "completed_at": EPOCH + 61.0} for body in bodies]
        return Reply(200, msgspec.json.encode({"jobs": [*bodies, *others]}))

    transport.answer = answer
    poller, watches = await _ready(transport)
    await asyncio.sleep(120.0)
    await poller.aclose()
    assert [watch.watched.outcome for watch in watches] == [Outcome.SUCCEEDED] * 4
    assert [[each.status for each in watch.log] for watch in watches] == [["pending", "running", "completed"]] * 4


@pytest.mark.parametrize("first", ["failed", "running"])
@on_virtual_clock
async def test_row_92_a_job_that_a_list_tells_in_two_ways_is_asked_for_by_itself(first: str) -> None:
    transport = ScriptedTransport(_project(5, ends=60.0))
    torn = transport.jobs["p-0"]

    def answer(target: str, now: float) -> Reply | None:
        if not target.startswith("list"):
            return None
        bodies = [job.body(now) for job in transport.jobs.values() if job is not torn]
        running = torn.body(0.0)
        failed = running | {"state": "failed", "completed_at": EPOCH + 5.0, "updated_at": EPOCH + 5.0}
        told = [failed, running] if first == "failed" else [running, failed]
        return Reply(200, msgspec.json.encode({"jobs": [*told, *bodies]}))

    poller, watches = await _ready(transport)
    transport.answer = answer
    await asyncio.sleep(40.0)
    assert {watch.watched.status for watch in watches} == {"running"}, "neither is believed"
    await asyncio.sleep(80.0)
    await poller.aclose()
    assert [watch.watched.outcome for watch in watches] == [Outcome.SUCCEEDED] * 5
    assert [[each.status for each in watch.log] for watch in watches] == [["pending", "running", "completed"]] * 5
    assert {target for _, target in transport.requests if target.startswith("job")} == {"job:p-0"}


@pytest.mark.parametrize("project_id", ["..", ".", "a\x00b", "\u202e", "x" * 2000])
@on_virtual_clock
async def test_a_project_id_that_cannot_stand_in_a_url_stops_nothing(project_id: str) -> None:
    jobs = [ScriptedJob(f"j{n}", starts=-100.0, ends=60.0, project_id=project_id) for n in range(4)]
    transport = ScriptedTransport(jobs)
    poller = poller_of(transport)
    watches = [poller.listen(watched(job_id)) for job_id in transport.jobs]
    await asyncio.sleep(150.0)
    assert {watch.watched.outcome for watch in watches} == {Outcome.SUCCEEDED}
    await poller.aclose()


@on_virtual_clock
async def test_a_job_that_moves_to_another_project_is_read_with_its_new_one() -> None:
    transport = ScriptedTransport([*_project(3, "p"), *_project(3, "q")])
    poller, watches = await _ready(transport)
    mover = transport.jobs["p-0"]
    mover.project_id = "q"
    await asyncio.sleep(100.0)
    assert watches[0].watched.project_id == "q"
    assert watches[0] in poller._grouping._pages._groups["q"] or watches[0].alone
    assert watches[0] not in poller._grouping._pages._groups["p"]
    for watch in watches:
        poller.leave(watch)
    assert poller._grouping._pages._groups == {}
    await poller.aclose()


@on_virtual_clock
async def test_a_job_whose_project_becomes_known_late_joins_the_others() -> None:
    transport = ScriptedTransport([*_project(3), ScriptedJob("late", starts=-100.0)])
    poller, _ = await _ready(transport)
    transport.jobs["late"].project_id = "p"
    await asyncio.sleep(60.0)
    transport.requests.clear()
    await asyncio.sleep(60.0)
    await poller.aclose()
    assert {target.partition(":")[0] for _, target in transport.requests} == {"list"}


@on_virtual_clock
async def test_a_job_that_ended_before_it_was_listened_to_is_on_no_page() -> None:
    transport = ScriptedTransport(_project(3))
    poller, _ = await _ready(transport)
    over = Watched(job_id="over", api="capydb", project_id="p", outcome=Outcome.SUCCEEDED)
    watch = poller.listen(over)
    await asyncio.sleep(60.0)
    assert watch.watched.looks == 0
    assert watch not in poller._grouping._pages._groups["p"]
    assert not any(target == "job:over" for _, target in transport.requests)
    poller.leave(watch)
    await poller.aclose()


@pytest.mark.slow
@on_virtual_clock
async def test_jobs_that_end_leave_the_rest_of_their_project_together() -> None:
    uniform = random.Random(5)
    jobs = [ScriptedJob(f"j{n}", starts=-10.0, ends=uniform.uniform(20.0, 200.0), project_id="p") for n in range(60)]
    transport = ScriptedTransport(jobs)
    poller = poller_of(transport)
    known = await asyncio.gather(*(ended(poller, job.id) for job in jobs))
    await poller.aclose()
    assert all(late - job.ends <= 10.0 for late, job in zip(known, jobs, strict=True))
    assert len(transport.requests) <= 420
    assert poller._grouping._pages._groups == {}


@on_virtual_clock
async def test_dropping_jobs_while_their_list_is_under_way() -> None:
    transport = ScriptedTransport(_project(10))
    poller, watches = await _ready(transport)
    transport.round_trip = 2.0
    while not transport.times("list"):  # noqa: ASYNC110 - nothing rings a bell for it
        await asyncio.sleep(0.1)
    for watch in watches[:5]:
        poller.leave(watch)
    again = poller.listen(watched("p-0"))
    await asyncio.sleep(10.0)
    assert again is not watches[0]
    assert again.watched.looks >= 1
    assert len(poller._registry) == 6
    await poller.aclose()


@on_virtual_clock
async def test_a_hurried_look_is_made_though_a_list_shows_nothing_of_the_job() -> None:
    transport = ScriptedTransport(_project(4))
    poller, watches = await _ready(transport)
    transport.round_trip = 1.0
    transport.answer = _only_lists(Reply(200, b'{"jobs": []}'))
    while not transport.times("list"):  # noqa: ASYNC110 - nothing rings a bell for it
        await asyncio.sleep(0.05)
    began = poller.now()
    assert all(watch.stage >= LOOKING for watch in watches)
    assert all(poller.look_now(watch) for watch in watches)
    await asyncio.gather(*(poller.news(watch, began + 30.0) for watch in watches))
    assert poller.now() - began <= 2.5
    await poller.aclose()
