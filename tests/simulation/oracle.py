"""What must hold of every run, judged by the truth and by the record of the server, never by the library's own state.

Of what each listener was told of a job:

* O1 **order**: there is a way to match its transitions, one to one and in order, with states that the job truly
  entered: same word (without regard to case), same meaning, and same time where one is told. So nothing is repeated,
  invented or out of order.
* O2 **shown**: each was told of by an answer that the client had at that very moment, and by no other.
* O3 **lost**: a state that an answer told of is delivered, unless a later one had been told of before it.
* O4 **holes**: where states are missing in between, the next transition is marked, as far as an honest answer
  lets anyone know (see `_can_know`); and with a complete history nothing is marked that is no hole.
* O5 **the end**: a job's end is reported at the moment of the first answer whose status told of it, by that status,
  once, and last. No such answer, no such end (no false green, and failures only of jobs that failed).
* O6 **no end without reason**: not found, unreachable, unreadable and refused are what the answers really were, for
  as long as the patience says; and the other way round, patience ends when it should.
* O7 **time limits** are kept, with a last look at the end, and its fault named if it failed; where a job was never
  read, what kept it from being read is told in place of the limit.
* O8 **agreement**: those who listened at the same time through the same client were told the same.
* O9 **closed errors**: nothing is raised but the library's own errors.
* O10 **prompt**: an end that a stream tells has a look made at once.
* O11 **blocked**: a wait that is to end when its job waits for a person ends at the first look that still shows the
  same state at least 10 s after another one showed it, and never before; and no other wait ends so.
* O12 **learned**: of a job that tells its whole history, no more is learned than the time for which it was not blocked.
* O13 **woken**: a job that somebody says has changed has a look made at once.

Of a server that lies, less can be asked:

* A job is seen in the last state of its history, too, where its status tells of an earlier one of the same phase.
* A status that is ahead of its history is delivered when it is told, and the history may come after it.
* Where a server says the same thing of the same moment twice, nobody can know that it is one thing: both may be
  delivered.
* A job whose history is cut short and has no times, or whole seconds only (a *blind* one), need only keep O1 without
  the times, O5 and O6.

The requests are judged in `ration.py`.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct

from jobwatch import JobEnded, JobwatchError, LookError, Outcome, Phase, Transition, WaitTimeout
from jobwatch._engine.streams import BEATS

from . import faults, ration
from .people import CANCELLED, LEFT, STOPPED, Heard
from .truth import ENDED, EPOCH, TrueJob, as_compared

if TYPE_CHECKING:
    from .server import Exchange, Shown
    from .world import Plan, World

TICK = 0.002
"""How far apart two times may be that are the same; a transition's time has microseconds only."""

GRACE, LEAST = 0.25, 0.5
ASKED_EARLY = 1.0
"""How long past its time limit a wait may stay for its last look, and how long it may last in all, if that is more."""

SILENT = 1.0
"""For how long a look has to have had no answer, where none ever came, for the API to be called unreachable."""

GONE_LOOKS, GONE_SECONDS = 3, 10.0
REFUSED_LOOKS, REFUSED_SECONDS = 3, 10.0
BLOCKED_FOR = 10.0
"""How often and for how long a job that was seen has to be missing, refused or blocked before that is believed."""

_WAKES_AT_ONCE = 8

BELIEVED_FOR = 300.0
"""For how long a job may look the same by its validator alone, in seconds."""

_SOON = 0.01
"""How soon after an event its look has to be made, in seconds."""

_REFUSALS = frozenset({faults.AUTH, faults.REFUSED})
_FAILING = frozenset({faults.UNREACHABLE, faults.UNREADABLE, faults.LIMITED, faults.MISSING})


def judge(world: World) -> None:
    """Write down everything that is wrong with a run."""
    for heard in world.heard:
        world.violations += [
            f"{heard.who} {heard.job_id} at {heard.began:.3f}: {wrong}" for wrong in _Judgement(world, heard).wrongs()
        ]
    world.violations += _disagreements(world)
    world.violations += ration.wrongs(world)
    if world.plan.mode == "liveness":
        world.violations += _not_live(world)
    world.violations += _not_prompt(world)
    world.violations += _not_woken(world)
    world.violations += _wrongly_learned(world)


class _Answered(Struct):
    """An answer that a listener's client had, as far as it is about the job."""

    at: float
    asked: float
    verdict: str
    shown: Shown | None
    single: bool
    stay_away: float | None


