"""What does a job's stream of events save: how late are ends learned, and at how many requests a job?

    python -m benchmarks.stream [--jobs N] [--seed N] [--json]

**Jobs.** N jobs one after another, with durations drawn from `benchmarks.durations` (half a minute), each pending for
the first tenth of its time. The server speaks as Bedrock documents, history included, and answers after 50 ms, half of
that on the way there. The clock stands still while something runs, so that nothing depends on the machine.

**Ways.** *Stream*: each job's stream tells every change, half a round trip late, with a heartbeat every 15 s and a
close after five minutes. *Silent*: a proxy holds everything back. *Refused*: the server has no streams. *None*:
``streams=False``. All else is the default, and every way learns from the ends that it sees.

**Requests** count streams that were opened too. **Delay** is from a job's end to when that is known.

**Bias.** *For us*: nothing fails, and the stream tells everything at once. *Against us*: durations are known to the
pace after some jobs of a type, which is when polling is at its best.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

import msgspec

from jobwatch._core.budget import Budget
from jobwatch._core.look import Policy
from jobwatch._core.pace import Pace
from jobwatch._core.source import Turn
from jobwatch._core.tracker import Patience, Watched
from jobwatch._engine.clock import Clock
from jobwatch._engine.poller import Poller
from jobwatch._files.history import History
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._http.tasks import at_once
from jobwatch._models import Fault, FaultKind
from jobwatch._reading.reply import Reply
from jobwatch.apis import BEDROCK

from . import durations, virtual
from .rows import Row as Compared
from .rows import as_json, compared
from .simulated import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WAYS = ("stream", "silent", "refused", "none")

_ROUND_TRIP = 0.05
_HEARTBEAT, _LONGEST = 15.0, 300.0
_STREAM_WORDS = {"PENDING": "Queued", "RUNNING": "Started", "COMPLETED": "Completed"}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One way to learn of the ends; ``most`` is of the jobs shorter than the longest stream."""

    way: str
    requests_a_job: float
    most_requests: int
    streams_a_job: float
    mean_delay: float
    p95_delay: float
    most_delay: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found out, as ``--json`` prints it; ``round_trip`` is in seconds, as the delays are."""

    jobs: int
    seed: int
    round_trip: float
    rows: list[Row]


class Server:
    """Tells of one job at a time, which is entered in `job`.

    Args:
        way: What its streams are like.
    """

    def __init__(self, way: str) -> None:
        self.looks = 0
        self.streams = 0
        self.type = ""
        self.steps: list[tuple[float, str]] = []
        self._way = way

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> str:
        """Name what is asked for: a job, or its stream."""
        assert (query, body) == (None, None)
        job_id, _, kind = path.removeprefix("/jobs/").partition("/")
        return f"stream {job_id}" if kind else job_id

    def how_far(self, asker: object, since: float) -> str:  # noqa: ARG002 - as any source has it
        """Say what is wrong with a look that has no answer yet."""
        return "the server did not answer"

    async def aclose(self) -> None:
        """There is nothing to close."""

    async def get(self, job_id: str, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:  # noqa: ARG002 - none is sent
        """Answer a look, as `Transport.get` does."""
        self.looks += 1
        await asyncio.sleep(_ROUND_TRIP / 2.0)
        now = asyncio.get_running_loop().time()
        entered = [(at, status) for at, status in self.steps if at <= now]
        events = [{"status": status, "timestamp": EPOCH + at} for at, status in entered]
        body = {"id": job_id, "type": self.type, "status": entered[-1][1], "events": events}
        await asyncio.sleep(_ROUND_TRIP / 2.0)
        return Reply(200, msgspec.json.encode({"data": body | {"created_at": EPOCH + self.steps[0][0]}}))

    async def follow(self, job_id: str, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        """Tell of a job as it goes, as `Transport.follow` does."""
        self.streams += 1
        await asyncio.sleep(_ROUND_TRIP / 2.0)
        if self._way == "refused":
            await asyncio.sleep(_ROUND_TRIP / 2.0)
            return Fault(FaultKind.NOT_FOUND, "no such page", 404)
        if self._way == "silent":
            await asyncio.sleep(silence)
            return Fault(FaultKind.UNREACHABLE, "silence")
        loop = asyncio.get_running_loop()
        for at, piece in self._pieces(job_id.removeprefix("stream "), loop.time()):
            await asyncio.sleep(max(0.0, at + _ROUND_TRIP / 2.0 - loop.time()))
            if not heard(piece):
                break
        return None

    def _pieces(self, job_id: str, now: float) -> Iterator[tuple[float, bytes]]:
        current = [(now, status) for at, status in self.steps if at <= now][-1:]
        told = current + [(at, status) for at, status in self.steps if now < at < now + _LONGEST]
        over = told[-1][0] if told[-1][1] == "COMPLETED" else now + _LONGEST
        pieces = [(at, _event(job_id, status)) for at, status in told]
        beats = int((over - now) / _HEARTBEAT)
        pieces += [(now + beat * _HEARTBEAT, b": heartbeat\n\n") for beat in range(1, beats + 1)]
        yield from sorted(pieces)


def _event(job_id: str, status: str) -> bytes:
    data = {"job_id": job_id, "status": _STREAM_WORDS[status]}
    return b"event: status\ndata: %b\n\n" % msgspec.json.encode(data)


async def waited(way: str, jobs: Sequence[durations.Finished]) -> list[tuple[float, int, int, float]]:
    """Wait for jobs one after another; return how long each took, its looks, its streams and the delay of its end."""
    server, loop = Server(way), asyncio.get_running_loop()
    given = Given("t", "http://api.test", None)
    source = HttpSource(BEDROCK, given, streams=way != "none", transport=server)  # type: ignore[arg-type]
    clock = Clock(random.Random(1).random, EPOCH)
    poller = Poller(Policy(Pace(), Patience(), History()), source, Budget(None), workers=1, clock=clock)
    found = []
    for number, job in enumerate(jobs):
        begun, looks, streams = loop.time(), server.looks, server.streams
        ends = begun + job.seconds
        server.type = job.type
        server.steps = [(begun, "PENDING"), (begun + job.seconds / 10.0, "RUNNING"), (ends, "COMPLETED")]
        watch = poller.listen(Watched(job_id=f"job-{number}", api=BEDROCK.name))
        while watch.watched.outcome is None:
            await poller.news(watch)
        found.append((job.seconds, server.looks - looks, server.streams - streams, loop.time() - ends))
        poller.leave(watch)
    await poller.aclose()
    return found


def measure(jobs: int, seed: int) -> Report:
    """Answer the module's question.

    Args:
        jobs: How many jobs.
        seed: For the durations.
    """
    trace = durations.drawn(jobs, seed)
    rows = [_row(way, virtual.run(waited(way, trace))) for way in WAYS]
    return Report(jobs=jobs, seed=seed, round_trip=_ROUND_TRIP, rows=rows)


def _row(way: str, found: Sequence[tuple[float, int, int, float]]) -> Row:
    delays = [delay for _, _, _, delay in found]
    return Row(
        way=way,
        requests_a_job=fmean(looks + streams for _, looks, streams, _ in found),
        most_requests=max(looks + streams for seconds, looks, streams, _ in found if seconds < _LONGEST),
        streams_a_job=fmean(streams for _, _, streams, _ in found),
        mean_delay=fmean(delays),
        p95_delay=quantiles(delays, n=20)[-1],
        most_delay=max(delays),
    )


def compared_rows(report: Report) -> list[Compared]:
    """Return a report as the rows that every benchmark has."""
    none = next(row for row in report.rows if row.way == "none")
    return [
        compared(f"{what}, {row.way}", ours, rival, "no stream", 1.0 if row.way == "stream" else 1.1)
        for row in report.rows
        if row is not none
        for what, ours, rival in (
            ("requests a job", row.requests_a_job, none.requests_a_job),
            ("mean delay in s", row.mean_delay, none.mean_delay),
        )
    ]


def printed(report: Report) -> str:
    """Return a report as text."""
    lines = [
        f"{report.jobs} jobs one after another, seed {report.seed}; one round trip is {report.round_trip:g} s",
        "",
        f"{'':10s}{'requests a job':>16s}{'most':>6s}{'streams':>9s}{'mean delay':>12s}{'p95':>8s}{'most':>8s}",
    ]
    for row in report.rows:
        counts = f"{row.requests_a_job:16.2f}{row.most_requests:6d}{row.streams_a_job:9.2f}"
        lines.append(f"{row.way:10s}{counts}{row.mean_delay:12.3f}{row.p95_delay:8.3f}{row.most_delay:8.3f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2000, help="how many jobs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for the durations (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args(arguments)
    if asked.jobs < 2:
        parser.error("--jobs takes 2 or more")
    report = measure(asked.jobs, asked.seed)
    print(as_json(compared_rows(report), report=report) if asked.json else printed(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
