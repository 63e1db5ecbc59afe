"""The engine's rules against a model of the stream: what may happen, in random order, and what has to hold.

``python -m tests.nats.model --seeds 20000`` and ``python -m tests.nats.model --planted``

Workers take what is due, look, publish and acknowledge, each a step of its own, and die at any of them; messages come
again while somebody else has them; answers get lost on the way; jobs are added, woken, removed and added anew.
At the end all may rest, and then the log has to hold every state of every run exactly once, in order and without a
hole, nothing of a run after its removal, and the end of every run that was not removed.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from jobwatch import ChangeKind, Event, Fault, FaultKind, Job, Pace, Phase, Watched
from jobwatch._core.durations import LearnedDurations
from jobwatch._core.look import Looked, Policy
from jobwatch._core.tracker import Patience
from jobwatch.nats import _rules as rules
from jobwatch.nats._rules import Message, Record, Settings, Verdict
from jobwatch.nats._subjects import Names

from .interleavings import Wrong, main
from .stream_model import Stored, StreamModel

NAMES = Names("jw", 0, "mine-0")
SETTINGS = Settings(stale_after=5.0)
BEGAN = 1_764_000_000.0
WORKERS = 3
JOBS = 2
WORDS = {"PENDING": Phase.PENDING, "RUNNING": Phase.RUNNING, "COMPLETED": Phase.SUCCEEDED, "FAILED": Phase.FAILED}


class Held(Struct):
    """What a worker has in hand, and how far it is."""

    stored: Stored
    again: bool
    step: int = 0
    seen: int | None = None
    after: rules.After | None = None


class Run(Struct):
    """One run of a job id in the engine: from when it was added until it was removed, as the stream counts."""

    job_id: str
    generation: int
    removed_at: int | None = None


class World:
    """One interleaving.

    Args:
        seed: Which one.
        bug: What is wrong with the workers and clients; see `BUGS`.

    Attributes:
        met: How often each of the things came about that the rules are for.
    """

    def __init__(self, seed: int, bug: str = "") -> None:
        self.rng = random.Random(seed)
        self.bug = bug
        self.stream = StreamModel()
        self.now = BEGAN
        self.policy = Policy(Pace(min_interval=0.5, max_interval=4.0), Patience(), LearnedDurations())
        self.truth = {f"job.{n} >": self._script() for n in range(JOBS)}
        self.reached = dict.fromkeys(self.truth, 1)
        self.hands: list[Held | None] = [None] * WORKERS
        self.delivered: dict[int, int] = {}
        self.acked: set[int] = set()
        self.runs: list[Run] = []
        self.resting = False
        self.met: Counter[str] = Counter()

    def _script(self) -> list[Event]:
        words = ["PENDING", *(["RUNNING", "PENDING"] * self.rng.randrange(2)), "RUNNING"]
        words.append(self.rng.choice(["COMPLETED", "FAILED"]))
        return [Event(word, WORDS[word], datetime.fromtimestamp(BEGAN + n, UTC)) for n, word in enumerate(words)]

    # --- what may happen ---------------------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Do so many things in random order, then let all come to rest, and check."""
        for _ in range(steps):
            weights = (30, 4, 5, 3, 3, 4, 8, 2)
            (do,) = self.rng.choices(
                (
                    self.work,
                    self.add,
                    self.progress,
                    self.remove,
                    self.wake,
                    self.die,
                    self.pass_time,
                    self.fall_due_again,
                ),
                weights,
            )
            do()
        self.resting = True
        self.hands = [None] * WORKERS
        for _ in range(60):
            for job_id, events in self.truth.items():
                self.reached[job_id] = len(events)
            self.now += 70.0
            self.stream.fire(self.now)
            for _ in range(12 * JOBS):
                self.work()
            if self._at_rest():
                break
        self.check()

    def _at_rest(self) -> bool:
        states = self.stream.all(lambda subject: ".job." in subject)
        return all(rules.record_in(stored.message.body).has_ended for stored in states)

    def pass_time(self) -> None:
        self.now += self.rng.choice((0.1, 1.0, 3.0))
        self.stream.fire(self.now)

    def progress(self) -> None:
        job_id = self.rng.choice(list(self.truth))
        self.reached[job_id] = min(len(self.truth[job_id]), self.reached[job_id] + 1)

    def add(self) -> None:
        job_id = self.rng.choice(list(self.truth))
        message = rules.added(NAMES, Watched(job_id=job_id, api="mine"), self.stream.last, self.now)
        if self.publish([message])[0] is None:
            self.met["added anew"] += any(run.job_id == job_id for run in self.runs)
            self.runs.append(Run(job_id, rules.record_in(message.body).generation))

    def remove(self) -> None:
        job_id = self.rng.choice(list(self.truth))
        self.stream.purge(
            NAMES.waiting(job_id) if self.bug == "a removal takes the schedule only" else NAMES.state(job_id)
        )
        for run in self.runs:
            if run.job_id == job_id and run.removed_at is None:
                self.met["removed"] += 1
                self.met["removed in hand"] += any(
                    held is not None and rules.record_in(held.stored.message.body).generation == run.generation
                    for held in self.hands
                )
                run.removed_at = self.stream.last

    def wake(self) -> None:
        job_id = self.rng.choice(list(self.truth))
        stored = self.stream.under(NAMES.waiting(job_id))
        if stored is None:
            return
        record, at = rules.record_in(stored.message.body), rules.due_time(stored.message.headers)
        message = rules.woken(NAMES, record, stored.seq, at=at, now=self.now, min_interval=0.5)
        if self.rng.random() < 0.5:  # much may happen between what is read and what is published
            for _ in range(self.rng.randrange(30)):
                self.rng.choice((self.work, self.work, self.work, self.pass_time, self.progress))()
            if self.rng.random() < 0.3:
                self.remove()
        if message is not None:
            self.met["woken" if self.publish([message])[0] is None else "woken too late"] += 1

    def die(self) -> None:
        number = self.rng.randrange(WORKERS)
        held = self.hands[number]
        if held is not None:
            self.met[f"died at step {held.step}"] += 1
        self.hands[number] = None

    def fall_due_again(self) -> None:
        """Let a message be delivered again, though somebody has it in hand."""
        for held in self.hands:
            if held is not None:
                self.delivered.pop(held.stored.seq, None)

    # --- a worker ----------------------------------------------------------------------------------------------------

    def work(self) -> None:
        number = self.rng.randrange(WORKERS)
        held = self.hands[number]
        if held is None:
            self.hands[number] = self.take()
        elif self._step(held):
            self.hands[number] = None

    def take(self) -> Held | None:
        waiting = [
            stored
            for stored in self.stream.all(lambda subject: subject.endswith(".due"))
            if stored.seq not in self.acked and not self._is_in_hand(stored.seq)
        ]
        if not waiting:
            return None
        stored = self.rng.choice(waiting)
        again = stored.seq in self.delivered or self.rng.random() < 0.1
        self.delivered[stored.seq] = 1
        if self.bug == "acknowledged before it is published":
            self.acked.add(stored.seq)
        return Held(stored, again)

    def _is_in_hand(self, seq: int) -> bool:
        return seq in self.delivered and any(held is not None and held.stored.seq == seq for held in self.hands)

    def _step(self, held: Held) -> bool:
        """Do the next step with what is in hand; return whether that was the last."""
        record = rules.record_in(held.stored.message.body)
        match held.step:
            case 0:
                last = self.stream.under(NAMES.state(record.watched.job_id))
                if record.has_ended or (
                    held.again and not rules.is_current(held.stored.seq, None if last is None else last.seq)
                ):
                    return self._acknowledge(held)
            case 1:
                held.seen = (
                    None if not self.resting and self.rng.random() < 0.2 else self.reached[record.watched.job_id]
                )
            case 2:
                looked = self._looked(record, held.seen)
                held.after = rules.after_look(
                    NAMES, record, held.stored.seq, looked, again_after=5.0, now=self.now, settings=SETTINGS
                )
            case _:
                return self._publish(held)
        held.step += 1
        return False

    def _looked(self, record: Record, seen: int | None) -> Looked:
        what: Job | Fault = Fault(FaultKind.UNREACHABLE, "no answer")
        job_id = record.watched.job_id
        if seen is not None:
            events = tuple(self.truth[job_id][:seen])
            what = Job(id=job_id, api="mine", status=events[-1].status, phase=events[-1].phase, events=events)
        return self.policy.saw(record.watched, what, self.now, self.rng.random(), 1.0)

    def _publish(self, held: Held) -> bool:
        assert held.after is not None
        messages = held.after.messages
        if self.bug == "events and schedule are no batch" and len(messages) > 1:
            if self.publish(messages[:-1])[0] is None and not self.resting and self.rng.random() < 0.3:
                return True  # dead between the two
            messages = messages[-1:]
        if not self.resting and self.rng.random() < 0.1:
            verdict = rules.verdict_of(429, 10210)
        else:
            verdict = rules.verdict_of(*self.publish(messages))
        if verdict is Verdict.WON and not self.resting and self.rng.random() < 0.15:
            verdict = Verdict.AGAIN  # it was stored, and the answer did not get through
        self.met[verdict.value] += 1
        match verdict:
            case Verdict.WON | Verdict.LOST:
                return self._acknowledge(held)
            case Verdict.AGAIN:
                return self.bug == "no answer counts as stored" and self._acknowledge(held)
            case Verdict.STUCK:
                raise Wrong("the server refused what it should take")

    def _acknowledge(self, held: Held) -> bool:
        self.acked.add(held.stored.seq)
        return True

    def publish(self, messages: Sequence[Message]) -> tuple[int | None, int | None]:
        code = self.stream.publish(messages)
        if code[0] is not None and self.bug == "who lost tries with the last sequence":
            job = messages[-1].headers.get(rules.EXPECTED_WHERE, "")
            last = self.stream.under(job)
            headers = {**messages[-1].headers, rules.EXPECTED: str(0 if last is None else last.seq)}
            return self.stream.publish([*messages[:-1], Message(messages[-1].subject, messages[-1].body, headers)])
        return code

    # --- what has to hold --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `Wrong` where something does not hold."""
        told = self._log()
        generations: dict[str, list[int]] = {}
        for run in self.runs:
            generations.setdefault(run.job_id, []).append(run.generation)
            self._check_run(run, told.pop((run.job_id, run.generation), []))
        for job_id, numbers in generations.items():
            if numbers != sorted(set(numbers)):
                raise Wrong(f"generations of {job_id} do not grow: {numbers}")
        if told:
            raise Wrong(f"changes of runs that never were: {list(told)}")
        self._check_states()
        if not self._at_rest():
            raise Wrong("a job that has ended is not known to have")

    def _log(self) -> dict[tuple[str, int], list[tuple[int, str | None, bool, int]]]:
        told: dict[tuple[str, int], list[tuple[int, str | None, bool, int]]] = {}
        for stored in self.stream.ever:
            if ".ev." in stored.message.subject:
                for change in rules.changes_in(stored.message.body):
                    entry = (change.seq, change.status, change.kind is ChangeKind.END, stored.seq)
                    told.setdefault((change.job_id, change.generation), []).append(entry)
        return told

    def _check_run(self, run: Run, entries: list[tuple[int, str | None, bool, int]]) -> None:
        name = f"{run.job_id} {run.generation}"
        if [seq for seq, *_ in entries] != list(range(1, len(entries) + 1)):
            raise Wrong(f"{name}: numbered {[seq for seq, *_ in entries]}")
        states = [status for _, status, _, _ in entries if status is not None]
        words = [event.status for event in self.truth[run.job_id]]
        ended = bool(entries) and entries[-1][2]
        if states != (words if ended else words[: len(states)]):
            raise Wrong(f"{name}: told {states}, which was {words}")
        if run.removed_at is None and not ended:
            raise Wrong(f"{name}: forgotten after {states}")
        if run.removed_at is not None and any(at > run.removed_at for *_, at in entries):
            raise Wrong(f"{name}: told after its removal")

    def _check_states(self) -> None:
        """No older knowledge ever took the place of newer, and nothing came back that was removed."""
        known: dict[tuple[str, int], int] = {}
        removed = {(run.job_id, run.generation): run.removed_at for run in self.runs}
        for stored in self.stream.ever:
            if ".job." not in stored.message.subject:
                continue
            record = rules.record_in(stored.message.body)
            run, looks = (record.watched.job_id, record.generation), record.watched.looks
            if looks < known.get(run, 0):
                raise Wrong(f"{run}: what was known after {known[run]} looks gave way to {looks}")
            known[run] = looks
            gone = removed.get(run)
            if gone is not None and stored.seq > gone:
                raise Wrong(f"{run}: stored after its removal")


