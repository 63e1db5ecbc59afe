"""How late are ends learned under a budget of requests, against asking after each job in turn, and is the budget kept?

    python -m benchmarks.budget [--rate R] [--seconds S] [--seed N] [--json]

**Jobs.** 200 are watched at any time. Each of 200 queues runs one job after another: the next starts when the end of
the one before has been learned. A queue has jobs of one type: of the 40 types of `benchmarks.durations`, as they are
(half a minute), ten times and a hundred times as long (an hour), in turn. Durations are drawn by seed, the same for all
who wait. The server answers after 50 ms, half of that on the way there; the clock stands still while something runs,
so that nothing depends on the machine.

**Ours**: ``max_rate`` is the budget, all else is the default. *Learned* starts from nothing and learns from the ends
it sees; *history-free* forgets them. **Round robin** asks after all jobs in turn at equal intervals, once at as many
requests a second as the former made, once as the latter; a new job takes the place of the one it follows.

**Delay**: from a job's end to when that is known, half a round trip included, over all jobs whose end was learned after
the first tenth of the time.

**Windows**: the most requests that came to the server in any second, wherever it begins, against ``rate + burst``,
where the burst is a quarter of a second's requests, or one.

**Bias.** *For us*: the kinds differ by a factor of a hundred, and where jobs are alike there is less to gain; short
jobs end most often, so they make up most of the mean. *Against us*: one request a job goes into the look at once at
each new one, which round robin leaves out; and round robin knows, free of charge, how fast it may go.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

import msgspec

from jobwatch._core.tracker import Watched
from jobwatch._files.history import History
from jobwatch._reading.reply import Reply

from . import durations, virtual
from .rows import Row as Compared
from .rows import as_json, compared
from .simulated import API, Server, SimulatedJob, most_in_a_second, poller_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobwatch._core.look import Looked
    from jobwatch._engine.watch import Watch
    from jobwatch._models import Job, Phase

QUEUES = 200
"""How many jobs are watched at any time."""

RATE = 20.0
"""Requests a second, unless said otherwise."""

SECONDS = 3_600.0
"""For how long, on the loop's clock."""

_STRETCHES = (1.0, 10.0, 100.0)
_LEFT_OUT = 0.1
_ROUND_TRIP = 0.05


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One way to keep to the budget."""

    name: str
    requests: int
    ends: int
    mean_delay: float
    p95_delay: float
    most_in_a_second: int
    allowed_in_a_second: float
    mean_to_round_robin: float
    p95_to_round_robin: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found out, as ``--json`` prints it; ``ratio`` is the learned pace's mean delay to round robin's."""

    rate: float
    jobs: int
    seconds: float
    seed: int
    ratio: float
    never_above: bool
    rows: list[Row]


class Queues:
    """Jobs that follow each other in each of the queues, and when the end of each was learned.

    Attributes:
        server: Tells of the jobs.
        delays: When an end was learned, and how late.
    """

    def __init__(self, seed: int) -> None:
        self.server = Server(round_trip=_ROUND_TRIP)
        self.delays: list[tuple[float, float]] = []
        self._rng = [random.Random(f"queue {queue} {seed}") for queue in range(QUEUES)]
        self._begun = [0] * QUEUES

    def next_job(self, queue: int) -> str:
        """Start a queue's next job, and return its id."""
        kind, stretch = durations.IMAGE_JOBS[queue % 40], _STRETCHES[queue % 3]
        now = asyncio.get_running_loop().time()
        lasts = stretch * durations.duration(kind, self._rng[queue].random())
        self._begun[queue] += 1
        job_id = f"{queue}_{self._begun[queue]}"
        self.server.jobs[job_id] = SimulatedJob(job_id, type=f"{kind.name} x{stretch:g}", starts=now, ends=now + lasts)
        return job_id

    def learned(self, job_id: str) -> int:
        """Note that the end of a job is known now, and return its queue."""
        now = asyncio.get_running_loop().time()
        self.delays.append((now, now - self.server.jobs.pop(job_id).ends))
        return int(job_id.split("_", maxsplit=1)[0])


class Forgetful(History):
    """Learns nothing."""

    def add(self, job: Job, *, told: bool = False) -> bool:  # noqa: ARG002 - that is the point
        """Forget a job."""
        return True

    def add_duration(
        self, kind: tuple[str, str, Phase], seconds: float, *, told: bool = False, job_id: str = ""
    ) -> None:
        """Forget a duration."""


async def ours(queues: Queues, rate: float, seconds: float, history: History) -> None:
    """Watch the queues with a budget of requests."""
    poller = poller_of(queues.server, history=history, max_rate=rate, uniform=random.Random(1).random)

    def watch(queue: int) -> None:
        poller.watch(Watched(job_id=queues.next_job(queue), api=API), note)

    def note(watched: Watch, looked: Looked) -> None:
        if looked.outcome is not None:
            poller.drop(watched)
            watch(queues.learned(watched.watched.job_id))

    for queue in range(QUEUES):
        watch(queue)
    await asyncio.sleep(seconds)
    await poller.aclose()


