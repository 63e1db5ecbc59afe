"""How many looks does the learned pace need, against the default polling policies of ten widely used clients?

    python -m benchmarks.pace [--trace FILE.csv] [--jobs N] [--json] [--plot FILE.png] [--seed N] [--seeds N]

FILE has the header ``type,seconds``, one finished job a row, in order. Without it a trace is drawn from the durations
of 40 types of image-generation jobs (see `benchmarks.durations`).

**A wait.** Every job of the trace is waited for, one after the other. A look sent at age *t* sees the end if the job
has ended by *t*; the delay is the time from the end to the sending of that look. A round trip takes 0.1 s, and rivals
sleep after it. All looks count, also the one at once with which jobwatch and most rivals begin. Rivals keep their
default intervals; those with jitter take 64 seeded schedules in turn.

**Ours** starts from an empty history. Before each job, its curve is estimated from the last 128 jobs of its type, the
last 128 of all types, and those of the 32 types that were seen last, no others; then the job is waited for at every
price between 5e-9 and 5e5 seconds a look, and only then remembered. That gives mean looks against mean delay as a line,
from which the figures at a rival's own mean delay, and at its own looks, are read (straight in logarithms between steps
12 % apart). ``min_interval`` and ``max_interval`` are left off, since they bound a service, not a curve. The second
look's phase is drawn, as in use.

**If known**: the same poll clock, each job's curve estimated from the other half of the trace, drawn by lot, before
and after the job alike, as jobs that come in no order.

**If soon known**: ours for the first two jobs of each type, and "if known" for the later ones. Who begins with an empty
history can hardly do better, so it bounds which share of the gain "if known" can be had on this trace.

**The clairvoyant** knows each type's distribution: all its jobs in the trace, smoothed by a kernel as no finite sample
shows its own distribution, and takes the schedule that is best for them (see `benchmarks.clairvoyant`), without a look
at once. Its cost and ours, at the default ``poll_cost``, are those of the same jobs: all but the first 20 of each type,
of types with at least 40 others.

**A wrong history**: the known curves, but from durations ten times as long, and as short, as they were; the cost at
the default ``poll_cost``, relative to having no history.

**Bias.** *For us*: nothing fails, and no time-out ends a wait; a rival whose user has tuned its interval does better;
looks closer together than a round trip, at the prices that match 0.1 s, are allowed; smoothing hides a little of what
the clairvoyant could know. *Against us*: rivals read a reply when they send the look, not a round trip later; the
clairvoyant knows the very jobs it is measured on; a type that drifts is learned online but not "if known".
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jobwatch._core.pace import PRIOR, Curve, Durations, Pace, curve, remembered

from . import clairvoyant, durations, picture, policies
from .durations import Finished
from .pace_report import LEARNED, Clairvoyant, Line, Point, Report, Row, WrongHistory, as_table, as_text, compared_rows
from .rows import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

JOBS = 10_000
"""How many jobs are drawn when no trace is given."""

FIRST = 2
"""From how many jobs of a type on the bound of what can be learned knows all about it."""

COMPARED = 40
"""Types with fewer jobs than this after those are not compared: too few to tell what was to be known."""

OTHERS = 32
"""Of how many other types a curve is told, as in use."""

STEPS = [10.0 ** (exponent / 20.0) for exponent in range(-4 * 20, 3 * 20 + 1)]
"""The steps of the poll clock that are tried; a step is the square root of twice the price of a look."""

DEFAULT_STEP = math.sqrt(2.0 * Pace().poll_cost)
"""The step at the default price."""


class Waited(NamedTuple):
    """A job about to be waited for, with the curve that is known by then."""

    job: Finished
    curve: Curve
    phase: float


def online(trace: Sequence[Finished], seed: int) -> Iterator[Waited]:
    """Go through a trace, learning from nothing: each job comes with the curve of those before it."""
    rng = random.Random(f"phase {seed}")
    histories: dict[str, Durations] = {}
    kin = Durations()
    for job in trace:
        history = histories.pop(job.type, Durations())
        yield Waited(job, curve(history, kin, _latest(histories)), rng.random())
        histories[job.type] = remembered(history, job.seconds)
        kin = remembered(kin, job.seconds)


def _latest(kinds: dict[str, Durations]) -> list[tuple[float, ...]]:
    return [durations.seconds for durations in islice((kinds[each] for each in reversed(kinds)), OTHERS)]


def known(trace: Sequence[Finished], seed: int, scale: float = 1.0) -> Iterator[Waited]:
    """Go through a trace with curves from the other half of it, all durations there scaled."""
    rng = random.Random(f"fold {seed}")
    folds = [rng.randrange(2) for _ in trace]
    kinds: dict[tuple[str, int], list[float]] = defaultdict(list)
    kin: tuple[list[float], list[float]] = ([], [])
    for job, fold in zip(trace, folds, strict=True):
        kinds[job.type, 1 - fold].append(job.seconds * scale)
        kin[1 - fold].append(job.seconds * scale)
    told = [_history(seconds, tried=scale == 1.0) for seconds in kin]
    curves = {
        (kind, fold): curve(
            _history(kinds[kind, fold], tried=scale == 1.0),
            told[fold],
            [seconds for (each, half), seconds in kinds.items() if half == fold and each != kind and seconds][-OTHERS:],
            in_order=False,
        )
        for kind in {job.type for job in trace}
        for fold in (0, 1)
    }
    for job, fold in zip(trace, folds, strict=True):
        yield Waited(job, curves[job.type, fold], rng.random())


def soon_known(trace: Sequence[Finished], seed: int) -> Iterator[Waited]:
    """Go through a trace, learning from the first `FIRST` jobs of each type, and knowing the type from then on."""
    seen: Counter[str] = Counter()
    for learning, knowing in zip(online(trace, seed), known(trace, seed), strict=True):
        yield learning if seen[learning.job.type] < FIRST else knowing
        seen[learning.job.type] += 1


def _history(seconds: Sequence[float], *, tried: bool) -> Durations:
    return Durations(tuple(seconds), len(seconds) if tried else 0)


def wait(waited: Waited, step: float) -> Point:
    """Wait for one job by the poll clock: looks at once, after the drawn first step, then step after step.

    Args:
        waited: The job and its curve.
        step: How far the clock advances between looks.

    Returns:
        The looks made and the delay.
    """
    first = 0.5 + waited.phase
    more = max(0, math.ceil(waited.curve.at(waited.job.seconds) / step - first))
    return Point(2 + more, max(0.0, waited.curve.advance(0.0, (first + more) * step) - waited.job.seconds))


def line(jobs: Iterable[Waited]) -> Line:
    """Wait for every job at every price, and return the means."""
    looks = [0.0] * len(STEPS)
    delays = [0.0] * len(STEPS)
    count = 0
    for waited in jobs:
        count += 1
        shown, first, seconds = waited.curve.at(waited.job.seconds), 0.5 + waited.phase, waited.job.seconds
        advance = waited.curve.advance
        for place, step in enumerate(STEPS):  # `wait`, written out: this runs millions of times
            more = max(0, math.ceil(shown / step - first))
            looks[place] += 2 + more
            delays[place] += max(0.0, advance(0.0, (first + more) * step) - seconds)
    return Line([Point(look / count, delay / count) for look, delay in zip(looks, delays, strict=True)])


def at_default(jobs: Iterable[Waited]) -> list[Point]:
    """Wait for every job at the default price, and return what each cost."""
    return [wait(waited, DEFAULT_STEP) for waited in jobs]


def _mean(points: Sequence[Point]) -> Point:
    return Point(sum(point.looks for point in points) / len(points), sum(point.delay for point in points) / len(points))


def _cost(point: Point) -> float:
    return Pace().poll_cost * point.looks + point.delay


def rival(policy: policies.Policy, trace: Sequence[Finished], seed: int) -> Point:
    """Wait for every job by a rival's policy, and return the means."""
    runs = policies.schedules(policy, seed)
    waits = [runs[place % len(runs)].wait(job.seconds) for place, job in enumerate(trace)]
    return Point(sum(seen.looks for seen in waits) / len(waits), sum(seen.delay for seen in waits) / len(waits))