class _Judgement:
    def __init__(self, world: World, heard: Heard) -> None:
        self.world = world
        self.plan = world.plan
        self.heard = heard
        self.job = world.server.jobs.get(heard.job_id)
        self.until = heard.until if heard.until is not None else world.closed_at
        self.unsure = self._is_unsure()
        self.answers = sorted(self._answers(), key=lambda each: each.at)
        self._times = [each.at for each in self.answers]
        self._placed: list[tuple[Transition, list[_Answered], list[int]]] = []
        self.blind = self.job is not None and bool(self.job.keeps) and (self.job.timeless or self.job.coarse)

    def _answers(self) -> Iterable[_Answered]:
        heard = self.heard
        for number, leg in enumerate(heard.legs):
            start = self._watched_since(leg.client, leg.began) if leg.polled else leg.began
            next_leg = heard.legs[number + 1] if number + 1 < len(heard.legs) else None
            end = next_leg.began if leg.polled and next_leg is not None else self.until
            end = end if leg.until is None else leg.until  # what a process learns and does not write dies with it
            for each in self.world.about(leg.client, heard.job_id):
                single = each.job_id == heard.job_id
                if each.answered is None or not start <= each.answered <= end + 1e-6:
                    continue
                shown = each.shown.get(heard.job_id)
                if each.asked < start:
                    single = False  # an answer to who listened before is good news for a newcomer, and need not be
                if single or shown is not None:
                    verdict = each.verdict if single or shown is None else faults.GOOD  # of a list, this job's part
                    asked = each.asked if each.began is None else each.began
                    yield _Answered(each.answered, asked, verdict, shown, single, each.stay_away)

    def _is_unsure(self) -> bool:
        """Whether it came while somebody waited for several jobs, who may have stopped watching this one already."""
        leg = self.heard.legs[0]
        since = self._watched_since(leg.client, leg.began) if leg.polled else leg.began
        return any(
            other.who == "all" and other.began <= self.heard.began and (other.until is None or other.until >= since)
            for other in self.world.listeners(self.heard.job_id)
            if other is not self.heard
        )

    def _watched_since(self, client: str, began: float) -> float:
        """Return since when the client has been watching the job without a break."""
        since = began
        for other in sorted(self.world.listeners(self.heard.job_id), key=lambda each: each.began, reverse=True):
            leg = other.legs[0]
            if leg.client != client or not leg.polled or other.began > since:
                continue
            left = other.legs[1].began if len(other.legs) > 1 else other.until
            if left is None or left > since:
                since = min(since, other.began)
        return since

    # --- what was delivered ----------------------------------------------------------------------------------------

    def wrongs(self) -> Iterable[str]:
        if isinstance(self.heard.error, BaseException) and not isinstance(self.heard.error, JobwatchError):
            yield f"O9 it was raised {self.heard.error!r}"
        yield from self._wrong_stream()
        yield from self._wrong_end()
        if self.heard.prompt:
            yield from self._wrong_times()

    def _wrong_stream(self) -> Iterable[str]:
        changes = [change for _, change in self.heard.got]
        if [change.seq for change in changes] != list(range(1, len(changes) + 1)):
            yield f"O1 the numbers are {[change.seq for change in changes]}"
            return
        if any(change.job_id != self.heard.job_id for change in changes):
            yield "O1 a transition of another job"
        if self.job is None:
            if changes:
                yield "O1 transitions of a job that does not exist"
            return
        if self.heard.who == "all" or (self.heard.who == "as completed" and self.heard.ending == LEFT):
            return  # nobody read the log
        for wanted in ({"shown", "lost", "holes"}, {"shown", "lost"}, {"shown"}, {"lost"}, set[str]()):
            if self._matches(self.job, changes, frozenset(wanted)):
                missed = {"shown", "lost", "holes"} - wanted
                if missed:
                    yield f"O2-O4 {' '.join(sorted(missed))}: {self._told(changes)}"
                self._count(changes)
                return
        yield f"O1 not what happened: {self._told(changes)}"

    def _at(self, change: Transition) -> list[_Answered]:
        """Return the answers of the moment of a transition that tell anything."""
        at = _loop_time(change)
        first, last = bisect_left(self._times, at - TICK), bisect_right(self._times, at + TICK)
        return [each for each in self.answers[first:last] if abs(each.at - at) < TICK and each.shown]

    def _matches(self, job: TrueJob, changes: Sequence[Transition], wanted: frozenset[str]) -> bool:
        """Whether the transitions can be matched with the truth so that all that is wanted holds."""
        required = sorted(self._required(job)) if "lost" in wanted and not self.blind else []
        reachable: set[int] = {-1}
        for change, answers, places in self._places_of(job, changes):
            after: set[int] = set()
            for place in places:
                if "shown" in wanted and not any(_tells(job, each.shown, place, change) for each in answers):
                    continue
                for before in reachable:
                    if before == place and change.at is not None and self._is_said_twice(change):
                        after.add(place)
                        break
                    if before >= place:
                        continue
                    passed = bisect_right(required, before)
                    if passed < len(required) and required[passed] < place:
                        continue
                    if "holes" in wanted and not self._is_hole_right(job, before, place, change, answers):
                        continue
                    after.add(place)
                    break
            if _is_ahead(job, change, answers):
                after |= reachable
            if not after:
                return False
            reachable = after
        return not required or max(reachable) >= required[-1]

    def _places_of(
        self, job: TrueJob, changes: Sequence[Transition]
    ) -> list[tuple[Transition, list[_Answered], list[int]]]:
        """Return with each transition the answers of its moment, and the places in the truth that it may be."""
        if not self._placed:
            self._placed = [
                (change, self._at(change), self._like(job, job.places_of(change.status), change)) for change in changes
            ]
        return self._placed

    def _like(self, job: TrueJob, places: Sequence[int], change: Transition) -> list[int]:
        """Return those of some places in the truth that have the phase of a transition, and its time if it has one."""
        states, phase = job.states, change.phase
        if change.at is None:
            return [place for place in places if states[place].phase is phase]
        told_at, told = change.at.timestamp(), job.told(self.plan.skew)
        return [place for place in places if abs(told_at - told[place]) < TICK and states[place].phase is phase]

    def _is_said_twice(self, change: Transition) -> bool:
        """Whether the server has said something twice with the same time, which may be true for all one can know."""
        return any(each.shown is not None and "duplicated" in each.shown.odd for each in self._at(change))

    def _required(self, job: TrueJob) -> set[int]:
        """Return the states that have to be delivered, by O3."""
        required: set[int] = set()
        highest = -1
        if self.unsure:
            return required
        words = [as_compared(state.word) for state in job.states]
        repeats = len(set(words)) < len(words)
        behind = False
        for answer in self.answers:
            shown = answer.shown
            if answer.at > self.world.closed_at + TICK:
                break  # the client has been closed while the look was under way
            if shown is None:
                continue
            states = {*shown.states, shown.status}
            if answer.single:
                behind = behind or "history behind" in shown.odd
                told = list(shown.states) if "history behind" in shown.odd else sorted(states)
                if behind and repeats:
                    told = []  # what was known by its word alone may be taken for a later one of that word
                if job.states[shown.status].phase not in ENDED:
                    while told and job.states[told[-1]].phase in ENDED:
                        told.pop()
                by_word_alone = job.shape == "bare" or _is_told_by_word(job, highest, shown.status)
                if not job.tells_history and by_word_alone and highest >= 0 and _is_word_of(job, highest, shown.status):
                    told = []  # nothing tells it from the state before
                required |= {each for each in told if each > highest}
                if job.states[shown.status].phase in ENDED and shown.status > highest:
                    # An end in a history that is behind may be taken for the one that the status tells of.
                    if not (behind and any(job.states[each].phase in ENDED for each in shown.states)):
                        required.add(shown.status)
                    if job.tells_history:
                        required = {each for each in required if each <= shown.status}
                    return required
            highest = max(highest, *states)
        return required

    def _is_hole_right(
        self, job: TrueJob, before: int, place: int, change: Transition, answers: Sequence[_Answered]
    ) -> bool:
        hole = job.states[before + 1 : place]
        if hole:
            return change.gap or self.blind or not _can_know(job, before, place, answers)
        # A history that was once incomplete, or had more than the truth, need not be recognised ever after.
        if not change.gap or not job.tells_history or job.keeps:
            return True
        odd = ("history behind", "duplicated")
        until = max((each.at for each in answers), default=0.0)
        return any(each.shown and not each.shown.odd.isdisjoint(odd) for each in self.answers if each.at <= until)

    def _told(self, changes: Sequence[Transition]) -> str:
        told = " ".join(
            f"{change.status}{'(gap)' if change.gap else ''}@{_loop_time(change):.3f}" for change in changes
        )
        assert self.job is not None
        true = " ".join(f"{place}:{state.word}@{state.at:.3f}" for place, state in enumerate(self.job.states[:40]))
        answers = " ".join(
            f"{each.at:.3f}:{'' if each.single else 'list '}{each.verdict}"
            + (
                f"{list(each.shown.states[-8:])}/{each.shown.status}{sorted(each.shown.odd) or ''}"
                if each.shown
                else ""
            )
            for each in self.answers[-12:]
        )
        return f"told {told or 'nothing'}; true {true} ({self.job.shape} keeps {self.job.keeps}); answers {answers}"

    def _wrong_times(self) -> Iterable[str]:
        """Whoever takes transitions at once has each at the moment of the answer, or when it came, if it came late."""
        for at, change in self.heard.got:
            in_last_look = self.heard.timeout is not None and at > self.heard.began + self.heard.timeout
            if at > max(_loop_time(change), self.heard.began) + TICK and not in_last_look:
                yield f"O2 {change.status} was known at {_loop_time(change):.3f} and delivered at {at:.3f}"

    def _count(self, changes: Sequence[Transition]) -> None:
        sometimes = self.world.sometimes
        sometimes["delivered"] += len(changes)
        sometimes["gap marked"] += sum(change.gap for change in changes)
        sometimes["unknown word delivered"] += sum(change.phase is Phase.UNKNOWN for change in changes)
        sometimes["log replayed to a late listener"] += bool(
            changes and _loop_time(changes[0]) < self.heard.began and self.heard.legs[0].polled
        )
        sometimes["more than 64 transitions"] += len(changes) > 64
        sometimes["an end in the middle of a history"] += any(change.phase in ENDED for change in changes[:-1])

    # --- how it ended ------------------------------------------------------------------------------------------------

    def _wrong_end(self) -> Iterable[str]:
        ending = self.heard.ending
        self.world.sometimes[f"ended: {ending.value if isinstance(ending, Outcome) else ending or 'going on'}"] += 1
        yield from self._overlooked()
        yield from self._overlooked_blocked()
        yield from self._overdue()
        yield from self._premature()
        if isinstance(ending, Outcome):
            if ending in _JOB_ENDED:
                yield from self._wrong_job_end(Phase(ending.value))
            elif ending is Outcome.TIMEOUT:
                yield from self._wrong_timeout()
            elif ending is Outcome.BLOCKED:
                yield from self._wrong_blocked()
            else:
                yield from self._wrong_giving_up(ending)
        elif ending == STOPPED and self.heard.who != "all" and self.until < self.world.closed_at - TICK:
            yield f"O6 it stopped for no reason: {self.heard.error!r}"
        elif ending in ("", CANCELLED) and self.heard.until is None:
            yield "it never came back"

    def _end(self) -> _Answered | None:
        """Return the first answer that had to be taken for the job's end."""
        highest = -1
        for answer in self.answers:
            if answer.shown is None or self.job is None:
                continue
            ended = self.job.states[answer.shown.status].phase in ENDED
            if answer.single and ended and answer.shown.status > highest:
                return answer
            highest = max(highest, answer.shown.status, *answer.shown.states)
        return None

    def _overlooked(self) -> Iterable[str]:
        end = self._end()
        if end is None or self.job is None or end.shown is None or self.unsure:
            return
        phase = self.job.states[end.shown.status].phase
        if self.heard.ending == Outcome(phase.value) or not self.heard.prompt:
            return
        if self.until > max(end.at, self.heard.began) + TICK:
            yield f"O5 the end was told at {end.at:.3f} ({phase.value}) and it went on to {self.until:.3f}"

    def _wrong_blocked(self) -> Iterable[str]:
        """It was shown at the moment at which the wait ended, and 10 s before, with nothing newer in between."""
        heard, job = self.heard, self.job
        if not heard.stops or job is None:
            yield f"O11 it ended as blocked, and was not to ({heard.error!r})"
            return
        shown = [each for each in self.answers if each.shown is not None and each.at <= self.until + TICK]
        if not shown or shown[-1].shown is None:
            yield "O11 blocked, and never shown"
            return
        place = max(each.shown.status for each in shown if each.shown is not None)
        same = [each.at for each in shown if each.shown and _shows_blocked(job, each.shown, place)]
        if job.states[place].phase is not Phase.BLOCKED or same[-1] - same[0] < BLOCKED_FOR - TICK:
            yield f"O11 blocked at {self.until:.3f}, and {job.states[place].word} was shown at {same}"
        elif heard.began < same[-1] - TICK < self.until - 2 * TICK and heard.prompt:
            yield f"O11 blocked was known at {same[-1]:.3f}, and the wait ended at {self.until:.3f}"

    def _overlooked_blocked(self) -> Iterable[str]:
        if not self.heard.stops or self.job is None or self.unsure:
            return
        since, place = 0.0, -1
        for each in self.answers:
            if each.shown is None or self._is_over(each):
                continue
            if each.shown.status != place or each.shown.odd:
                since, place = each.at, -1 if each.shown.odd else each.shown.status
            elif (
                each.single
                and self.job.states[place].phase is Phase.BLOCKED
                and each.at - since >= BLOCKED_FOR + TICK
                and max(each.at, self.heard.began) + TICK < self.until
            ):
                yield f"O11 blocked was shown at {since:.3f} and {each.at:.3f}, and it went on to {self.until:.3f}"
                return

    def _is_over(self, answer: _Answered) -> bool:
        """Whether another state was shown after an answer and before the wait began."""
        shown = [each.shown for each in self.answers if each.shown and answer.at < each.at <= self.heard.began]
        return any(answer.shown is not None and each.status != answer.shown.status for each in shown)

    def _premature(self) -> Iterable[str]:
        """An end that the status does not bear out yet is held back, unless the job has gone on since."""
        changes = [change for _, change in self.heard.got]
        for change, following in itertools.zip_longest(changes, changes[1:]):
            if change.phase not in ENDED or (following is not None and following.seen_at == change.seen_at):
                continue
            answers = self._at(change)
            if answers and not any(
                self.job and _phase(self.job, each.shown) in ENDED for each in answers if each.shown
            ):
                yield f"O5 {change.status} was delivered at {_loop_time(change):.3f}, before the status said so"

    def _overdue(self) -> Iterable[str]:
        """What ends a wait by O6 ends it at that answer."""
        heard = self.heard
        if (
            self.unsure
            or heard.who in ("all", "as completed", "watches", "journals")
            or (heard.who == "iterates" and not heard.prompt)
        ):
            return
        patience = self.plan.unreachable_after
        since: float | None = None
        missing: list[_Answered] = []
        refused: list[_Answered] = []
        unknown: _Answered | None = None
        seen = False
        for number, each in enumerate(self.answers):
            if each.verdict in (faults.GOOD, "same"):
                since, missing, refused, seen = None, [], [], True
                continue
            if not each.single:
                continue
            since = each.at if since is None else since
            missing = [*missing, each] if each.verdict == faults.MISSING else []
            refused = [*refused, each] if each.verdict in _REFUSALS else []
            due = each.verdict in (faults.GONE, faults.TLS, faults.RAISES) or bool(
                refused and (not seen or _is_confirmed(refused, each.at - TICK))
            )
            if each.verdict == faults.MISSING and not seen:
                unknown = unknown or each
                due = each.asked - unknown.asked >= self.plan.appear_within + TICK
            elif each.verdict == faults.MISSING:
                due = len(missing) >= GONE_LOOKS and each.asked - missing[0].at >= GONE_SECONDS + TICK
            elif each.verdict in _FAILING:
                due = each.at - since >= patience + TICK or (each.stay_away or 0.0) > patience
            if due and max(each.at, heard.began) + TICK < self.until:
                told = [f"{one.at:.2f}:{one.verdict}" for one in self.answers[max(0, number - 6) : number + 1]]
                yield f"O6 {told} should have ended it, and it went on to {self.until:.3f}"
                return

    def _wrong_job_end(self, phase: Phase) -> Iterable[str]:
        job, heard = self.job, self.heard
        ends = [each for each in self.answers if each.shown is not None and job and _phase(job, each.shown) is phase]
        if not ends:
            yield f"O5 {phase.value} was never told: {[each.verdict for each in self.answers[-5:]]}"
            return
        at_once = heard.who not in ("all", "as completed") and heard.prompt and heard.began < ends[0].at
        if at_once and not any(abs(each.at - self.until) < TICK for each in ends):
            yield f"O5 {phase.value} was told at {[each.at for each in ends]} and reported at {self.until:.3f}"
        if heard.job is not None and (heard.job.phase is not phase or heard.job.id != heard.job_id):
            yield f"O5 the job is {heard.job!r}, and the outcome {phase.value}"
        if heard.got and heard.got[-1][1].phase is not phase:
            yield f"O5 {phase.value}, but the last transition is {heard.got[-1][1].status}"
        if isinstance(heard.error, JobEnded) and heard.error.job.phase is Phase.SUCCEEDED:
            yield "O5 an error for a job that succeeded"
        if heard.job is None and heard.who in ("awaits", "iterates"):
            yield f"O5 the job ended and was not handed over: {heard.error!r}"

    def _wrong_timeout(self) -> Iterable[str]:
        heard = self.heard
        if heard.timeout is None:
            yield "O7 it timed out without a time limit"
            return
        deadline = heard.began + heard.timeout
        if not isinstance(heard.error, WaitTimeout):
            yield f"O7 it timed out with {heard.error!r}"
        if not heard.prompt and heard.who == "iterates":
            return  # it was asleep itself
        yield from self._wrong_moment(heard.timeout)
        if self._is_never_read() and (why := self._kept_from_reading()) is not None:
            yield f"O7 never read, since {why}, and that is no time limit"
        if not self._may_miss_last_look(deadline) and not self._looked_at(deadline):
            yield f"O7 no last look at {deadline:.3f}"
        last = self.answers[-1] if self.answers else None
        if last and last.verdict in _FAILING and isinstance(heard.error, WaitTimeout) and heard.error.fault is None:
            yield f"O7 the look at {last.at:.3f} failed ({last.verdict}), and the time-out does not say so"

    def _wrong_moment(self, timeout: float) -> Iterable[str]:
        """Whatever a wait that its limit ended came to, it ended at the limit."""
        deadline = self.heard.began + timeout
        latest = max(deadline + GRACE, self.heard.began + LEAST)
        if not deadline - TICK <= self.until <= latest + TICK:
            yield f"O7 the time limit was {deadline:.3f}, and it timed out at {self.until:.3f}"

    def _is_at_limit(self) -> bool:
        """Whether a wait ended no sooner than its limit."""
        return self.heard.timeout is not None and self.until >= self.heard.began + self.heard.timeout - TICK

    def _is_never_read(self) -> bool:
        # A list that showed the job while a look at it was under way may count or not: then nothing is asked of it.
        return not self.unsure and not any(each.verdict in (faults.GOOD, "same") for each in self.answers)

    def _may_be_unread(self) -> bool:
        """Whether no answer need have counted: a list that came while a look at the job was under way may or not."""
        good = [each for each in self.answers if each.verdict in (faults.GOOD, "same")]
        looks = [
            (each.asked if each.began is None else each.began, each.answered or self.world.closed_at)
            for each in self.world.about(self.heard.legs[0].client, self.heard.job_id)
            if each.job_id == self.heard.job_id
        ]
        return all(
            not each.single and any(asked < each.at < answered + TICK for asked, answered in looks) for each in good
        )

    def _kept_from_reading(self) -> str | None:
        """Return what kept a job from being read that never was, if anything but the shortness of the time."""
        singles = [each for each in self.answers if each.single]
        if singles and singles[-1].verdict in _FAILING:
            return f"the look at {singles[-1].at:.3f} failed ({singles[-1].verdict})"
        leg = self.heard.legs[0]
        since = self._watched_since(leg.client, leg.began)  # what was asked for others before, was given up with them
        unanswered = [
            each.asked if each.began is None else each.began
            for each in self.world.by_client.get(leg.client, ())
            if each.job_id == self.heard.job_id and (each.answered is None or each.answered > self.until)
        ]
        asked = max((at for at in unanswered if since <= at <= self.until), default=self.until)
        return f"the look at {asked:.3f} had no answer" if self.until - asked >= SILENT + TICK and not singles else None

    def _looked_at(self, deadline: float) -> bool:
        asked = (each.asked for each in self.world.by_client[self.heard.legs[0].client])
        return any(deadline - ASKED_EARLY - TICK <= each <= deadline + 0.01 for each in asked)

    def _may_miss_last_look(self, deadline: float) -> bool:
        if self.plan.max_rate is not None or self.plan.quota or "rate told" in self.plan.rates:
            return True
        under_way = 0
        for each in self.world.by_client.get(self.heard.legs[0].client, ()):
            answered = self.world.closed_at if each.answered is None else each.answered
            if each.verdict == faults.LIMITED and each.asked < deadline:
                return True
            if each.stay_away is not None and answered <= deadline + TICK <= answered + each.stay_away + 2 * TICK:
                return True
            if each.asked < deadline < answered + TICK:
                under_way += 1
                if self.heard.job_id in (each.job_id, *each.shown) or each.job_id is None:
                    return True
        return under_way >= self.plan.max_in_flight

    def _wrong_giving_up(self, ending: Outcome) -> Iterable[str]:
        heard = self.heard
        if self.unsure or (ending is Outcome.UNREACHABLE and self._sent_away()):
            return
        singles = [each for each in self.answers if each.single]
        last = singles[-1] if singles else None
        never_read = self._is_at_limit() and self._may_be_unread()
        if heard.timeout is not None and never_read and (heard.prompt or heard.who != "iterates"):
            yield from self._wrong_moment(heard.timeout)
        if last is None:
            if not (never_read and ending is Outcome.UNREACHABLE and self._kept_from_reading()):
                yield f"O6 {ending.value} without a look"
            return
        if heard.who in ("awaits", "iterates") and not isinstance(heard.error, LookError):
            yield f"O6 {ending.value} was raised as {heard.error!r}"
        # A list that showed the job while a look at it was under way may count or not.
        failing = [self._failing_since(self.answers), self._failing_since(singles)]
        spent = any(since is not None and last.at - since >= self.plan.unreachable_after - TICK for since in failing)
        too_long = last.stay_away is not None and last.stay_away > self.plan.unreachable_after
        reasons = {
            Outcome.AUTH: last.verdict == faults.AUTH and self._is_refused(singles),
            Outcome.NOT_FOUND: last.verdict == faults.GONE or self._is_missing(singles),
            Outcome.UNREADABLE: last.verdict == faults.RAISES
            or (last.verdict == faults.REFUSED and self._is_refused(singles))
            or ((spent or never_read) and last.verdict == faults.UNREADABLE),
            Outcome.UNREACHABLE: last.verdict == faults.TLS
            or ((spent or too_long or never_read) and last.verdict in (faults.UNREACHABLE, faults.LIMITED))
            or self._is_shut_out(),
        }
        if not reasons.get(ending, False):
            verdicts = [f"{each.at:.2f}:{each.verdict}" for each in self.answers[-8:]]
            yield f"O6 {ending.value} after {verdicts}, failing since {failing}"

    def _is_refused(self, singles: Sequence[_Answered]) -> bool:
        """Whether refusals may have ended it: before any good look, confirmed, or the last of a time that is over."""
        row = list(itertools.takewhile(lambda each: each.verdict in _REFUSALS, reversed(singles)))[::-1]
        # A list that showed the job while the refused look at it was under way may count or not.
        before = [each for each in self.answers if each.single or each.at <= singles[-1].asked]
        seen = any(each.verdict in (faults.GOOD, "same") for each in before)
        heard = self.heard
        is_over = heard.timeout is not None and self.until >= heard.began + heard.timeout - TICK
        return not seen or is_over or _is_confirmed(row, singles[-1].at + TICK)

    def _sent_away(self) -> bool:
        """Whether the server had asked for a longer pause than the patience, which holds for all of its jobs."""
        return any(
            each.stay_away is not None
            and each.answered is not None
            and each.answered <= self.until + TICK
            and each.answered + each.stay_away - self.until > self.plan.unreachable_after - TICK
            for each in self.world.by_client.get(self.heard.legs[0].client, ())
        )

    def _is_shut_out(self) -> bool:
        """Whether the origin asks all of the client's jobs to stay away for longer than they have patience."""
        patience = self.plan.unreachable_after
        return any(
            each.answered is not None
            and (each.stay_away or 0.0) > patience
            and each.answered <= self.until + TICK
            and (self.until <= each.answered + (each.stay_away or 0.0) + TICK or not self.heard.prompt)
            for leg in self.heard.legs  # what is carried on from one client to the next may be given up already
            for each in self.world.by_client.get(leg.client, ())
        )

    @staticmethod
    def _failing_since(answers: Sequence[_Answered]) -> float | None:
        since = None
        for each in answers:
            if each.verdict not in _FAILING | _REFUSALS:
                since = None
            elif since is None:
                since = each.asked if each.verdict == faults.MISSING else each.at
        return since

    def _is_missing(self, singles: Sequence[_Answered]) -> bool:
        """Whether enough looks in a row said so, the last of them begun when the patience was over."""
        if singles[-1].verdict != faults.MISSING:
            return False
        # A list that showed the job while a look at it was under way may count or not.
        shown = [each for each in self.answers if each.single or each.verdict in (faults.GOOD, "same")]
        return self._is_missing_in(singles) or self._is_missing_in(shown)

    def _is_missing_in(self, looks: Sequence[_Answered]) -> bool:
        timed_out = self.heard.timeout is not None and self.until >= self.heard.began + self.heard.timeout - TICK
        if not any(each.verdict in (faults.GOOD, "same") for each in looks):
            first = next(each for each in looks if each.verdict == faults.MISSING)
            return timed_out or looks[-1].asked - first.asked >= self.plan.appear_within - TICK
        row = list(itertools.takewhile(lambda each: each.verdict == faults.MISSING, reversed(looks)))
        return len(row) >= GONE_LOOKS and row[0].asked - row[-1].asked >= GONE_SECONDS - TICK


