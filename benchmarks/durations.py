"""How long real jobs take: the built-in distributions, and traces to draw from them.

The figures are those of 40 types of image-generation jobs, each with at least 100 jobs, in Alibaba's
cluster-trace-v2026-GenAI (https://github.com/alibaba/clusterdata): per type the number of jobs, the mean and the
standard deviation of log(seconds), and nine quantiles in seconds. A type is task/model/images/steps.
"""

from __future__ import annotations

import csv
import math
import random
from bisect import bisect_right
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LEVELS = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
"""The levels of the quantiles."""


class Kind(NamedTuple):
    """What is known of the durations of one type of job."""

    name: str
    jobs: int
    log_mean: float
    log_sd: float
    quantiles: tuple[float, ...]


class Finished(NamedTuple):
    """One finished job: its type, and how many seconds it took."""

    type: str
    seconds: float


class TraceError(ValueError):
    """A trace file that cannot be used; the message names the line."""


def drawn(jobs: int, seed: int) -> list[Finished]:
    """Draw a trace from the built-in distributions, the types in proportion to their jobs.

    Args:
        jobs: How many jobs to draw.
        seed: The same seed gives the same trace.

    Returns:
        The jobs, in the order in which they are waited for.
    """
    rng = random.Random(f"trace {seed}")
    kinds = rng.choices(IMAGE_JOBS, weights=[kind.jobs for kind in IMAGE_JOBS], k=jobs)
    return [Finished(kind.name, duration(kind, rng.random())) for kind in kinds]


def duration(kind: Kind, level: float) -> float:
    """Return a quantile of a type: between the known ones in log time, and as a normal curve beyond them.

    Args:
        kind: The type of job.
        level: Which quantile, between 0 and 1.

    Returns:
        Seconds.
    """
    logs = [math.log(seconds) for seconds in kind.quantiles]
    right = bisect_right(LEVELS, level)
    if right == 0:
        return math.exp(logs[0] + kind.log_sd * _beyond(LEVELS[0], level))
    if right == len(LEVELS):
        return math.exp(logs[-1] + kind.log_sd * _beyond(LEVELS[-1], level))
    part = (level - LEVELS[right - 1]) / (LEVELS[right] - LEVELS[right - 1])
    return math.exp(logs[right - 1] + part * (logs[right] - logs[right - 1]))


