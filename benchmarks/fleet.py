"""What does it cost to watch very many jobs at once, against one asyncio or anyio task a job?

    python -m benchmarks.fleet [--jobs N] [--together N] [--counter auto|processor|callgrind] [--json]

The network is left out: requests are answered by a function of the same process. The poller, its schedule, its workers,
the reading of replies and everything else run as they are. Each figure comes from a process of its own (see
`benchmarks.fleet_stages`).

**Rivals**: a task a job, each ``while True: look; sleep(interval)``, as they are usually written; with plain asyncio,
and in an anyio task group. Their look decodes the status and compares it. Their interval is the one that jobwatch comes
to with these jobs.

**Bytes a job**: growth of the process's resident memory, over the jobs, from when a thousand others are watched until
every job was looked at once and its changes were told: what a process needs once is there before, the rivals' too. All
jobs run, with ids of 12 characters. Ours is a `Watcher` without a journal on a client whose requests are made ready
with the URLs of a network. What is known of the jobs and the heap's slack are in it; log and last reply are not, which
are kept only for jobs that somebody waits for.

**Instructions** to add a job, to look at it for the first time, and to wake it later, when it shows what it showed
before; making the answer is in all of them. They are counted by the processor if it may be asked, otherwise by
callgrind, over `COUNTED` jobs; where there is neither, CPU time is told, in seconds. ``wake`` is for jobs that come due
one at a time, so that each pays for its own timer, two rounds of the event loop, and this loop's clock, which is
written in Python. ``wake_busy`` is for workers that always have a next job to look at; each look then lasts a while,
and what the same requests cost without jobwatch is subtracted.

**Longest garbage collection**, by `gc.callbacks`, until every job was looked at twice, and one full collection at the
end; **largest loop lag**, how late a task that sleeps 10 ms at a time wakes, meanwhile. Jobs are added 1,000 at a time
with a pause for the loop between. Both are in CPU time of the process, so that others on the machine do not count, and
the loop's clock leaves idle time out (see `benchmarks.virtual`).

**Peak over mean**: as many waits as jobs (at most `TOGETHER`) start at the same moment, for jobs that have run for an
hour. On a clock that stands still while something runs, with replies after 50 ms, the fullest second among 300,
wherever it begins, over the mean of all 300. ``peak_over_mean`` counts from the first request on, when every wait makes
a look at once; ``peak_over_mean_later`` leaves the first minute out.

**Requests a sweep**: `SWEPT` jobs of one CapyDB project; requests made while every job is read once on average, after
the first minute; with a server that shows as many jobs as it is asked to, and with one that shows 100 at most. CapyDB
documents ``limit`` and no way to ask for the next page, so that what the list does not show is asked for singly.
The third figure is of as many jobs of no project, of an API of which one request may name `NAMED` ids.

**Bias.** *For us*: nothing changes, fails or ends meanwhile; jobs of one type and age need but one curve; the rivals'
interval has no jitter: with some, their peak and their lag would fall after the first looks. *Against us*: rivals keep
nothing but the last status, catch no error and know no deadline.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING, TypeVar

import msgspec

from . import instructions
from .fleet_stages import Counted, Held, Spread, Way
from .rows import Row as Compared
from .rows import as_json, compared

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNTED = 2_000
"""Over how many jobs instructions are counted."""

TOGETHER = 10_000
"""How many waits start together, unless fewer jobs were asked for."""

SWEPT = 1_000
"""How many jobs the one project has."""

NAMED = 100
"""How many ids one request may name."""

_WAKES = 3
_WAYS: tuple[Way, ...] = ("jobwatch", "asyncio", "anyio")

T = TypeVar("T")


class Instructions(msgspec.Struct, frozen=True, kw_only=True):
    """What is executed for one job, in a unit; see the module's docstring."""

    unit: str
    add: float
    first_look: float
    wake: float
    wake_busy: float | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one way to watch."""

    name: Way
    bytes_per_job: float
    gc_pause_ms: float
    loop_lag_ms: float
    cpu_us_per_look: float
    peak_over_mean: float
    peak_over_mean_later: float
    instructions: Instructions


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found out, as ``--json`` prints it: the figures of jobwatch, and those of its rivals."""

    jobs: int
    bytes_per_job: float
    gc_pause_ms: float
    loop_lag_ms: float
    cpu_us_per_look: float
    peak_over_mean: float
    peak_over_mean_later: float
    started_together: int
    instructions: Instructions
    swept_jobs: int
    requests_a_sweep: float
    requests_a_sweep_if_100_shown: float
    requests_a_sweep_by_ids: float
    rivals: list[Row]


def measure(jobs: int, counter: str, together: int = TOGETHER) -> Report:
    """Answer the module's question.

    Args:
        jobs: How many jobs to watch.
        counter: What counts instructions: "auto", "processor" or "callgrind".
        together: How many waits start together, at most.
    """
    together = min(jobs, together)
    ours, *rivals = (_row(way, jobs, counter, together) for way in _WAYS)
    swept = min(SWEPT, jobs)
    sweeps = [_stage(Spread, "sweep", "jobwatch", swept, page).requests_a_sweep for page in (SWEPT, 100)]
    return Report(
        jobs=jobs,
        bytes_per_job=ours.bytes_per_job,
        gc_pause_ms=ours.gc_pause_ms,
        loop_lag_ms=ours.loop_lag_ms,
        cpu_us_per_look=ours.cpu_us_per_look,
        peak_over_mean=ours.peak_over_mean,
        peak_over_mean_later=ours.peak_over_mean_later,
        started_together=together,
        instructions=ours.instructions,
        swept_jobs=swept,
        requests_a_sweep=sweeps[0],
        requests_a_sweep_if_100_shown=sweeps[1],
        requests_a_sweep_by_ids=_stage(Spread, "batches", "jobwatch", swept, NAMED).requests_a_sweep,
        rivals=rivals,
    )