_JOB_ENDED = (Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.FINISHED, Outcome.FAILED, Outcome.CANCELLED)


def _phase(job: TrueJob, shown: Shown) -> Phase:
    return job.states[shown.status].phase


def _is_told_by_word(job: TrueJob, before: int, place: int) -> bool:
    """Whether no start and no attempt tells a state from one before it, where there is no history."""
    phase = job.states[place].phase
    return phase is Phase.UNKNOWN or (
        phase is Phase.BLOCKED and before >= 0 and job.start_before(place) == job.start_before(before)
    )


def _looks_like(job: TrueJob, one: int, place: int) -> bool:
    """Whether nothing that is told of two states sets them apart."""
    if one == place or job.tells_history or not _is_word_of(job, one, place):
        return one == place
    return job.shape == "bare" or _is_told_by_word(job, one, place)


def _shows_blocked(job: TrueJob, shown: Shown, place: int) -> bool:
    """Whether an answer shows a job blocked in a state, if not by its status, then by its history."""
    is_behind = job.states[shown.status].phase is Phase.BLOCKED and shown.states[-1:] == (place,)
    return is_behind or _looks_like(job, shown.status, place)


def _is_word_of(job: TrueJob, one: int, other: int) -> bool:
    return as_compared(job.states[one].word) == as_compared(job.states[other].word)