# --- planted bugs ----------------------------------------------------------------------------------------------------

Rules = Mapping[str, Callable[..., object]]


def _without_fence(names: Names, job_id: str, seq: int) -> dict[str, str]:
    return {}


def _fence_on_due(names: Names, job_id: str, seq: int) -> dict[str, str]:
    return {rules.EXPECTED: str(seq), rules.EXPECTED_WHERE: names.due(job_id)} if seq else {}


def _fence_on_waiting(names: Names, job_id: str, seq: int) -> dict[str, str]:
    return {rules.EXPECTED: "0", rules.EXPECTED_WHERE: names.waiting(job_id)}


def _one_generation(names: Names, watched: Watched, last: int, now: float) -> Message:
    return _added(names, watched, 0, now)


def _woken_unfenced(names: Names, record: Record, seq: int, **times: Any) -> Message | None:
    message = _woken(names, record, seq, **times)
    if message is None:
        return None
    kept = {name: value for name, value in message.headers.items() if not name.startswith(rules.EXPECTED)}
    return Message(message.subject, message.body, kept)


def _added_unfenced(names: Names, watched: Watched, last: int, now: float) -> Message:
    message = _added(names, watched, last, now)
    kept = {name: value for name, value in message.headers.items() if not name.startswith(rules.EXPECTED)}
    return Message(message.subject, message.body, kept)


