"""Kill a watcher with SIGKILL at random instants, again and again, and compare what came out with the truth.

``python -m tests.watching.crash --times 500 --seed 1``

Each life of the watcher is a forked process. Jobs begin, one every few milliseconds, and pass through their states by
the clock on the wall, whether a watcher is alive or not; they tell their history, so nothing need be lost. A third of
the looks fail. The consumer writes every change down, and is killed along with the watcher. At the end one life goes
on until everything has been told, and the oracle reads two things: all that was ever written into the journal, which
must be every state of every job once, in order; and the consumer's record, which may hold a change twice only if that
was in flight when the process died: the one that the loop was at, the batch that it was at, or one a job of those
handed to a function. The lives take these three in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from jobwatch import Change, ChangeKind, Client, Event, Fault, FaultKind, Job, Pace, Phase, Problem, Watcher
from jobwatch._watching.sqlite import JournalFile

from .ever import keep_all, unacknowledged_in, written_in

BETWEEN_JOBS = 0.02
LONGEST_LIFE = 0.15
LONGEST_END = 30.0
WAYS = 3  # to consume: one change at a time, by a function, in batches
RECENT = 600  # 12 s of jobs: for longer than that no machine is to hold up a life before it has added them


class Truth(Struct):
    """What jobs do, and when: the same for every life."""

    seed: int
    began: float

    def count(self, now: float) -> int:
        """Return how many jobs have begun."""
        return max(0, int((now - self.began) / BETWEEN_JOBS))

    def events(self, number: int) -> list[tuple[str, float]]:
        """Return the states of a job, each with its time."""
        rng = random.Random(f"{self.seed} {number}")
        words = ["PENDING", *(["RUNNING", "PENDING"] * rng.randrange(3)), "RUNNING"]
        words.append(rng.choice(["COMPLETED", "COMPLETED", "FAILED", "CANCELED"]))
        at, told = self.began + number * BETWEEN_JOBS, []
        for word in words:
            told.append((word, round(at, 6)))
            at += rng.choice([0.001, 0.02, 0.1])
        return told


class Telling(Struct):
    """One line of the consumer's record; `hand` numbers what it had in hand at a time, if not one change a job."""

    life: int
    hand: int | None
    job_id: str
    seq: int

    @property
    def key(self) -> tuple[str, int]:
        return self.job_id, self.seq


PHASES = {
    "PENDING": Phase.PENDING,
    "RUNNING": Phase.RUNNING,
    "COMPLETED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "CANCELED": Phase.CANCELLED,
}


class TrueJobs:
    """Tells of the true jobs by the clock on the wall; a third of the answers are faults."""

    key = "true"

    def __init__(self, truth: Truth, *, faults: bool) -> None:
        self.truth = truth
        self.faults = faults

    async def job(self, job_id: str) -> Job | Fault:
        await asyncio.sleep(random.random() * 0.004)
        if self.faults and random.random() < 0.33:
            return Fault(FaultKind.UNREACHABLE, "no answer")
        now = time.time()
        events = tuple(
            Event(status, PHASES[status], datetime.fromtimestamp(at, UTC))
            for status, at in self.truth.events(int(job_id.removeprefix("job_")))
            if at <= now
        )
        last = events[-1]
        problem = Problem("it went wrong", "E1") if last.status == "FAILED" else None
        return Job(id=job_id, api=self.key, status=last.status, phase=last.phase, events=events, error=problem)


def client_of(truth: Truth, *, faults: bool) -> Client:
    pace = Pace(min_interval=0.005, max_interval=0.03)
    return Client(source=TrueJobs(truth, faults=faults), pace=pace, unreachable_after=0.05)


# --- one life ----------------------------------------------------------------------------------------------------