def _loop_time(change: Transition) -> float:
    return change.seen_at.timestamp() - EPOCH


def _tells(job: TrueJob, shown: Shown | None, place: int, change: Transition) -> bool:
    if shown is None:
        return False
    if place in shown.states or place == shown.status:
        return True
    # Without a time, one entry of a word is as good as another.
    word = as_compared(change.status)
    return change.at is None and any(
        as_compared(job.states[each].word) == word for each in (*shown.states, shown.status)
    )


def _is_ahead(job: TrueJob, change: Transition, answers: Sequence[_Answered]) -> bool:
    """Whether it is a status that came before its history, which may tell later of what came before."""
    return change.at is None and any(
        each.shown is not None
        and "history behind" in each.shown.odd
        and as_compared(job.states[each.shown.status].word) == as_compared(change.status)
        for each in answers
    )


def _can_know(job: TrueJob, before: int, place: int, answers: Sequence[_Answered]) -> bool:
    """Whether honest answers let a client know that something lies between two states, or before the first.

    A history does, except for what it no longer held when the client first came, and for what it did not hold yet
    when the status was ahead of it. Without one: an end straight from waiting, or from nothing; a start after a start;
    and where attempts are counted, one that was not seen. Words that nobody documented and waits between two seen
    attempts leave no trace.
    """
    if job.tells_history:
        behind = any(each.shown is not None and "history behind" in each.shown.odd for each in answers)
        return before >= 0 and not behind
    previous = job.states[before].phase if before >= 0 else None
    hole = [state.phase for state in job.states[before + 1 : place]]
    if job.states[place].phase in ENDED and previous in (None, Phase.PENDING):
        return True
    if job.shape == "bare":
        return previous is None and job.states[place].phase in (Phase.RUNNING, Phase.BLOCKED)
    if previous is None and job.states[place].phase is not Phase.RUNNING:
        return hole.count(Phase.RUNNING) > 0
    return Phase.RUNNING in hole