def _beyond(known: float, level: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(min(max(level, 1e-4), 1.0 - 1e-4)) - normal.inv_cdf(known)


def read(path: Path, seed: int) -> list[Finished]:
    """Read a trace: CSV with the header ``type,seconds``, one finished job a row, in order.

    A trace in whole seconds was rounded by whoever wrote it, and a policy that looks on whole seconds would find no
    delay at all in it: each duration is spread over the second it was rounded from.

    Args:
        path: The file; columns other than the two are ignored.
        seed: The same seed spreads rounded durations the same way.

    Returns:
        The jobs, in order.

    Raises:
        TraceError: If a column is missing, a figure is not a number above or equal to 0, or there is no job.
        OSError: If the file cannot be read.
    """
    trace: list[Finished] = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        try:
            missing = [name for name in ("type", "seconds") if name not in (rows.fieldnames or ())]
            if missing:
                raise TraceError(f"{path}:1: no column {' and no column '.join(missing)}; the header is type,seconds")
            trace.extend(_finished(row, f"{path}:{rows.line_num}") for row in rows)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TraceError(f"{path}:{rows.line_num + 1}: {error}") from None
    if not trace:
        raise TraceError(f"{path}:2: no jobs")
    return _unrounded(trace, seed)


def _finished(row: dict[str, str | None], where: str) -> Finished:
    kind, told = row["type"], row["seconds"] or ""
    try:
        seconds = float(told)
    except ValueError:
        raise TraceError(f"{where}: seconds is {told!r}, which is not a number") from None
    if not (math.isfinite(seconds) and seconds >= 0.0):
        raise TraceError(f"{where}: seconds is {told!r}; it must be finite and not negative")
    if not kind:
        raise TraceError(f"{where}: type is empty")
    return Finished(kind, seconds)


def _unrounded(trace: Sequence[Finished], seed: int) -> list[Finished]:
    if any(not job.seconds.is_integer() for job in trace):
        return list(trace)
    rng = random.Random(f"rounding {seed}")
    return [Finished(job.type, max(0.0, job.seconds + rng.random() - 0.5)) for job in trace]


IMAGE_JOBS = (
    Kind("txt_2_img/M0002/n1/s30", 5476, 2.8226, 0.3415, (8.0, 10.0, 11.0, 14.0, 17.0, 21.0, 26.0, 29.0, 37.2)),
    Kind("txt_2_img/M0004/n1/s30", 1593, 2.9889, 0.3377, (8.0, 11.0, 13.0, 16.0, 20.0, 25.0, 29.0, 32.0, 43.1)),
    Kind("txt_2_img/M0010/n1/s30", 1109, 2.8941, 0.3257, (8.0, 10.0, 12.0, 15.0, 18.0, 23.0, 27.2, 29.6, 35.0)),
    Kind("txt_2_img/M0002/n4/s30", 1065, 3.0181, 0.3035, (10.0, 12.0, 14.0, 17.0, 21.0, 25.0, 30.0, 33.0, 39.0)),
    Kind("txt_2_img/M0002/n8/s30", 1001, 3.0839, 0.3218, (10.0, 13.0, 15.0, 18.0, 22.0, 27.0, 32.0, 35.0, 48.0)),
    Kind("txt_2_img/M0003/n4/s30", 883, 4.223, 0.4532, (18.0, 32.1, 39.2, 52.0, 71.0, 95.0, 114.0, 122.0, 140.2)),
    Kind("txt_2_img/M0001/n1/s30", 827, 3.2227, 0.6264, (8.0, 9.0, 10.0, 14.0, 29.0, 44.0, 52.4, 57.0, 69.0)),
    Kind("txt_2_img/M0000/n1/s30", 670, 3.0547, 0.2979, (10.0, 13.0, 15.0, 17.0, 22.0, 26.0, 30.0, 33.0, 41.0)),
    Kind("txt_2_img/M0002/n2/s30", 632, 2.9327, 0.3165, (9.0, 11.0, 13.0, 15.0, 19.0, 23.0, 27.0, 30.0, 39.0)),
    Kind("txt_2_img/M0001/n1/s40", 568, 3.6613, 0.1982, (24.0, 30.0, 32.0, 35.0, 38.0, 43.0, 48.3, 54.0, 63.0)),
    Kind("txt_2_img/M0001/n8/s30", 500, 3.8274, 0.3797, (20.9, 27.0, 29.0, 34.0, 48.0, 60.2, 72.1, 80.0, 92.0)),
    Kind("txt_2_img/M0016/n1/s30", 497, 3.0065, 0.3427, (9.0, 12.0, 13.0, 16.0, 21.0, 25.0, 30.0, 33.0, 55.0)),
    Kind("txt_2_img/M0003/n1/s30", 486, 3.9239, 0.5631, (5.9, 16.0, 29.0, 40.0, 58.0, 73.8, 84.0, 90.8, 103.9)),
    Kind("txt_2_img/M0001/n4/s30", 461, 3.798, 0.3355, (20.6, 28.0, 31.0, 35.0, 44.0, 55.0, 69.0, 77.0, 88.4)),
    Kind("img_2_img/M0004/n1/s30", 448, 2.9774, 0.4635, (8.0, 10.0, 11.0, 14.0, 19.0, 27.0, 35.3, 44.0, 60.1)),
    Kind("txt_2_img/M0011/n1/s30", 433, 3.6042, 0.3019, (13.0, 20.0, 26.2, 33.0, 38.0, 44.0, 49.0, 53.4, 64.7)),
    Kind("txt_2_img/M0006/n1/s30", 409, 2.9934, 0.2878, (9.0, 12.0, 14.0, 17.0, 20.0, 24.0, 28.0, 30.0, 38.8)),
    Kind("txt_2_img/M0026/n4/s30", 387, 3.0137, 0.3155, (8.9, 11.3, 14.0, 17.0, 21.0, 26.0, 30.0, 32.0, 37.0)),
    Kind("txt_2_img/M0014/n1/s30", 370, 3.0244, 0.2969, (9.7, 13.0, 14.0, 17.0, 21.0, 25.0, 29.0, 33.0, 42.6)),
    Kind("txt_2_img/M0003/n8/s30", 356, 4.3125, 0.3298, (34.6, 44.0, 49.0, 62.0, 76.0, 87.0, 109.0, 126.2, 169.9)),
    Kind("txt_2_img/M0001/n4/s40", 323, 3.7512, 0.2521, (21.2, 29.0, 32.0, 38.0, 43.0, 50.0, 56.8, 61.9, 69.1)),
    Kind("txt_2_img/M0010/n2/s30", 261, 3.0384, 0.3301, (10.0, 13.0, 15.0, 17.0, 21.0, 25.0, 30.0, 36.0, 55.8)),
    Kind("txt_2_img/M0026/n1/s30", 252, 2.9332, 0.323, (11.0, 11.0, 12.0, 14.0, 19.0, 24.0, 28.0, 31.0, 37.5)),
    Kind("txt_2_img/M0010/n8/s30", 226, 3.2055, 0.2829, (14.2, 16.0, 18.0, 21.0, 24.0, 29.0, 33.0, 37.8, 65.2)),
    Kind("img_2_img/M0001/n8/s30", 221, 3.8477, 0.6085, (15.0, 18.0, 21.0, 29.0, 44.0, 80.0, 99.0, 106.0, 122.6)),
    Kind("txt_2_img/M0010/n4/s30", 206, 3.1514, 0.3121, (11.0, 15.0, 16.0, 20.0, 23.0, 27.0, 32.5, 35.8, 62.9)),
    Kind("txt_2_img/M0001/n8/s40", 191, 3.8415, 0.2336, (28.6, 33.5, 36.0, 40.0, 47.0, 54.0, 59.0, 63.0, 103.5)),
    Kind("txt_2_img/M0000/n4/s30", 191, 3.2338, 0.2653, (12.0, 16.5, 18.0, 22.0, 26.0, 29.0, 34.0, 36.0, 51.4)),
    Kind("txt_2_img/M0026/n8/s30", 188, 3.0915, 0.2258, (12.0, 15.0, 17.7, 19.0, 21.0, 25.2, 30.0, 32.7, 37.1)),
    Kind("txt_2_img/M0000/n2/s30", 150, 3.1412, 0.2583, (12.5, 14.4, 15.9, 19.2, 24.0, 27.8, 32.0, 34.5, 38.5)),
    Kind("img_2_img/M0001/n1/s30", 148, 3.2641, 0.5631, (9.5, 12.4, 14.0, 17.0, 26.0, 37.0, 52.0, 67.6, 103.6)),
    Kind("txt_2_img/M0011/n4/s30", 142, 3.7819, 0.191, (29.4, 33.0, 36.0, 39.0, 43.5, 49.0, 54.0, 59.9, 71.6)),
    Kind("txt_2_img/M0001/n2/s30", 137, 3.6068, 0.4831, (10.1, 17.8, 21.0, 27.0, 37.0, 52.0, 69.0, 74.2, 83.3)),
    Kind("txt_2_img/M0003/n2/s30", 132, 4.3413, 0.2319, (45.3, 53.1, 59.0, 65.8, 76.5, 88.0, 102.9, 112.0, 135.4)),
    Kind("txt_2_img/M0001/n2/s40", 121, 3.7422, 0.1978, (24.6, 30.0, 33.0, 37.0, 42.0, 48.0, 55.0, 58.0, 60.0)),
    Kind("img_2_img/M0001/n4/s30", 117, 3.6969, 0.6505, (15.6, 22.8, 25.0, 27.0, 34.0, 45.0, 78.4, 232.8, 374.6)),
    Kind("txt_2_img/M0006/n4/s30", 116, 3.1538, 0.2794, (11.0, 13.0, 16.5, 21.0, 24.0, 27.0, 33.0, 35.2, 41.5)),
    Kind("txt_2_img/M0011/n8/s30", 107, 3.812, 0.2515, (26.1, 32.3, 35.2, 39.5, 44.0, 51.0, 57.4, 65.0, 118.8)),
    Kind("txt_2_img/M0004/n8/s30", 105, 3.3037, 0.4404, (8.2, 13.2, 16.0, 22.0, 27.0, 34.0, 48.6, 52.8, 83.9)),
    Kind("txt_2_img/M0014/n4/s30", 100, 3.2757, 0.2418, (16.0, 17.0, 19.9, 23.0, 27.0, 31.0, 36.0, 38.0, 43.2)),
)
"""The 40 types, the commonest first."""
