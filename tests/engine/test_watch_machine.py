"""What becomes of a watched job, whatever happens in whatever order: held against what a server and listeners see.

Nothing here knows how the poller keeps account of its jobs. A machine does at random what callers and servers do, and
after time has passed it compares the requests that were made, the logs and who was told with what must hold. Below it
a table says for each state of a watched job what each event comes to.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import Struct
from msgspec.structs import replace

from jobwatch import ConfigError, JobwatchError
from jobwatch._core.look import Looked
from jobwatch._core.pace import Pace
from jobwatch._core.tracker import Patience
from jobwatch._engine.poller import Poller
from jobwatch._engine.watch import AwaitedWatch, Watch
from jobwatch._models import Fault, FaultKind, Outcome, Transition
from tests.engine.obedient_server import EVERY_JOB, EXACT, HANGS, MOST_UNDER_WAY, Exchange, ObedientServer, ToldJob
from tests.scripted import EPOCH, poller_of, watched
from tests.virtual import Loop, idle_tasks, on_virtual_clock, running_loop

T = TypeVar("T")
P = ParamSpec("P")

PACE = Pace(min_interval=0.5, max_interval=20.0, poll_cost=0.1)
PATIENCE = Patience(unreachable_after=40.0, appear_within=10.0)

AT_ONCE = 0.01
"""Within how many seconds something happens for which nothing has to be waited for."""

RECENT = 100
"""Among how many requests those are that may have been made in the shortest interval, or be under way."""

MOST_REPEATED = 60
"""Up to how many examples a profile asks for are they the same each time."""

LONG = 300.0
"""After how many seconds everybody has been looked at, whatever was before."""

FAULTS: dict[str, Fault | None] = {
    "503, come back in 5 s": Fault(FaultKind.UNREACHABLE, "in trouble", 503, retry_after=5.0),
    "503, come back in 30 s": Fault(FaultKind.UNREACHABLE, "in trouble", 503, retry_after=30.0),
    "503, come back after all patience": Fault(FaultKind.UNREACHABLE, "in trouble", 503, retry_after=100.0),
    "429": Fault(FaultKind.RATE_LIMITED, "slow down", 429),
    "unreachable": Fault(FaultKind.UNREACHABLE, "no connection"),
    "404": Fault(FaultKind.NOT_FOUND, "no such job", 404),
    "exception": None,
}

OUTLIVED = {Outcome.UNREACHABLE, Outcome.UNREADABLE}
"""How looks may end a wait, and not what a watcher watches."""

CAUSES = {
    Outcome.UNREACHABLE: {FaultKind.UNREACHABLE, FaultKind.RATE_LIMITED},
    Outcome.NOT_FOUND: {FaultKind.NOT_FOUND},
    Outcome.UNREADABLE: {FaultKind.UNREADABLE},
}
"""By which fault of its last look a watch may have been given up."""

WORDS = {Outcome.SUCCEEDED: "completed", Outcome.FAILED: "failed"}


class Watching(Struct, eq=False):
    """One watch, from the request at which it began to the one at which nobody wanted it any more."""

    job_id: str
    watch: Watch
    listened: bool
    since: int
    began: float
    until: int | None = None
    over: bool = False
    outlives: bool = False
    drops: bool = False
    raises: int = 0
    behind: bool = False
    told: list[Transition] = []
    ears: list[Ear] = []
    asks: list[Ask] = []

    def has(self, number: int) -> bool:
        """Whether it was wanted when a request began."""
        return self.since <= number and (self.until is None or number < self.until)

    def log(self) -> list[Transition]:
        """What was delivered: to those who listen, or to the watcher's function."""
        return list(self.awaited.log) if self.listened else self.told

    @property
    def awaited(self) -> AwaitedWatch:
        assert isinstance(self.watch, AwaitedWatch)
        return self.watch

    @property
    def live(self) -> bool:
        return self.until is None and self.watch.watched.outcome is None


class Ask(Struct, eq=False):
    """A look that `look_now` asked for: how many requests there were before, and when it was answered, as may be.

    Of a job with two watches, the first answer may be for the other one; and a list may not have been asked for it.
    """

    made: int
    answered: list[float] = []

    def is_answered(self, now: float, turns: int, *, by_list: bool) -> bool:
        """Take an answer into account; return whether it may be the one to this."""
        if self.answered and self.answered[-1] >= now - EXACT:
            return True
        is_open = len(self.answered) < turns
        if is_open and not by_list:
            self.answered.append(now)
        return is_open


class Ear(Struct, eq=False):
    """One who listens: what there was to hear when it was last told, and when it was told."""

    watching: Watching
    task: asyncio.Task[None] | None = None
    heard: tuple[int, Outcome | None] = (0, None)
    told_at: list[float] = []
    told_for_nothing: bool = False
    stopped: bool = False

    def state(self) -> tuple[int, Outcome | None]:
        return len(self.watching.awaited.log), self.watching.watch.watched.outcome


class Promise(Struct, eq=False):
    """A look that was promised, to a newcomer or by `look_now` or `wake`: by when it has to begin, and whom to tell."""

    kind: str
    watchings: tuple[Watching, ...]
    made: int
    at: float
    by: float
    ears: list[Ear]

    @property
    def watching(self) -> Watching:
        return self.watchings[0]

    def may_be_met_by(self, exchange: Exchange) -> bool:
        return any(watching.job_id in exchange.may_show for watching in self.watchings)


class Extra(Struct, eq=False):
    """Looks that may be made although the shortest interval is not over."""

    job_id: str
    why: str
    made: int
    looks: int
    after: float
    taken_by: int | None = None