def _ended_unfenced(names: Names, record: Record, seq: int, settings: Settings) -> Message:
    message = _ended(names, record, seq, settings)
    return Message(message.subject, message.body, {})


def _ended_as_it_was(names: Names, record: Record, seq: int, settings: Settings) -> Message:
    message = _ended(names, record, seq, settings)
    return Message(f"{names.prefix}.0.elsewhere", message.body, message.headers)


def _everything_again(code: int | None, error: int | None) -> Verdict:
    return Verdict.WON if code is None or code == 429 else Verdict.LOST


def _events_without_sequence(names: Names, changes: Sequence[object], settings: Settings) -> Iterator[Message]:
    messages = list(_events(names, changes, settings))  # type: ignore[arg-type]
    yield from messages[:1]


_added, _woken = rules.added, rules.woken
_ended, _events = rules._ended, rules._events

BUGS: Mapping[str, Rules] = {
    "nothing is expected": {"_fence": _without_fence},
    "only what was due is expected": {"_fence": _fence_on_due},
    "only an empty schedule is expected": {"_fence": _fence_on_waiting},
    "an id that is added anew is the old run": {"added": _one_generation},
    "a wake expects nothing": {"woken": _woken_unfenced},
    "an add expects nothing": {"added": _added_unfenced},
    "an end expects nothing": {"_ended": _ended_unfenced},
    "an end is not kept": {"_ended": _ended_as_it_was},
    "too many batches counts as stored": {"verdict_of": _everything_again},
    "one change of a look is enough": {"_events": _events_without_sequence},
    "events and schedule are no batch": {},
    "acknowledged before it is published": {},
    "no answer counts as stored": {},
    "who lost tries with the last sequence": {},
    "a removal takes the schedule only": {},
}


def violation(seed: int, bug: str = "", steps: int = 120) -> str | None:
    """Run one interleaving, and return what did not hold in it."""
    rules_now = {name: getattr(rules, name) for name in BUGS.get(bug, {})}
    try:
        for name, broken in BUGS.get(bug, {}).items():
            setattr(rules, name, broken)
        World(seed, bug).run(steps)
    except Wrong as wrong:
        return str(wrong)
    finally:
        for name, right in rules_now.items():
            setattr(rules, name, right)
    return None


if __name__ == "__main__":
    sys.exit(main(__doc__, violation, BUGS, 2000))