def against_clairvoyant(trace: Sequence[Finished], ours: Sequence[Point]) -> Clairvoyant:
    """Compare our cost with the best schedule's, once we have seen 20 jobs of a type.

    Args:
        trace: The jobs, in order.
        ours: What each of them cost us, at the default price.
    """
    kinds: dict[str, list[tuple[float, Point]]] = defaultdict(list)
    for job, point in zip(trace, ours, strict=True):
        kinds[job.type].append((job.seconds, point))
    price = Pace().poll_cost
    spent = best = 0.0
    count = 0
    for waits in kinds.values():
        later = waits[LEARNED:]
        if len(later) < COMPARED:
            continue
        everything = [seconds for seconds, _ in waits]
        clock = curve(_history(everything, tried=True), in_order=False)
        ages = clairvoyant.candidates(clock, DEFAULT_STEP, max(everything))
        schedule = clairvoyant.best_schedule(ages, clairvoyant.smoothed(everything, ages), price)
        best += len(later) * clairvoyant.cost_of(schedule, [seconds for seconds, _ in later], price)
        spent += sum(_cost(point) for _, point in later)
        count += len(later)
    return Clairvoyant(cost_ratio=spent / best if best else None, jobs=count)


def measure(trace: Sequence[Finished], name: str, seed: int) -> tuple[Report, Line, Line]:
    """Answer the module's question for a trace.

    Args:
        trace: The jobs, in order.
        name: What the trace is called in the report.
        seed: For everything that is drawn.

    Returns:
        The report; our line; and the line if the distribution were known.
    """
    ours, if_known, bound = (line(how(trace, seed)) for how in (online, known, soon_known))
    learned = at_default(online(trace, seed))
    free = _mean(at_default(waited._replace(curve=PRIOR) for waited in known(trace, seed)))
    wrong = [_mean(at_default(known(trace, seed, scale))) for scale in (10.0, 0.1)]
    report = Report(
        trace=name,
        seed=seed,
        jobs=len(trace),
        types=len({job.type for job in trace}),
        poll_cost=Pace().poll_cost,
        at_default=_mean(learned),
        rivals=[_row(policy, rival(policy, trace, seed), ours, if_known, bound) for policy in policies.POLICIES],
        clairvoyant=against_clairvoyant(trace, learned),
        wrong_history=WrongHistory(
            ten_times_too_long=_cost(wrong[0]) / _cost(free),
            ten_times_too_short=_cost(wrong[1]) / _cost(free),
        ),
    )
    return report, ours, if_known