# --- of several, and of all -----------------------------------------------------------------------------------------


def _pairs(world: World) -> Iterable[tuple[Heard, Heard]]:
    """Return any two who listened to the same job."""
    for job_id in dict.fromkeys(heard.job_id for heard in world.heard):
        yield from itertools.combinations(world.listeners(job_id), 2)


def _disagreements(world: World) -> Iterable[str]:
    for one, other in _pairs(world):
        if one.legs[0:1] == [] or other.legs[0:1] == []:
            continue
        if one.legs[0].client != other.legs[0].client or not (one.legs[0].polled and other.legs[0].polled):
            continue
        apart = one.until is not None and one.until <= other.began
        apart = apart or (other.until is not None and other.until <= one.began)
        if apart or "all" in (one.who, other.who) or len(one.legs) + len(other.legs) > 2:
            continue
        ours, theirs = [change for _, change in one.got], [change for _, change in other.got]
        common = min(len(ours), len(theirs))
        if ours[:common] != theirs[:common]:
            yield f"O8 {one.who} and {other.who} of {one.job_id} were told different things"
        ends = {each.ending for each in (one, other) if each.ending in _JOB_ENDED}
        if len(ends) > 1:
            yield f"O8 {one.who} and {other.who} of {one.job_id} ended differently: {ends}"