async def round_robin(queues: Queues, rate: float, seconds: float) -> None:
    """Ask after the jobs of the queues in turn."""
    loop = asyncio.get_running_loop()
    jobs = [queues.next_job(queue) for queue in range(QUEUES)]
    asks: set[asyncio.Task[None]] = set()

    async def ask(queue: int) -> None:
        job_id = jobs[queue]
        reply = await queues.server.get(f"one {job_id} 1")
        if isinstance(reply, Reply) and b'"completed"' in reply.body and jobs[queue] == job_id:
            queues.learned(job_id)
            jobs[queue] = queues.next_job(queue)

    turn, began = 0, loop.time()
    while (due := began + turn / rate) < began + seconds:
        await asyncio.sleep(due - loop.time())
        task = loop.create_task(ask(turn % QUEUES))
        asks.add(task)
        task.add_done_callback(asks.discard)
        turn += 1
    await asyncio.sleep(_ROUND_TRIP)


def measure(rate: float, seconds: float, seed: int) -> Report:
    """Answer the module's question.

    Args:
        rate: The budget, in requests a second.
        seconds: For how long.
        seed: For the durations.
    """
    rows = []
    for name, history in (("jobwatch, learned", History()), ("jobwatch, history-free", Forgetful())):
        queues = Queues(seed)
        virtual.run(ours(queues, rate, seconds, history))
        equal = Queues(seed)
        asked = len(queues.server.times)
        virtual.run(round_robin(equal, asked / seconds, seconds))
        rows += [_row(name, queues, equal, rate, seconds), _row("round robin", equal, equal, rate, seconds)]
    return Report(
        rate=rate,
        jobs=QUEUES,
        seconds=seconds,
        seed=seed,
        ratio=rows[0].mean_to_round_robin,
        never_above=all(row.most_in_a_second <= row.allowed_in_a_second for row in rows if row.name != "round robin"),
        rows=rows,
    )


def _row(name: str, queues: Queues, equal: Queues, rate: float, seconds: float) -> Row:
    delays, theirs = _delays(queues, seconds), _delays(equal, seconds)
    p95, their_p95 = (quantiles(each, n=20)[-1] for each in (delays, theirs))
    return Row(
        name=name,
        requests=len(queues.server.times),
        ends=len(delays),
        mean_delay=fmean(delays),
        p95_delay=p95,
        most_in_a_second=most_in_a_second(queues.server.times),
        allowed_in_a_second=rate + max(1.0, rate / 4.0),
        mean_to_round_robin=fmean(delays) / fmean(theirs),
        p95_to_round_robin=p95 / their_p95,
    )


def _delays(queues: Queues, seconds: float) -> list[float]:
    return [delay for at, delay in queues.delays if at >= _LEFT_OUT * seconds]


def compared_rows(report: Report) -> list[Compared]:
    """Return a report as the rows that every benchmark has."""
    ways = [(row, report.rows[at + 1]) for at, row in enumerate(report.rows) if row.name != "round robin"]
    rows = [
        compared(f"{what} delay in s, {row.name}", ours, rival, "round robin", 1.0)
        for row, other in ways
        for what, ours, rival in (
            ("mean", row.mean_delay, other.mean_delay),
            ("95th percentile of the", row.p95_delay, other.p95_delay),
        )
    ]
    allowed = [("most requests in 1 s", row.most_in_a_second, row.allowed_in_a_second) for row, _ in ways]
    return [*rows, *(compared(what, ours, most, "allowed", 1.0) for what, ours, most in allowed)]


def printed(report: Report) -> str:
    """Return a report as text."""
    lines = [
        f"{report.jobs} jobs at a time, {report.rate:g} requests a second, {report.seconds:g} s, seed {report.seed}",
        "",
        f"{'':24s}{'requests':>10s}{'ends':>8s}{'mean delay':>13s}{'p95':>10s}{'most in 1 s':>13s}{'allowed':>9s}",
    ]
    for row in report.rows:
        delay = (
            f"{row.mean_delay:6.2f} {row.mean_to_round_robin:5.2f}x{row.p95_delay:6.1f}{row.p95_to_round_robin:6.2f}x"
        )
        windows = f"{row.most_in_a_second:11d}{row.allowed_in_a_second:9g}"
        lines.append(f"{row.name:24s}{row.requests:10d}{row.ends:8d}{delay:>23s}{windows}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for how long the jobs are watched")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same figures")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    if not 0.0 < options.rate < float("inf"):
        parser.error(f"--rate is {options.rate}; it must be above 0")
    if not options.seconds >= 60.0:
        parser.error(f"--seconds is {options.seconds}; it must be at least 60")
    report = measure(options.rate, options.seconds, options.seed)
    print(as_json(compared_rows(report), report=report) if options.json else printed(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