def _row(way: Way, jobs: int, counter: str, together: int) -> Row:
    held = _stage(Held, "hold", way, jobs)
    spread = _stage(Spread, "spread", way, together)
    return Row(
        name=way,
        bytes_per_job=held.bytes_per_job,
        gc_pause_ms=held.gc_pause_ms,
        loop_lag_ms=held.loop_lag_ms,
        cpu_us_per_look=held.cpu_us_per_look,
        peak_over_mean=spread.peak_over_mean,
        peak_over_mean_later=spread.peak_over_mean_later,
        instructions=_instructions(way, jobs, counter),
    )


def _instructions(way: Way, jobs: int, counter: str) -> Instructions:
    if counter == "auto":
        processor = instructions.counter().unit != "seconds"
        counter = "processor" if processor or not instructions.has_callgrind() else "callgrind"
    unit, jobs = "user instructions", min(jobs, COUNTED)

    def counted(stage: str, way: Way) -> list[float]:
        nonlocal unit
        if counter == "callgrind":
            return [count / jobs for count in instructions.between_marks(_command(stage, way, jobs, _WAKES))]
        found = _stage(Counted, stage, way, jobs, _WAKES)
        unit = found.unit
        return [count / jobs for count in found.counts]

    add, first_look, _, wakes = counted("count", way)
    busy = [counted("busy", each)[0] for each in (way, "bare")] if way == "jobwatch" else None
    return Instructions(
        unit=unit,
        add=add,
        first_look=first_look,
        wake=wakes / _WAKES,
        wake_busy=(busy[0] - busy[1]) / _WAKES if busy else None,
    )


def _command(stage: str, way: Way, jobs: int, *more: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.fleet_stages", stage, way, str(jobs), *map(str, more)]


def _stage(kind: type[T], stage: str, way: Way, jobs: int, *more: int) -> T:
    command = _command(stage, way, jobs, *more)
    return msgspec.json.decode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout, type=kind)


def compared_rows(report: Report) -> list[Compared]:
    """Return a report as the rows that every benchmark has, against the first of the rivals."""
    rival = report.rivals[0]
    name = f"a task of {rival.name} a job"
    wakes = (report.instructions.wake, rival.instructions.wake)
    return [
        compared("bytes a job", report.bytes_per_job, rival.bytes_per_job, name, 900.0 / rival.bytes_per_job),
        compared("longest garbage collection in ms", report.gc_pause_ms, rival.gc_pause_ms, name, 1.0),
        compared("largest loop lag in ms", report.loop_lag_ms, rival.loop_lag_ms, name, 1.0),
        compared("processor time a look in us", report.cpu_us_per_look, rival.cpu_us_per_look, name, 1.0),
        compared("fullest second over the mean", report.peak_over_mean, rival.peak_over_mean, name, 1.5),
        compared(f"a wake, {report.instructions.unit}", *wakes, name, 1.0),
    ]


def printed(report: Report) -> str:
    """Return a report as text."""
    ours = Row(name="jobwatch", **{field: getattr(report, field) for field in Row.__struct_fields__ if field != "name"})
    rows = [ours, *report.rivals]
    figures: list[tuple[str, list[str]]] = [
        ("bytes a job", [f"{row.bytes_per_job:,.0f}" for row in rows]),
        ("longest garbage collection, ms", [f"{row.gc_pause_ms:,.0f}" for row in rows]),
        ("largest loop lag, ms", [f"{row.loop_lag_ms:,.0f}" for row in rows]),
        ("CPU time a look, us", [f"{row.cpu_us_per_look:.0f}" for row in rows]),
        ("peak over mean", [f"{row.peak_over_mean:.2f}" for row in rows]),
        ("  after the first minute", [f"{row.peak_over_mean_later:.2f}" for row in rows]),
    ]
    for title, name in _COUNTS:
        figures.append((title, [_count(getattr(row.instructions, name)) for row in rows]))
    lines = [f"{report.jobs:,} jobs, {report.started_together:,} of them started together", ""]
    lines.append(f"{'':34s}" + "".join(f"{row.name:>12s}" for row in rows))
    lines += [f"{title:34s}" + "".join(f"{cell:>12s}" for cell in cells) for title, cells in figures]
    few, many = report.requests_a_sweep, report.requests_a_sweep_if_100_shown
    by_ids = f"by ids, {NAMED} a request: {report.requests_a_sweep_by_ids:.1f}"
    sweeps = f"{few:.1f} if the list shows all, {many:,.0f} if it shows 100; {by_ids}"
    lines += [
        f"counted in {report.instructions.unit}",
        "",
        f"requests a sweep of {report.swept_jobs:,} jobs of one project: {sweeps}",
    ]
    return "\n".join(lines)


_COUNTS = (
    ("to add a job", "add"),
    ("to look at it for the first time", "first_look"),
    ("to wake it, one at a time", "wake"),
    ("to wake it, in a busy fleet", "wake_busy"),
)


def _count(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if figure >= 1.0 else f"{figure:.2e}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--jobs", type=int, default=100_000, help="how many jobs to watch (default: 100,000)")
    parser.add_argument(
        "--counter", choices=("auto", "processor", "callgrind"), default="auto", help="what counts instructions"
    )
    parser.add_argument("--together", type=int, default=TOGETHER, help="how many waits start together, at most")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}; it must be at least 1")
    report = measure(options.jobs, options.counter, options.together)
    print(as_json(compared_rows(report), report=report) if options.json else printed(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