def time_to_end(plan: Plan) -> float:
    """Return when every wait of a liveness run must have ended, on the loop's clock (L1, L5)."""
    ended = [job.states[-1].at for job in plan.jobs if job.states[-1].phase in ENDED]
    return max([plan.quiet_at, *ended]) + bound(plan)


def bound(plan: Plan) -> float:
    """Return how long after the faults stop, or a job's end, a wait may take to know it."""
    # Two of the longest intervals, of which a failing look may make one and a half; a request that hangs; and what the
    # server asked for last. A server that limits the rate has slowed the client down, and it takes time to trust it.
    limited = plan.quota or any(name.startswith(("429", "403", "rate")) for name in plan.rates)
    limited = limited or any(each.fault == "429" for each in plan.outages)
    slower = 10.0 if limited else 1.0
    # A stream that did not tell the end is believed until the safety beat.
    beat = BEATS * plan.pace.max_interval if "streams" in plan.traits else 0.0
    # What looks the same by its validator is not asked for as a whole before so long.
    beat += BELIEVED_FOR if "weak etags" in plan.traits else 0.0
    beat += max(ration.LONGEST_HINT, plan.pace.max_interval) if "come back later" in plan.rates else 0.0
    return (2.0 * 1.5 * plan.pace.max_interval + beat + 31.0 + 46.0) * slower