def _row(policy: policies.Policy, cost: Point, ours: Line, if_known: Line, bound: Line) -> Row:
    return Row(
        name=policy.name,
        kind=policy.kind,
        looks=cost.looks,
        delay=cost.delay,
        fewer_looks_at_same_delay=_times(cost.looks, ours.looks_at(cost.delay)),
        less_delay_at_same_looks=_times(cost.delay, ours.delay_at(cost.looks)),
        fewer_looks_if_known=_times(cost.looks, if_known.looks_at(cost.delay)),
        fewer_looks_if_soon_known=_times(cost.looks, bound.looks_at(cost.delay)),
    )


def _times(theirs: float, ours: float | None) -> float | None:
    return theirs / ours if ours else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line.

    Args:
        arguments: The arguments, without the program's name.

    Returns:
        The exit code: 2 for a trace that cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pace", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--trace", type=Path, metavar="FILE", help="CSV with the header type,seconds")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many jobs to draw without a trace")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw looks against delay; needs matplotlib")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same figures")
    parser.add_argument("--seeds", type=int, default=1, help="from how many seeds to take the median, that one first")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}; it must be at least 1")
    if options.seeds < 1:
        parser.error(f"--seeds is {options.seeds}; it must be at least 1")
    try:
        trace = (
            durations.read(options.trace, options.seed)
            if options.trace
            else durations.drawn(options.jobs, options.seed)
        )
    except (OSError, durations.TraceError) as error:
        print(f"benchmarks.pace: {error}", file=sys.stderr)
        return 2
    name = options.trace.name if options.trace else "drawn from 40 types of image jobs"
    report, ours, if_known = measure(trace, name, options.seed)
    reports = [report]
    for seed in range(options.seed + 1, options.seed + options.seeds):
        again = durations.read(options.trace, seed) if options.trace else durations.drawn(options.jobs, seed)
        reports.append(measure(again, name, seed)[0])
    rows = compared_rows(reports)
    if options.json:
        print(as_json(rows, reports=reports))
    else:
        print(as_text(report) if options.seeds == 1 else as_table(rows))
    if options.plot:
        picture.draw(report, ours, if_known, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