def in_loop(method: Callable[Concatenate[WatchMachine, P], T]) -> Callable[Concatenate[WatchMachine, P], T]:
    """Have a method run inside the machine's loop, where no time passes and nothing comes in between."""

    @functools.wraps(method)
    def run(machine: WatchMachine, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async def done() -> T:
            return method(machine, *args, **kwargs)

        machine.settled = False
        if machine.loop.is_running():
            return method(machine, *args, **kwargs)
        return machine.run(done())

    return run


class WatchMachine(RuleBasedStateMachine):
    """Callers who come, go, hurry and wake, and a server that does what servers do."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[dict[str, Any]] = []
        self.loop = Loop()
        self.loop.set_exception_handler(lambda _loop, context: self.errors.append(context))
        jobs = [ToldJob(job_id) for job_id in "ab"] + [ToldJob(job_id, project_id="prj") for job_id in "pqr"]
        self.server = ObedientServer(jobs)
        self.watchings: list[Watching] = []
        self.ears: list[Ear] = []
        self.promises: list[Promise] = []
        self.listings: list[tuple[str, float]] = []
        self.checked = 0
        self.fresh: list[Exchange] = []
        self.settled = False
        self.closed: int | None = None
        self.tokens = 1.0
        self.spent_at = 0.0
        self.extra: list[Extra] = []
        self.last_woken: dict[str, Extra] = {}
        self.last_wake: dict[str, Promise] = {}

    @initialize(
        batch=st.sampled_from([None, None, 2, 100]),
        max_rate=st.sampled_from([None, None, 4.0]),
        workers=st.sampled_from([16, 16, 1]),
        round_trip=st.sampled_from([0.05, 1.0, 6.0]),
        job_ids=st.sets(st.sampled_from("abpqr")),
        closes=st.sampled_from([False, False, False, True]),
    )
    def begin(
        self,
        *,
        batch: int | None,
        max_rate: float | None,
        workers: int,
        round_trip: float,
        job_ids: set[str],
        closes: bool,
    ) -> None:
        self.closes = closes
        self.server.take(round_trip)
        self.max_rate = max_rate
        self.roomy = max_rate is None and workers == 16

        async def begun() -> Poller:
            return poller_of(
                self.server.transport, pace=PACE, patience=PATIENCE, max_rate=max_rate, workers=workers, batch=batch
            )

        self.poller = self.run(begun())
        for job_id in sorted(job_ids):
            self.listen(job_id, knows_project=False)

    # --- what the machine itself needs -----------------------------------------------------------------------

    def run(self, made: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(made)

    @property
    def now(self) -> float:
        return self.loop.time()

    @property
    def asked(self) -> int:
        return len(self.server.transport.requests)

    def wanted(self, job_id: str) -> list[Watching]:
        return [each for each in self.watchings if each.job_id == job_id and each.live]

    def registered(self, job_id: str) -> list[Watching]:
        return [each for each in self.watchings if each.job_id == job_id and each.until is None]

    def allow(self, job_id: str, why: str) -> None:
        """Allow one more look by each watch of a job, unless one that was allowed before has yet to begin."""
        for extra in self.extra:
            begun = self.server.account()[extra.made :]
            if (extra.job_id, extra.why) == (job_id, why) and not any(job_id in each.may_show for each in begun):
                return
        after = max(self.now, self.server.not_before)
        self.extra.append(Extra(job_id, why, self.asked, len(self.wanted(job_id)), after))

    def promise(self, kind: str, *watchings: Watching, slot: float = 0.0) -> None:
        """Note by when a look has to begin: at once, but for the answers that are waited for at present."""
        coming = [
            each.due for each in self.server.under_way(self.now) if any(self.may_serve(each, one) for one in watchings)
        ]
        by = max([self.now, slot, self.server.not_before, *coming]) + AT_ONCE
        self.promises.append(Promise(kind, watchings, self.asked, self.now, by, list(watchings[0].ears)))

    def may_serve(self, exchange: Exchange, watching: Watching) -> bool:
        """Whether a request may be for a job: a list may be a guess at the project of one that was never seen."""
        return exchange.kind == "list" or watching.job_id in exchange.named

    # --- those who listen and watch --------------------------------------------------------------------------

    @precondition(lambda self: self.closed is None)
    @rule(job_id=st.sampled_from("abpqr"), knows_project=st.booleans())
    @in_loop
    def listen(self, job_id: str, knows_project: bool) -> None:
        watch = self.poller.listen(self.state_of(job_id, knows_project))
        watching = next((each for each in self.registered(job_id) if each.watch is watch), None)
        assert watching is not None or not any(each.listened for each in self.registered(job_id)), "one watch for all"
        if watching is None:
            watching = self.begun(job_id, watch, listened=True)
        ear = Ear(watching, told_at=[])
        watching.ears.append(ear)
        self.ears.append(ear)
        ear.task = asyncio.create_task(self.hear(ear))

    def state_of(self, job_id: str, knows_project: bool) -> Any:
        return replace(watched(job_id), project_id=self.server.jobs[job_id].project_id if knows_project else None)

    def begun(self, job_id: str, watch: Watch, *, listened: bool) -> Watching:
        watching = Watching(job_id, watch, listened, self.asked, self.now, told=[], ears=[], asks=[])
        self.watchings.append(watching)
        self.promise("first look", watching)
        return watching

    async def hear(self, ear: Ear) -> None:
        """Listen as a wait does: what there is already is heard without being told."""
        try:
            while True:
                ear.heard = ear.state()
                await self.poller.news(ear.watching.awaited)
                ear.told_at.append(self.now)
                is_answer = self.answers_an_ask(ear.watching)
                if ear.state() == ear.heard and self.closed is None:
                    ear.told_for_nothing |= not (is_answer or self.was_beyond_patience)
        except JobwatchError:
            ear.stopped = True

    def answers_an_ask(self, watching: Watching) -> bool:
        """Return whether an answer came in this moment to a look that somebody asked for before it began."""
        answers = [
            each
            for each in self.server.account()[-MOST_UNDER_WAY:]
            if each.answered is not None and each.answered >= self.now - EXACT
            if (each.kind == "job" and watching.job_id in each.named) or watching.job_id in each.shown
        ]
        turns = len([each for each in self.watchings if each.job_id == watching.job_id])
        found = False
        for ask in watching.asks:
            kinds = {each.kind for each in answers if each.number >= ask.made}
            found |= bool(kinds) and ask.is_answered(self.now, turns, by_list=kinds == {"list"})
        return found

    @precondition(lambda self: self.ears)
    @rule(which=st.integers(0, 9))
    @in_loop
    def leave(self, which: int) -> None:
        ear = self.ears.pop(which % len(self.ears))
        assert ear.task is not None
        ear.task.cancel()
        ear.task = None  # whose traceback would keep the watch
        watching = ear.watching
        watching.ears.remove(ear)
        if not watching.ears:
            self.over_with(watching)
        self.poller.leave(watching.awaited)

    def over_with(self, watching: Watching) -> None:
        watching.until = self.asked

    @precondition(lambda self: self.closed is None)
    @rule(
        job_id=st.sampled_from("abpqr"), outlives=st.booleans(), drops=st.booleans(), raises=st.sampled_from([0, 0, 1])
    )
    @in_loop
    def watch(self, job_id: str, outlives: bool, drops: bool, raises: int) -> None:
        """Watch as a watcher does: one who outlives an outage resumes in the very call that tells of it."""
        if any(not each.listened for each in self.registered(job_id)):
            with pytest.raises(ConfigError):
                self.poller.watch(watched(job_id), lambda _watch, _looked: None)
            return

        def on_look(watch: Watch, looked: Looked) -> None:
            if watch is not watching.watch or watching.until is not None or watching.over:
                self.errors.append({"message": f"a watcher told of {job_id}, of which it does not want to hear"})
            if looked.transitions:
                watching.behind = watching.raises > 0
                if watching.behind:
                    watching.raises -= 1
                    raise ZeroDivisionError("a watcher's own fault")
            watching.told.extend(looked.transitions)
            if looked.outcome in OUTLIVED:
                if watching.outlives:
                    self.resumed(watching)
            elif looked.outcome is not None and watching.drops:
                self.over_with(watching)
                self.poller.drop(watch)

        watch = self.poller.watch(watched(job_id), on_look)
        watching = self.begun(job_id, watch, listened=False)
        watching.outlives, watching.drops = outlives, drops
        watching.raises = raises

    @precondition(lambda self: any(not each.listened and each.until is None for each in self.watchings))
    @rule(which=st.integers(0, 9))
    @in_loop
    def drop(self, which: int) -> None:
        present = [each for each in self.watchings if not each.listened and each.until is None]
        watching = present[which % len(present)]
        self.over_with(watching)
        self.poller.drop(watching.watch)

    @precondition(lambda self: self.closed is None)
    @rule()
    @in_loop
    def resume(self) -> None:
        """Go on with what watchers gave up, some time after they did."""
        for watching in self.watchings:
            given_up = watching.watch.watched.outcome in OUTLIVED
            if watching.until is None and not watching.listened and given_up:
                self.resumed(watching)

    def resumed(self, watching: Watching) -> None:
        self.poller.resume(watching.watch)
        watching.over = False
        if watching.watch.watched.outcome is not None:
            self.errors.append({"message": "what was resumed is still given up"})

    # --- those who hurry -------------------------------------------------------------------------------------

    @precondition(lambda self: self.ears and self.closed is None)
    @rule(which=st.integers(0, 9), times=st.integers(1, 3))
    @in_loop
    def look_now(self, which: int, times: int) -> None:
        watching = self.ears[which % len(self.ears)].watching
        for _ in range(times):
            may_be = watching.watch.watched.outcome is None and self.now >= self.server.not_before - EXACT
            before = self.asked
            assert self.poller.look_now(watching.watch) == may_be
            assert self.asked == before, "no look is made within the call"
            if may_be:
                self.allow(watching.job_id, "look_now")
                self.promise("look_now", watching)
                watching.asks.append(Ask(self.asked, answered=[]))

    @precondition(lambda self: self.closed is None)
    @rule(job_id=st.sampled_from(["a", "b", "p", "q", "r", "nobody"]))
    def wake_somebody(self, job_id: str) -> None:
        self.wake(job_id)

    @precondition(lambda self: self.closed is None and any(each.live for each in self.watchings))
    @rule(
        which=st.integers(0, 9),
        waits=st.lists(st.sampled_from([0.0, 0.06, 0.2, 0.4]), max_size=3),
        hurries=st.booleans(),
    )
    def wake_again_and_again(self, which: int, waits: list[float], hurries: bool) -> None:
        for seconds in [*waits, 0.0]:
            going_on = [each.job_id for each in self.watchings if each.live]
            if going_on:
                job_id = going_on[which % len(going_on)]
                self.much_happens_at_once(job_id, ["wake", "look_now"] if hurries else ["wake"])
            if seconds:
                self.hold(seconds)

    @in_loop
    def wake(self, job_id: str) -> None:
        wanted = bool(self.wanted(job_id))
        assert self.poller.wake(job_id) == wanted
        if wanted:
            self.woken(job_id)

    def woken(self, job_id: str) -> None:
        self.allow(job_id, "wake")
        self.promise("wake", self.wanted(job_id)[0], slot=self.slot_of(job_id))
        self.last_wake[job_id] = self.promises[-1]

    def slot_of(self, job_id: str) -> float:
        """Return from when on a wake can have a look made: with the last one, or the shortest interval after it."""
        last = self.last_wake.get(job_id)
        if last is None:
            return 0.0
        pending = not any(job_id in each.may_show for each in self.server.account()[last.made :])
        return last.by if pending else min(last.by, self.now) + PACE.min_interval

    @precondition(lambda self: self.closed is None)
    @rule(project_id=st.sampled_from(["prj", "nothing"]))
    @in_loop
    def wake_project(self, project_id: str) -> None:
        """Wake those whose project is known; it is enough if a list shows one of them, or that may be the project's."""
        known = [one for one in self.watchings if one.live and one.watch.watched.project_id == project_id]
        slots = [self.slot_of(one.job_id) for one in known]
        woken = self.poller.wake_project(project_id)
        assert not woken or known
        if woken:
            self.promise("wake_project", *known, slot=max(slots))
            for job_id in sorted({one.job_id for one in known}):
                self.allow(job_id, "wake_project")
                self.last_wake[job_id] = self.promises[-1]

    @precondition(lambda self: self.closed is None)
    @rule(job_ids=st.sets(st.sampled_from("abpqr"), min_size=1), lags=st.booleans())
    @in_loop
    def list_shows(self, job_ids: set[str], lags: bool) -> None:
        """Hand over jobs that a list showed; one that lags shows states before the latest of jobs that were seen."""
        versions = {job_id: self.server.jobs[job_id].version for job_id in sorted(job_ids)}
        if lags:
            known = {
                job_id: min((self.version_of(each) for each in self.wanted(job_id)), default=-1) for job_id in versions
            }
            versions = {job_id: version - 1 for job_id, version in versions.items() if known[job_id] >= version > 0}
        for job_id, version in versions.items():
            self.server.jobs[job_id].shown.append((version, self.now))
            self.listings.append((job_id, self.now))
        jobs = self.server.list_of(versions)
        self.poller.shown(jobs)

    @precondition(lambda self: self.closed is None)
    @rule(
        job_id=st.sampled_from("abpqr"),
        happenings=st.lists(st.sampled_from(["look_now", "wake", "list", "watch", "listen"]), min_size=2, max_size=4),
    )
    @in_loop
    def much_happens_at_once(self, job_id: str, happenings: list[str]) -> None:
        """Have several things happen before the engine comes to do any of them."""
        for what in happenings:
            match what:
                case "look_now":
                    for which in [which for which, ear in enumerate(self.ears) if ear.watching.job_id == job_id][:1]:
                        self.look_now(which, times=1)
                case "wake":
                    self.wake(job_id)
                case "list":
                    self.list_shows({job_id}, lags=False)
                case "watch":
                    self.watch(job_id, outlives=False, drops=False, raises=0)
                case _:
                    self.listen(job_id, knows_project=False)

    @precondition(lambda self: self.closes and self.closed is None)
    @rule(hurries=st.booleans(), steps=st.integers(0, 5))
    def close(self, hurries: bool, steps: int) -> None:
        async def closing() -> None:
            for which in range(len(self.ears) if hurries else 0):
                self.look_now(which, times=1)
            for _ in range(steps):
                await asyncio.sleep(0.0)
            self.closed = self.asked
            await self.poller.aclose()

        self.settled = False
        self.run(closing())

    # --- what the server does --------------------------------------------------------------------------------

    @rule(job_id=st.sampled_from("abpqr"), by=st.integers(1, 2))
    @in_loop
    def advance(self, job_id: str, by: int) -> None:
        for _ in range(by):
            if not self.server.jobs[job_id].over:
                self.server.jobs[job_id].advance(self.now)

    @rule(job_id=st.sampled_from("abpqr"), word=st.sampled_from(["completed", "failed"]))
    @in_loop
    def end(self, job_id: str, word: str) -> None:
        if not self.server.jobs[job_id].over:
            self.server.jobs[job_id].enter(word, self.now)

    @rule(seconds=st.sampled_from([0.0, 0.05, 1.0, 6.0, HANGS]))
    @in_loop
    def take(self, seconds: float) -> None:
        self.server.take(seconds)

    @rule(job_id=st.sampled_from(["a", "b", "p", "q", "r", EVERY_JOB]), fault=st.sampled_from(list(FAULTS)))
    @in_loop
    def fail(self, job_id: str, fault: str) -> None:
        if job_id != EVERY_JOB or FAULTS[fault] is not None:
            self.server.trouble[job_id] = FAULTS[fault]

    @rule(job_id=st.sampled_from("abpqr"))
    @in_loop
    def hide(self, job_id: str) -> None:
        """Show a job in no answer for several jobs."""
        self.server.jobs[job_id].hidden = True

    @rule()
    @in_loop
    def recover(self) -> None:
        self.server.recover()

    # --- time passes -----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.06, 0.3, 0.6]))
    def a_moment_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(seconds=st.sampled_from([1.1, 3.0, 7.0, 21.0]))
    def some_seconds_pass(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule()
    def a_minute_passes(self) -> None:
        self.pass_time(60.0)

    @precondition(lambda self: self.closed is None and any(each.live for each in self.watchings))
    @rule(which=st.integers(0, 9), hides=st.booleans(), then=st.sampled_from(["look_now", "look_now", "wake", ""]))
    def a_look_gets_under_way(self, which: int, hides: bool, then: str) -> None:
        """Let a job be in flight, if it is looked at within the longest interval, and have somebody hurry then."""
        going_on = [each for each in self.watchings if each.live]
        watching = going_on[which % len(going_on)]
        self.server.take(1.2)
        self.server.jobs[watching.job_id].hidden |= hides
        for _ in range(110):
            if any(watching.job_id in each.may_show for each in self.server.under_way(self.now)):
                break
            self.run(asyncio.sleep(0.2))
        self.hold(0.0)
        if then == "look_now" and watching.ears:
            self.look_now(self.ears.index(watching.ears[0]), times=1)
        elif then == "wake":
            self.wake(watching.job_id)

    @rule(job_id=st.sampled_from(["a", "b", "p", "q", "r", EVERY_JOB]), fault=st.sampled_from(list(FAULTS)))
    def an_outage_lasts(self, job_id: str, fault: str) -> None:
        self.fail(job_id, fault)
        self.pass_time(1.5 * PATIENCE.unreachable_after)

    def pass_time(self, seconds: float) -> None:
        async def passing() -> None:
            await asyncio.sleep(seconds)
            for _ in range(10):
                await asyncio.sleep(0)

        self.run(passing())
        self.account()

    def account(self) -> None:
        exchanges = self.server.account()
        self.fresh = exchanges[self.checked :]
        self.checked = len(exchanges)
        self.settled = True

    def shown_since(self, promise: Promise) -> list[float]:
        """Return when lists showed a job that was promised its first look, which may count as that look."""
        job_id = promise.watching.job_id
        if promise.kind != "first look":
            return []  # a list may have begun before somebody asked
        lists = [
            (job_id, each.answered)
            for each in self.server.exchanges
            if each.kind != "job" and each.answered is not None and job_id in each.shown
        ]
        return [at for listed, at in self.listings + lists if listed == job_id and at >= promise.at - EXACT]

    # --- what must hold --------------------------------------------------------------------------------------

    @precondition(lambda self: self.settled)
    @invariant()
    def nobody_is_looked_at_who_is_not_wanted(self) -> None:
        for exchange in self.fresh:
            assert self.closed is None or exchange.number < self.closed, "a look after all was closed"
            assert any(
                self.was_going_on(watching, exchange)
                for watching in self.watchings
                if exchange.kind == "list" or watching.job_id in exchange.named
            ), f"{exchange.target} at {exchange.began}"
            for job_id in exchange.named:
                assert any(self.was_going_on(each, exchange) for each in self.watchings if each.job_id == job_id)
        for watching in self.watchings:
            watching.over = watching.watch.watched.outcome is not None

    def was_going_on(self, watching: Watching, exchange: Exchange) -> bool:
        if not watching.has(exchange.number) or watching.over:
            return False
        ends = [each.seen_at for each in watching.log()[-1:] if each.phase.ended]
        return not ends or exchange.began <= ends[0].timestamp() - EPOCH + 1e-5

    @precondition(lambda self: self.settled)
    @invariant()
    def a_watch_has_one_look_under_way_at_most(self) -> None:
        for exchange in self.fresh:
            for job_id in exchange.named:
                watchings = [each for each in self.watchings if each.job_id == job_id]
                since = max((each.until or 0 for each in watchings if (each.until or 0) <= exchange.number), default=0)
                wanted = sum(each.has(exchange.number) for each in watchings)
                under_way = [
                    each
                    for each in self.server.exchanges[max(since, exchange.number - RECENT) : exchange.number + 1]
                    if job_id in each.named and (each.due if each.answered is None else each.answered) > exchange.began
                ]
                assert len(under_way) <= max(wanted, 1), f"{exchange.target} at {exchange.began}"

    @precondition(lambda self: self.settled)
    @invariant()
    def looks_lie_apart_unless_there_is_a_reason(self) -> None:
        """At least the shortest interval lies between two looks at a job, but for looks that somebody asked for."""
        for exchange in self.fresh:
            # One reason is enough for a batch; a list shows jobs without being a look at them, and needs none.
            reasons = (self.reason_for(exchange, job_id) for job_id in sorted(exchange.named))
            assert exchange.kind == "list" or any(reasons), f"{exchange.target} at {exchange.began}"

    def reason_for(self, exchange: Exchange, job_id: str) -> str | None:
        wanted = [each for each in self.watchings if each.job_id == job_id and each.has(exchange.number)]
        if not wanted:
            return None
        extra = [each for each in self.extra if each.job_id == job_id and each.made <= exchange.number]
        since = max(one.since for one in wanted)
        asked = self.server.exchanges[since : exchange.number]
        shown = [each for each in asked if each.answered is not None and each.answered <= exchange.began]
        if not any(job_id in each.named for each in asked) and not any(job_id in each.shown for each in shown):
            return "first look"
        earlier = [
            each
            for each in self.server.exchanges[max(0, exchange.number - RECENT) : exchange.number]
            if each.answered is not None and job_id in each.may_show
        ]
        answered = [each.answered or 0.0 for each in earlier if each.kind == "job" or job_id in each.shown]
        recent = [at for at in answered if exchange.began - PACE.min_interval + AT_ONCE < at <= exchange.began]
        if len(recent) < len(wanted):
            if len(wanted) == 1:
                self.extra = [each for each in self.extra if each not in extra]
            return "it was due"
        for each in extra:
            if each.why == "wake" and not self.may_follow(self.last_woken.get(job_id), each, exchange, wanted):
                continue
            each.looks -= 1
            each.taken_by = exchange.number
            if each.looks == 0:
                self.extra.remove(each)
            return each.why
        lacked = any(
            job_id not in each.shown and exchange.began - PACE.min_interval < (each.answered or 0.0)
            for each in earlier
            if each.kind != "job"
        )
        return "the answer for several lacked it" if lacked else None

    def may_follow(self, last: Extra | None, wake: Extra, exchange: Exchange, wanted: list[Watching]) -> bool:
        """Whether a wake may have a look made: looks that wakes ask for lie apart too, while the job is watched."""
        forgotten = last is None or not any(each.since <= (last.taken_by or 0) for each in wanted)
        if last is wake or forgotten or last is None or exchange.began >= last.after + PACE.min_interval - EXACT:
            if exchange.kind == "job":  # a batch may be another job's, and take this one along before its turn
                self.last_woken[wake.job_id] = wake
            return True
        return False

    @precondition(lambda self: self.settled)
    @invariant()
    def nothing_is_sent_while_a_retry_after_is_in_force(self) -> None:
        for exchange in self.fresh:
            for since, until in self.server.pauses:
                assert not since + EXACT < exchange.began < until - EXACT, f"{exchange.target} at {exchange.began}"

    @precondition(lambda self: self.settled)
    @invariant()
    def the_budget_is_kept(self) -> None:
        if self.max_rate is None:
            return
        for exchange in self.fresh:
            passed = exchange.began - self.spent_at
            self.tokens = min(max(1.0, self.max_rate / 4.0), self.tokens + passed * self.max_rate) - 1.0
            self.spent_at = exchange.began
            assert self.tokens > -EXACT * self.max_rate, f"{exchange.target} at {exchange.began}"

    @precondition(lambda self: self.settled)
    @invariant()
    def a_look_that_was_promised_begins_after_the_promise_and_in_time(self) -> None:
        limited = not self.roomy or any(each.fault and each.fault.http_status == 429 for each in self.server.exchanges)
        for promise in self.promises:
            if not (limited or self.is_void(promise)):
                began = [each.began for each in self.server.exchanges[promise.made :] if promise.may_be_met_by(each)]
                first = min([self.now, *began[:1], *self.shown_since(promise)])
                assert first <= self.latest(promise), f"{promise.kind} at {promise.at}"

    def is_void(self, promise: Promise) -> bool:
        """Whether nobody waits any more, or looks are not made since the server asked for too long a pause."""
        return not all(each.live for each in promise.watchings) or self.closed is not None or self.was_beyond_patience

    def latest(self, promise: Promise) -> float:
        """Return by when a promise must be met, as far as is known now: lists that began later are waited for."""
        lists = [
            each.due + AT_ONCE
            for each in self.server.exchanges[promise.made :]
            if each.kind != "job" and any(self.may_serve(each, one) for one in promise.watchings)
        ]
        return max([promise.by, self.server.not_before + AT_ONCE, *lists])

    @precondition(lambda self: self.settled)
    @invariant()
    def who_asked_for_a_look_is_told_when_it_is_answered(self) -> None:
        """With two watches of a job the first look may be for the other one; what a list shows may count as a look."""
        for promise in list(self.promises):
            since = self.server.exchanges[promise.made :]
            answers = [each for each in since if each.answered is not None and self.is_shown_by(each, promise.watching)]
            turns = len([each for each in self.watchings if each.job_id == promise.watching.job_id])
            slow = turns > 1 and any(promise.watching.job_id in each.named for each in self.server.under_way(self.now))
            # What a list showed may be the look, if it was asked for this job too; else that is made at once.
            looks = [each for each in answers if promise.watching.job_id in each.named or promise.kind != "look_now"]
            if promise.kind == "look_now" and self.have_been_told(promise, answers):
                self.promises.remove(promise)
            elif (not slow and (len(looks) >= turns or self.shown_since(promise))) or not promise.watching.live:
                self.promises.remove(promise)
                given_up = not promise.watching.live or self.closed is not None or self.was_beyond_patience
                assert promise.kind != "look_now" or given_up, f"nobody told of the look promised at {promise.at}"

    def is_shown_by(self, exchange: Exchange, watching: Watching) -> bool:
        if exchange.kind == "job":
            return watching.job_id in exchange.named
        return watching.job_id in exchange.shown

    def have_been_told(self, promise: Promise, answers: list[Exchange]) -> bool:
        """Whether all who listened when a look was promised were told when one that began later was answered."""
        times = [each.answered or 0.0 for each in answers]
        return bool(times) and all(
            any(abs(at - told) <= EXACT for at in times for told in ear.told_at)
            for ear in promise.ears
            if ear in promise.watching.ears
        )

    @precondition(lambda self: self.settled)
    @invariant()
    def nobody_is_told_for_nothing(self) -> None:
        assert not any(ear.told_for_nothing for ear in self.ears)

    @precondition(lambda self: self.settled)
    @invariant()
    def who_listens_has_been_told_of_all_there_is(self) -> None:
        for ear in self.ears:
            assert ear.stopped == (self.closed is not None)
            assert ear.stopped or ear.heard == ear.state()

    @precondition(lambda self: self.settled)
    @invariant()
    def each_transition_is_delivered_once_in_order_and_was_true_when_it_was_seen(self) -> None:
        for watching in self.watchings:
            job, log = self.server.jobs[watching.job_id], watching.log()
            assert [each.seq for each in log] == list(range(1, len(log) + 1))
            versions = [job.version_of(each.status) for each in log]
            assert versions == sorted(set(versions)), "once, and in order"
            for version, transition in zip(versions, log, strict=True):
                seen_at = transition.seen_at.timestamp() - EPOCH
                assert any(told == version and abs(at - seen_at) < 1e-5 for told, at in job.shown), transition
            if watching.live and not watching.behind:
                assert self.version_of(watching) == (versions[-1] if versions else -1)

    def version_of(self, watching: Watching) -> int:
        return self.server.jobs[watching.job_id].version_of(watching.watch.watched.status or "")

    @precondition(lambda self: self.settled)
    @invariant()
    def what_an_answer_showed_is_delivered(self) -> None:
        for watching in self.watchings:
            if watching.until is not None or watching.over or watching.behind or self.closed is not None:
                continue
            others = [each for each in self.watchings if each.job_id == watching.job_id and each is not watching]
            shown = [
                each.shown[watching.job_id]
                for each in self.server.exchanges[watching.since :]
                if watching.job_id in each.named
                and watching.job_id in each.shown
                and not any(other.has(each.number) for other in others)
            ]
            versions = [self.server.jobs[watching.job_id].version_of(each.status) for each in watching.log()]
            assert not shown or (versions and versions[-1] >= shown[-1]), watching.job_id

    @precondition(lambda self: self.settled)
    @invariant()
    def each_fault_and_outcome_has_its_cause_in_what_that_job_was_answered(self) -> None:
        for watching in self.watchings:
            known = watching.watch.watched
            asked = [each for each in self.server.exchanges if each.target == f"job:{watching.job_id}"]
            faults = {each.fault.kind for each in asked if each.fault is not None}
            if any(each.raised for each in asked):
                faults.add(FaultKind.UNREADABLE)
            if self.was_beyond_patience:
                faults.add(FaultKind.RATE_LIMITED)
            assert known.fault is None or known.fault.kind in faults, known.fault
            match known.outcome:
                case None:
                    pass
                case Outcome.SUCCEEDED | Outcome.FAILED:
                    assert self.server.jobs[watching.job_id].entered[-1][0] == known.status == WORDS[known.outcome]
                case _:
                    assert known.fault is not None
                    assert known.fault.kind in CAUSES[known.outcome]

    @property
    def was_beyond_patience(self) -> bool:
        return any(until - since > PATIENCE.unreachable_after for since, until in self.server.pauses)

    # --- the end ---------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and hasattr(self, "poller"):
                self.in_the_end()
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.run(asyncio.sleep(0))
            self.loop.close()
        assert self.errors == []

    def in_the_end(self) -> None:
        if self.closed is None:
            self.nobody_is_forgotten()
            self.nobody_is_looked_at_once_all_have_ended()
        self.nothing_is_left_when_all_have_left()

    def hold(self, seconds: float) -> None:
        """Let time pass, after which all must hold."""
        self.pass_time(seconds)
        self.check_all()

    def check_all(self) -> None:
        for held in INVARIANTS:
            held(self)
        self.settled = False  # or what was new to them would be so once more

    def nobody_is_forgotten(self) -> None:
        """Whatever was before: with a healthy server all who go on are looked at, and see what there is to see."""
        self.server.recover()
        self.hold(150.0)
        for job in self.server.jobs.values():
            if not job.over:
                job.advance(self.now)
        self.hold(LONG)
        for watching in self.watchings:
            if watching.live:
                assert self.version_of(watching) == self.server.jobs[watching.job_id].version, watching.job_id

    def nobody_is_looked_at_once_all_have_ended(self) -> None:
        for job in self.server.jobs.values():
            if not job.over:
                job.enter("completed", self.now)
        self.hold(LONG)
        assert not any(watching.live for watching in self.watchings), "the end is known to all"
        asked = self.asked
        self.hold(LONG)
        assert self.asked == asked

    def nothing_is_left_when_all_have_left(self) -> None:
        while self.ears:
            self.leave(0)
        while any(not each.listened and each.until is None for each in self.watchings):
            self.drop(0)
        self.pass_time(1.0)
        self.run(self.is_idle())
        if self.closed is None:
            self.no_watch_is_kept()
        self.run(self.poller.aclose())

    def no_watch_is_kept(self) -> None:
        """What was left behind in queues is gone once looks at one more job have passed by."""
        self.watch_one_more()
        self.run(self.is_idle())
        watches = [each.watch for each in self.watchings[:-1]]
        self.watchings.clear()
        self.promises.clear()
        self.last_wake.clear()
        if references_to(watches):
            gc.collect()
        assert references_to(watches) == 0

    def watch_one_more(self) -> None:
        job = self.server.jobs["one more"] = ToldJob("one more")
        self.server.transport.jobs[job.id] = job
        self.listen(job.id, knows_project=False)
        self.pass_time(3.0 * PACE.max_interval)
        self.leave(0)
        self.pass_time(1.0)

    @staticmethod
    async def is_idle() -> None:
        assert idle_tasks() == set()
        assert running_loop().timers() == []


def references_to(watches: list[Watch]) -> int:
    """Return how many references there are to watches besides those of the list: an engine's, or of rubbish."""
    alone = [object()]
    own = sys.getrefcount(alone[0])
    return sum(sys.getrefcount(watches[place]) - own for place in range(len(watches)))


INVARIANTS: list[Callable[[WatchMachine], None]] = [
    WatchMachine.nobody_is_looked_at_who_is_not_wanted,
    WatchMachine.a_watch_has_one_look_under_way_at_most,
    WatchMachine.looks_lie_apart_unless_there_is_a_reason,
    WatchMachine.nothing_is_sent_while_a_retry_after_is_in_force,
    WatchMachine.the_budget_is_kept,
    WatchMachine.a_look_that_was_promised_begins_after_the_promise_and_in_time,
    WatchMachine.who_asked_for_a_look_is_told_when_it_is_answered,
    WatchMachine.nobody_is_told_for_nothing,
    WatchMachine.who_listens_has_been_told_of_all_there_is,
    WatchMachine.each_transition_is_delivered_once_in_order_and_was_true_when_it_was_seen,
    WatchMachine.what_an_answer_showed_is_delivered,
    WatchMachine.each_fault_and_outcome_has_its_cause_in_what_that_job_was_answered,
]

TestWatchMachine = pytest.mark.slow(in_sample=True)(WatchMachine.TestCase)
# The same examples each time by default, so that a run can be repeated; others each time with the thorough profile.
TestWatchMachine.settings = settings(
    max_examples=2 * settings().max_examples,
    stateful_step_count=30,
    derandomize=settings().max_examples <= MOST_REPEATED,
    database=None,
)


# --- each state and each event -----------------------------------------------------------------------------------

RARELY = Pace(min_interval=5.0, max_interval=600.0, poll_cost=1e6)
"""A pace at which no look is due by itself within the time for which a row of the table is observed."""


class Seen(Struct, frozen=True):
    """What came of an event within 8 s, each look taking one; of a scheduled look's answer, in 400 s more.

    Attributes:
        looks: After how many seconds the looks began that the event led to.
        answers: How many answers came, that to the look under way included.
        told: How many times the one who listens was told.
        status: What is known of the job, which had entered ``running`` just before the event.
        outcome: How the watch ended.
        returned: What the call returned; for `listen`, whether it was the same watch.
    """

    looks: tuple[float, ...]
    answers: int
    told: int
    status: str | None
    outcome: Outcome | None = None
    returned: bool | None = None


class Row:
    """One job, one who listens, and a server that takes a second for an answer."""

    def __init__(self) -> None:
        self.job = ToldJob("a")
        self.server = ObedientServer([self.job])
        self.server.take(1.0)
        self.poller = poller_of(self.server.transport, pace=RARELY)
        self.watch = self.poller.listen(watched("a"))
        self.told = 0
        self.listens = asyncio.ensure_future(self.listen())

    async def listen(self) -> None:
        while True:
            await self.poller.news(self.watch)
            self.told += 1

    @property
    def asked(self) -> int:
        return len(self.server.transport.requests)

    async def begin(self, state: str) -> None:
        match state:
            case "never looked at":
                await asyncio.sleep(0)
            case "ended":
                self.job.enter("completed", 0.0)
                await asyncio.sleep(10.0)
            case _:
                await asyncio.sleep(10.0)
                if state == "in flight for somebody, who wants another":
                    assert self.poller.look_now(self.watch)
                    await asyncio.sleep(0.5)
                elif state != "scheduled":
                    assert self.poller.wake("a")
                    await asyncio.sleep(0.5)
                if state.startswith("in flight") and state.endswith(("is wanted", "wants another")):
                    assert self.poller.look_now(self.watch)

    async def happen(self, event: str) -> bool | None:
        match event:
            case "listen":
                return self.poller.listen(watched("a")) is self.watch
            case "look_now":
                return self.poller.look_now(self.watch)
            case "wake":
                return self.poller.wake("a")
            case "list shows it":
                self.poller.shown(self.server.list_of({"a": self.job.version}))
            case "leave":
                self.listens.cancel()
                self.poller.leave(self.watch)
            case "fault":
                self.server.trouble["a"] = Fault(FaultKind.UNREACHABLE, "no connection")
            case "exception":
                self.server.trouble["a"] = None
        return None

    async def seen(self, state: str, event: str) -> Seen:
        await self.begin(state)
        if state != "ended":
            self.job.enter("running", self.poller.now())
        told, asked, at = self.told, self.asked, self.poller.now()
        answers = sum(each.answered is not None for each in self.server.account())
        returned = await self.happen(event)
        if state == "scheduled" and event in {"answer", "fault", "exception"}:
            await asyncio.sleep(400.0)  # until a look was due by itself
        await asyncio.sleep(8.0)
        looks = tuple(round(began - at, 1) for began, _ in self.server.transport.requests[asked:])
        answers = sum(each.answered is not None for each in self.server.account()) - answers
        known = self.watch.watched
        self.listens.cancel()
        await self.poller.aclose()
        return Seen(looks, answers, self.told - told, known.status, known.outcome, returned)


UNREADABLE, SUCCEEDED = Outcome.UNREADABLE, Outcome.SUCCEEDED

TABLE = {
    ("never looked at", "listen"): Seen((0.0,), 1, 1, "running", returned=True),
    ("never looked at", "look_now"): Seen((0.0,), 1, 1, "running", returned=True),
    ("never looked at", "wake"): Seen((0.0,), 1, 1, "running", returned=True),
    ("never looked at", "list shows it"): Seen((), 0, 1, "running"),
    ("never looked at", "leave"): Seen((), 0, 0, None),
    ("never looked at", "answer"): Seen((0.0,), 1, 1, "running"),
    ("never looked at", "fault"): Seen((0.0,), 1, 0, None),
    ("never looked at", "exception"): Seen((0.0,), 1, 1, None, UNREADABLE),
    ("scheduled", "listen"): Seen((), 0, 0, "pending", returned=True),
    ("scheduled", "look_now"): Seen((0.0,), 1, 1, "running", returned=True),
    ("scheduled", "wake"): Seen((0.0,), 1, 1, "running", returned=True),
    ("scheduled", "list shows it"): Seen((), 0, 1, "running"),
    ("scheduled", "leave"): Seen((), 0, 0, "pending"),
    ("scheduled", "answer"): Seen((291.0,), 1, 1, "running"),
    ("scheduled", "fault"): Seen((291.0,), 1, 0, "pending"),
    ("scheduled", "exception"): Seen((291.0,), 1, 1, "pending", UNREADABLE),
    ("in flight", "listen"): Seen((), 1, 1, "running", returned=True),
    ("in flight", "look_now"): Seen((0.5,), 2, 2, "running", returned=True),
    ("in flight", "wake"): Seen((4.5,), 2, 1, "running", returned=True),
    ("in flight", "list shows it"): Seen((), 1, 1, "running"),
    ("in flight", "leave"): Seen((), 0, 0, "pending"),
    ("in flight", "answer"): Seen((), 1, 1, "running"),
    ("in flight", "fault"): Seen((), 1, 0, "pending"),
    ("in flight", "exception"): Seen((), 1, 1, "pending", UNREADABLE),
    ("in flight, another look is wanted", "listen"): Seen((0.5,), 2, 2, "running", returned=True),
    ("in flight, another look is wanted", "look_now"): Seen((0.5,), 2, 2, "running", returned=True),
    ("in flight, another look is wanted", "wake"): Seen((0.5,), 2, 2, "running", returned=True),
    ("in flight, another look is wanted", "list shows it"): Seen((0.5,), 2, 2, "running"),
    ("in flight, another look is wanted", "leave"): Seen((), 0, 0, "pending"),
    ("in flight, another look is wanted", "answer"): Seen((0.5,), 2, 2, "running"),
    ("in flight, another look is wanted", "fault"): Seen((0.5,), 2, 1, "pending"),
    ("in flight, another look is wanted", "exception"): Seen((), 1, 1, "pending", UNREADABLE),
    ("in flight for somebody, who wants another", "listen"): Seen((0.5,), 2, 2, "running", returned=True),
    ("in flight for somebody, who wants another", "look_now"): Seen((0.5,), 2, 2, "running", returned=True),
    ("in flight for somebody, who wants another", "wake"): Seen((0.5,), 2, 2, "running", returned=True),
    ("in flight for somebody, who wants another", "list shows it"): Seen((0.5,), 2, 2, "running"),
    ("in flight for somebody, who wants another", "leave"): Seen((), 0, 0, "pending"),
    ("in flight for somebody, who wants another", "answer"): Seen((0.5,), 2, 2, "running"),
    ("in flight for somebody, who wants another", "fault"): Seen((0.5,), 2, 2, "pending"),
    ("in flight for somebody, who wants another", "exception"): Seen((), 1, 1, "pending", UNREADABLE),
    ("ended", "listen"): Seen((), 0, 0, "completed", SUCCEEDED, returned=True),
    ("ended", "look_now"): Seen((), 0, 0, "completed", SUCCEEDED, returned=False),
    ("ended", "wake"): Seen((), 0, 0, "completed", SUCCEEDED, returned=False),
    ("ended", "list shows it"): Seen((), 0, 0, "completed", SUCCEEDED),
    ("ended", "leave"): Seen((), 0, 0, "completed", SUCCEEDED),
    ("ended", "answer"): Seen((), 0, 0, "completed", SUCCEEDED),
    ("ended", "fault"): Seen((), 0, 0, "completed", SUCCEEDED),
    ("ended", "exception"): Seen((), 0, 0, "completed", SUCCEEDED),
}
"""By the state of a watched job and the event: what comes of it.

An answer, a fault or an exception is what the next look comes to, or the one that is under way.
"""


@pytest.mark.parametrize(("state", "event"), TABLE)
@on_virtual_clock
async def test_each_event_in_each_state(state: str, event: str) -> None:
    assert await Row().seen(state, event) == TABLE[state, event]


def test_the_table_is_complete() -> None:
    states, events = {state for state, _ in TABLE}, {event for _, event in TABLE}
    assert len(TABLE) == len(states) * len(events) == 6 * 8


@on_virtual_clock
async def test_nobody_keeps_a_watch_of_a_poller_that_was_closed_while_looks_were_under_way() -> None:
    server = ObedientServer([ToldJob("a"), ToldJob("b")])
    server.take(1.0)
    poller = poller_of(server.transport, pace=PACE)
    awaited = poller.listen(watched("a"))
    watches = [awaited, poller.watch(watched("b"), lambda _watch, _looked: None)]
    await asyncio.sleep(5.5)
    await poller.aclose()
    poller.drop(watches[1])
    poller.leave(awaited)
    del poller, awaited
    gc.collect()
    assert references_to(watches) == 0