def _not_live(world: World) -> Iterable[str]:
    plan = world.plan
    for heard in world.heard:
        job = world.server.jobs.get(heard.job_id)
        if job is None or heard.who == "all":
            continue
        if job.states[-1].phase not in ENDED:
            continue
        began = heard.legs[-1].began if heard.who == "journals" and heard.legs else heard.began
        ended_at = max(plan.quiet_at, job.states[-1].at, began)
        pausing = heard.who == "iterates" and not heard.prompt
        to_the_end = not pausing and (heard.until is None or heard.until > world.closed_at - TICK)
        if to_the_end and heard.ending in (CANCELLED, STOPPED, "") and world.closed_at > ended_at + bound(plan) - TICK:
            yield f"L1 {heard.who} {heard.job_id}: still waiting {world.closed_at - ended_at:.0f} s after it ended"
        if heard.ending in _JOB_ENDED and heard.prompt and heard.until is not None:
            late = heard.until - ended_at
            world.sometimes["seconds late at most"] = max(world.sometimes["seconds late at most"], int(late))
            if late > bound(plan):
                yield f"L1 {heard.who} {heard.job_id}: the end was known {late:.0f} s late"
        ending = heard.ending
        given_up = isinstance(ending, Outcome) and ending not in (*_JOB_ENDED, Outcome.TIMEOUT, Outcome.BLOCKED)
        if (
            given_up
            and heard.timeout is None
            and not (heard.ending is Outcome.NOT_FOUND and not plan.rates.keys().isdisjoint({"stale", "404"}))
        ):
            yield f"L2 {heard.who} {heard.job_id}: {ending}, though all faults pass"