async def live(folder: Path, truth: Truth, life: int, until: int | None) -> None:
    """Watch, and write down what is told, until killed; or until so many jobs have ended and all is acknowledged."""
    by_function, most = life % WAYS == 1, 40 if life % WAYS == 2 else 1
    handle = os.open(folder / "record", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(change: Change, hand: int | None = None) -> None:
        telling = Telling(life, hand, change.job_id, change.seq)
        os.write(handle, msgspec.json.encode(telling) + b"\n")

    async def on_change(change: Change) -> None:
        write(change)
        await asyncio.sleep(random.random() * 0.002)

    client = client_of(truth, faults=until is None)
    journal = folder / "watch.db"
    async with (
        client,
        Watcher(client, journal=journal, stale_after=0.02, on_change=on_change if by_function else None) as watcher,
    ):
        in_hand: list[Change] = []
        reading = None if by_function else asyncio.create_task(read(watcher, write, most, in_hand))
        await add(watcher, truth, until)
        while (health := watcher.health()).jobs or health.undelivered > len(in_hand):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if reading is not None:
            await watcher.acknowledge()
            reading.cancel()


async def read(watcher: Watcher, write: Callable[[Change, int], None], most: int, in_hand: list[Change]) -> None:
    hand = 0
    async for batch in batches_of(watcher, most):
        hand += 1
        in_hand[:] = batch
        for change in batch:
            write(change, hand)
        if random.random() < 0.2:
            await asyncio.sleep(random.random() * 0.003)


async def batches_of(watcher: Watcher, most: int) -> AsyncIterator[tuple[Change, ...]]:
    if most == 1:
        async for change in watcher:
            yield (change,)
    else:
        async for batch in watcher.batches(most):
            yield batch


async def add(watcher: Watcher, truth: Truth, until: int | None) -> None:
    """Watch the latest jobs, and every one that begins from now on."""
    added = max(0, truth.count(time.time()) - RECENT)
    while until is None or added < until:
        count = truth.count(time.time()) if until is None else until
        if count > added:
            await watcher.add(*(f"job_{number}" for number in range(added, count)))
            added = count
        await asyncio.sleep(0.005)


def begin(folder: Path, truth: Truth, life: int, until: int | None = None) -> int:
    """Fork a life, and return its process."""
    pid = os.fork()
    if pid:
        return pid
    try:
        random.seed()
        asyncio.run(live(folder, truth, life, until))
    except BaseException:  # noqa: BLE001 - the oracle shall know
        with (folder / "faults").open("a") as file:
            file.write(f"life {life}\n{traceback.format_exc()}\n")
        os._exit(1)
    os._exit(0)


# --- the oracle --------------------------------------------------------------------------------------------------


class Verdict(Struct):
    """What the oracle found."""

    times: int
    jobs: int
    states: int
    changes: int
    told: int
    repeated: int
    seconds: float
    wrong: list[str]

    def __str__(self) -> str:
        return (
            f"killed {self.times} times in {self.seconds:.0f} s; {self.jobs} jobs, {self.states} states, "
            f"{self.changes} changes in the journal; {self.told} told, of which {self.repeated} again, each the one "
            f"in flight; lost 0, repeated otherwise 0"
            if not self.wrong
            else f"{len(self.wrong)} wrong: " + "; ".join(self.wrong[:10])
        )


def run(times: int, seed: int, folder: Path) -> Verdict:
    """Kill a watcher so many times, and return what came of it."""
    began = time.time()
    truth = Truth(seed, began)
    rng = random.Random(seed)
    file = JournalFile(folder / "watch.db", TrueJobs.key)
    keep_all(file._connection)
    file.close()
    for life in range(times):
        pid = begin(folder, truth, life)
        time.sleep(rng.random() * LONGEST_LIFE)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            return judge(folder, truth, life, times, began)
    count = truth.count(time.time())
    for life in range(times, times + WAYS):  # one of each kind
        if not has_ended(begin(folder, truth, life, until=count)):
            (folder / "faults").write_text(f"life {life} did not come to its end")
    return judge(folder, truth, count, times, began)


def has_ended(pid: int) -> bool:
    """Wait for a life that ends by itself; False if it has to be killed."""
    for _ in range(int(LONGEST_END / 0.05)):
        ended, _status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def judge(folder: Path, truth: Truth, count: int, times: int, began: float) -> Verdict:
    wrong: list[str] = []
    faults = folder / "faults"
    if faults.exists():
        wrong.append(faults.read_text())
    logs = written_in(folder / "watch.db")
    states = 0
    for number in range(count):
        job_id = f"job_{number}"
        wrong += (f"the journal: {job_id}: {problem}" for problem in wrong_in_log(truth, number, logs.get(job_id, [])))
        states += len(truth.events(number))
    if len(logs) > count:
        wrong.append(f"the journal knows {len(logs)} jobs, and there are {count}")
    tellings = [msgspec.json.decode(line, type=Telling) for line in (folder / "record").read_bytes().splitlines()]
    repeated, problems = wrong_in_record(tellings, {job_id: len(log) for job_id, log in logs.items()})
    wrong += problems
    wrong += (f"the journal: {key} is not acknowledged" for key in unacknowledged_in(folder / "watch.db"))
    changes = sum(map(len, logs.values()))
    return Verdict(times, count, states, changes, len(tellings), repeated, time.time() - began, wrong)


def wrong_in_log(truth: Truth, number: int, changes: list[Change]) -> Iterator[str]:
    if [change.seq for change in changes] != list(range(1, len(changes) + 1)):
        yield f"its changes are numbered {[change.seq for change in changes]}"
    told = [change.transition for change in changes if change.transition is not None]
    if [each.status for each in told] != [status for status, _ in truth.events(number)]:
        yield f"its states are {[each.status for each in told]}, and were {truth.events(number)}"
    if [each.seq for each in told] != list(range(1, len(told) + 1)):
        yield f"its states are numbered {[each.seq for each in told]}"
    if [change.kind for change in changes].index(ChangeKind.END) != len(changes) - 1 if changes else True:
        yield "its end is not its last change"
    healths = [change.health for change in changes if change.kind is ChangeKind.HEALTH]
    if any(one is other for one, other in itertools.pairwise(healths)):
        yield f"its health changes from one to the same: {healths}"


def wrong_in_record(tellings: list[Telling], changes: dict[str, int]) -> tuple[int, list[str]]:
    """Return how often something was told again, and what is wrong."""
    wrong: list[str] = []
    seen: dict[str, int] = {}
    repeated = 0
    in_flight: set[tuple[str, int]] = set()  # told, and perhaps not acknowledged when the life before ended
    now: dict[object, tuple[str, int]] = {}  # the same in the present life, by job where there is one a job
    life, hand = -1, None
    for telling in tellings:
        if telling.life != life:
            in_flight |= set(now.values())
            now, life = {}, telling.life
        elif telling.hand != hand:
            now = {}
        hand = telling.hand
        if telling.seq <= seen.get(telling.job_id, 0):
            repeated += 1
            if telling.key not in in_flight:
                wrong.append(f"the consumer: {telling.job_id}:{telling.seq} was told again in life {life}")
        elif telling.seq != seen.get(telling.job_id, 0) + 1:
            wrong.append(f"the consumer: {telling.job_id}:{telling.seq} came after {seen.get(telling.job_id)}")
        seen[telling.job_id] = max(telling.seq, seen.get(telling.job_id, 0))
        in_flight.discard(telling.key)
        now[telling.job_id if hand is None else telling.key] = telling.key
    wrong += (
        f"the consumer: {job_id} ended at {seen.get(job_id)}"
        for job_id in changes
        if seen.get(job_id) != changes[job_id]
    )
    return repeated, wrong


def run_apart(times: int, seed: int, folder: Path) -> Verdict:
    """Do the same from a process of its own: one with threads, as a test run has, should not fork."""
    command = [
        sys.executable,
        "-m",
        "tests.watching.crash",
        "--times",
        str(times),
        "--seed",
        str(seed),
        "--folder",
        str(folder),
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert not told.stderr, told.stderr
    return msgspec.json.decode((folder / "verdict").read_bytes(), type=Verdict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="an empty one, to keep what is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        verdict = run(options.times, options.seed, folder)
        (folder / "verdict").write_bytes(msgspec.json.encode(verdict))
    print(verdict)
    return bool(verdict.wrong)


if __name__ == "__main__":
    sys.exit(main())
