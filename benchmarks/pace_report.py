"""The report of `benchmarks.pace`: what was measured, as values and as text."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from .rows import Row as Compared
from .rows import as_text as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .policies import Kind

SHARE = 0.97
"""How much of the gain that knowing the durations would give is wanted."""

LEARNED = 20
"""From this many jobs of a type on, our cost is compared with the clairvoyant's."""


class Point(NamedTuple):
    """What waiting costs on average: looks a job, and seconds of delay."""

    looks: float
    delay: float


class Line(NamedTuple):
    """Looks against delay, for every price: the looks fall while the delay grows."""

    points: list[Point]

    def looks_at(self, delay: float) -> float | None:
        """Return how many looks come with a mean delay, or None beyond what was tried."""
        return _between([(point.delay, point.looks) for point in self.points], delay)

    def delay_at(self, looks: float) -> float | None:
        """Return the mean delay that comes with so many looks, or None beyond what was tried."""
        return _between([(point.looks, point.delay) for point in reversed(self.points)], looks)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One rival, and what we need to match it."""

    name: str
    kind: Kind
    looks: float
    delay: float
    fewer_looks_at_same_delay: float | None
    less_delay_at_same_looks: float | None
    fewer_looks_if_known: float | None
    fewer_looks_if_soon_known: float | None


class ComparedRow(Compared, frozen=True, kw_only=True):
    """A rival, compared, with which shares of the gain that knowing the durations would give are had, and can be.

    Attributes:
        share: That of ours.
        bound: That of who knows all about a type from its third job on.
    """

    share: float
    bound: float


class Clairvoyant(msgspec.Struct, frozen=True, kw_only=True):
    """Our cost against that of the best schedule; None if no type has enough jobs."""

    cost_ratio: float | None
    jobs: int


class WrongHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Our cost with a history that is wrong, relative to that with none."""

    ten_times_too_long: float
    ten_times_too_short: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found out, as ``--json`` prints it."""

    trace: str
    seed: int
    jobs: int
    types: int
    poll_cost: float
    at_default: Point
    rivals: list[Row]
    clairvoyant: Clairvoyant
    wrong_history: WrongHistory


def _between(points: Sequence[tuple[float, float]], x: float) -> float | None:
    """Return what lies over *x* on a line through points with rising x, straight between them in logarithms."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if 0.0 < x0 <= x <= x1 and y0 > 0.0 and y1 > 0.0:
            part = math.log(x / x0) / math.log(x1 / x0) if x1 > x0 else 0.0
            return math.exp(math.log(y0) + part * math.log(y1 / y0))
    return None


def compared_rows(reports: Sequence[Report]) -> list[ComparedRow]:
    """Return reports of one trace, each of another seed, as the rows that every benchmark has.

    A row is a rival: its looks over ours at its own delay, and that ratio's goal is what it would be if the durations
    were known, with 3 % of the gain given away. Each is the median over the seeds.
    """
    rows: list[ComparedRow] = []
    for at, first in enumerate(reports[0].rivals):
        found = [report.rivals[at] for report in reports]
        gains = [row.fewer_looks_at_same_delay for row in found if row.fewer_looks_at_same_delay]
        known = [row.fewer_looks_if_known for row in found if row.fewer_looks_if_known]
        soon = [row.fewer_looks_if_soon_known for row in found if row.fewer_looks_if_soon_known]
        if not gains or not known or not soon:
            continue
        gain, if_known, theirs = median(gains), median(known), median(row.looks for row in found)
        rows.append(
            ComparedRow(
                what=f"looks a job at the delay of {first.name}",
                ours=theirs / gain,
                rival=theirs,
                rival_name=first.name,
                ratio=1.0 / gain,
                goal=1.0 / (SHARE * if_known),
                share=gain / if_known,
                bound=median(soon) / if_known,
            )
        )
    return rows


def as_table(rows: Sequence[ComparedRow]) -> str:
    """Return rows as a table for people, with the shares: the last is which part ours is of the bound."""
    shares = [f"{row.rival_name:46s}{row.share:10.3f}{row.bound:10.3f}{row.share / row.bound:10.3f}" for row in rows]
    head = f"{'share of the gain if known':46s}{'ours':>10s}{'bound':>10s}{'of it':>10s}"
    return "\n".join([table(rows), "", head, *shares])


def as_text(report: Report) -> str:
    """Return a report as text."""
    usual = report.at_default
    lines = [
        f"{report.jobs} jobs of {report.types} types ({report.trace}), seed {report.seed}",
        f"at the default price of {report.poll_cost:g} s: {usual.looks:.1f} looks, {usual.delay:.2f} s of delay a job",
        "",
        (
            f"{'rival':46s}{'kind':>8s}{'looks':>9s}{'delay':>8s}{'fewer looks':>13s}{'if known':>10s}{'soon':>8s}"
            f"{'less delay':>12s}"
        ),
    ]
    for row in report.rivals:
        times = (
            row.fewer_looks_at_same_delay,
            row.fewer_looks_if_known,
            row.fewer_looks_if_soon_known,
            row.less_delay_at_same_looks,
        )
        fewer, if_known, soon, less = (f"{figure:.2f}x" if figure else "-" for figure in times)
        measured = f"{row.looks:9.1f}{row.delay:7.2f}s"
        lines.append(f"{row.name:46s}{row.kind:>8s}{measured}{fewer:>13s}{if_known:>10s}{soon:>8s}{less:>12s}")
    ratio, wrong = report.clairvoyant.cost_ratio, report.wrong_history
    compared = f"{ratio:.2f}x ({report.clairvoyant.jobs} jobs)" if ratio else "no type has enough jobs"
    long, short = f"{wrong.ten_times_too_long:.2f}x", f"{wrong.ten_times_too_short:.2f}x"
    lines += [
        "",
        f"cost against the clairvoyant's, after {LEARNED} jobs of a type: {compared}",
        f"cost with a wrong history, against none: {long} if it is ten times too long, {short} if too short",
    ]
    return "\n".join(lines)