def _not_prompt(world: World) -> Iterable[str]:
    """An end that a stream tells has a look made at once, or right after the one that is under way (O10)."""
    plan = world.plan
    if plan.max_rate is not None or plan.quota or plan.max_in_flight <= len(plan.jobs) or "rate told" in plan.rates:
        return
    for heard in world.heard:
        if not (heard.legs and heard.legs[0].polled and len(heard.legs) == 1) or heard.who == "all":
            continue
        job = world.server.jobs.get(heard.job_id)
        if job is None:
            continue
        record = world.by_client.get(heard.legs[0].client, ())
        # By their paths: a request lost with a kept connection is about no job, and was made for the look all the same.
        looks = [each for each in record if unquote(each.path.rpartition("/")[2]) == job.id]
        for stream in world.server.streams:
            told_at = stream.end_told_at
            if (stream.client, stream.job_id) != (heard.legs[0].client, heard.job_id) or told_at is None:
                continue
            until = world.closed_at if heard.until is None else heard.until
            closed_at = world.closed_at if stream.closed_at is None else stream.closed_at
            if not heard.began < told_at < until - TICK or closed_at < told_at - TICK:
                continue
            world.sometimes["an end told by a stream"] += 1
            under_way = [
                each for each in looks if each.asked <= told_at + _SOON and (each.answered or 1e9) > told_at - TICK
            ]
            if any(job.states[each.shown[job.id].status].phase in ENDED for each in under_way if job.id in each.shown):
                continue  # it shows the end itself
            if any(each.verdict not in (faults.GOOD, "same") for each in under_way) and plan.mode != "liveness":
                continue  # it may have been the last that there was patience for
            ready = max([told_at, *(each.answered or world.closed_at for each in under_way)])
            if _is_held_back(record, ready):
                continue
            if stream.events > _WAKES_AT_ONCE:  # so many that looks could not follow each of them
                ready += plan.pace.min_interval
            prompt = any(told_at - TICK <= each.asked <= ready + _SOON for each in looks)
            if not prompt and until > ready + _SOON:
                yield f"O10 {heard.who} {heard.job_id}: its end was told at {told_at:.3f}, and no look followed"


def _not_woken(world: World) -> Iterable[str]:
    """A job that was woken has a look made within the shortest interval, or after the one that is under way (O13)."""
    plan = world.plan
    if plan.max_rate is not None or plan.quota or plan.max_in_flight <= len(plan.jobs) or "rate told" in plan.rates:
        return
    record = world.by_client.get("main", ())
    for job_id, at in world.wakes:
        looks = [each for each in record if each.job_id is None or unquote(each.path.rpartition("/")[2]) == job_id]
        under_way = [each for each in looks if each.asked <= at + TICK and (each.answered or 1e9) > at - TICK]
        ready = max([at, *(each.answered or world.closed_at for each in under_way)])
        until = ready + plan.pace.min_interval + _SOON
        waiting = [
            each
            for each in world.listeners(job_id)
            if each.legs and each.legs[0].client == "main" and each.who != "all"
        ]
        if not any(each.began <= at and (ration.left(each) or world.closed_at) > until for each in waiting):
            continue
        if _is_held_back(record, until) or any(each.verdict not in (faults.GOOD, "same") for each in under_way):
            continue
        states = world.server.jobs[job_id].states
        known = [each for each in record if job_id in each.shown and (each.answered or 1e9) <= until]
        if any(states[each.shown[job_id].status].phase in ENDED for each in known):
            continue  # it has ended, and some of those who waited read on slowly
        world.sometimes["woken"] += 1
        if not any(at - TICK <= each.asked <= until for each in looks):
            yield f"O13 {job_id} was woken at {at:.3f}, and no look followed"


def _wrongly_learned(world: World) -> Iterable[str]:
    """Where each job tells its whole history with all times, what is learned is no time for which one was blocked."""
    plan = world.plan
    jobs = world.server.jobs.values()
    untold = {"untimed", "history behind", "status behind", "reordered", "duplicated"} & plan.rates.keys()
    if untold or any(not job.tells_history or job.timeless or job.keeps for job in jobs):
        return
    # Of whole seconds, each stretch without a block may seem to be one longer.
    longest = max(_unblocked(job) + (_stretches(job) if job.coarse else 1.0) for job in jobs)
    for client, learned in world.learned.items():
        for kind, seconds in learned.items():
            if max(seconds, default=0.0) > longest + TICK:
                yield f"O12 {client} learned of {kind} that took {max(seconds):.3f} s, and none did: {longest:.3f}"


def _unblocked(job: TrueJob) -> float:
    """Return for how long a job was not blocked, in seconds."""
    spans = [(one.phase, other.at - one.at) for one, other in itertools.pairwise(job.states)]
    return sum(seconds for phase, seconds in spans if phase is not Phase.BLOCKED)


def _stretches(job: TrueJob) -> int:
    """Return how many times a job was not blocked, each from one block to the next."""
    return sum(
        1
        for is_blocked, _ in itertools.groupby(job.states, lambda state: state.phase is Phase.BLOCKED)
        if not is_blocked
    )


def _is_held_back(record: Sequence[Exchange], at: float) -> bool:
    """Whether the server asked for a pause that is not over, or ever for fewer requests."""
    told = [each for each in record if each.answered is not None and each.answered - TICK <= at]
    away = any(each.stay_away and at <= (each.answered or 0.0) + each.stay_away for each in told)
    return away or any(each.verdict == faults.LIMITED for each in told)


def by_client(exchanges: Iterable[Exchange]) -> dict[str, list[Exchange]]:
    """Sort the record by who asked."""
    sorted_: dict[str, list[Exchange]] = {}
    for each in exchanges:
        sorted_.setdefault(each.client, []).append(each)
    for record in sorted_.values():
        record.sort(key=lambda each: each.asked)
    return sorted_


def by_job(sorted_: Mapping[str, Sequence[Exchange]]) -> dict[tuple[str, str], list[Exchange]]:
    """Sort the record further by what was asked for or shown."""
    about: dict[tuple[str, str], list[Exchange]] = {}
    for client, exchanges in sorted_.items():
        for each in exchanges:
            for job_id in each.shown if each.job_id is None else {each.job_id, *each.shown}:
                about.setdefault((client, job_id), []).append(each)
    return about


def _is_confirmed(row: Sequence[_Answered], until: float) -> bool:
    """Whether enough refusals in a row have come, over long enough a time."""
    return len(row) >= REFUSED_LOOKS and until - row[0].at >= REFUSED_SECONDS
