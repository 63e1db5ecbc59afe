"""The picture of `benchmarks.pace`: looks against delay, ours as a line, the rivals as points."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .pace_report import Line, Report

COLOURS = {"fixed": "#b23a48", "linear": "#d98324", "backoff": "#4a5899"}


def draw(report: Report, ours: Line, if_known: Line, path: Path) -> None:
    """Draw looks against delay, both on logarithmic axes.

    Args:
        report: What was measured.
        ours: Our line.
        if_known: The line if the distribution were known.
        path: Where the picture goes; its ending says in which format.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
    """
    import_module("matplotlib").use("Agg")
    plt = import_module("matplotlib.pyplot")  # by name: only a picture needs it, the checkers of the rest do not
    figure, axes = plt.subplots(figsize=(9.0, 5.6), dpi=160)
    left, right = min(row.delay for row in report.rivals) / 1.6, max(row.delay for row in report.rivals) * 2.6
    for line, style, colour, label in (
        (if_known, "--", "#9ab8ac", "if the durations were known"),
        (ours, "-", "#0b6e4f", "jobwatch, learning as it goes"),
    ):
        shown = [point for point in line.points if left <= point.delay <= right]
        axes.plot([p.delay for p in shown], [p.looks for p in shown], style, color=colour, lw=2.4, label=label)
    for kind, colour in COLOURS.items():
        rows = [row for row in report.rivals if row.kind == kind]
        axes.scatter([r.delay for r in rows], [r.looks for r in rows], s=44, color=colour, zorder=3, label=kind)
    for row in report.rivals:
        times = f"  {row.fewer_looks_at_same_delay:.1f}x" if row.fewer_looks_at_same_delay else ""
        name, place = row.name.split()[0] + times, (row.delay, row.looks)
        axes.annotate(name, place, xytext=(7, 4), textcoords="offset points", fontsize=8.5)
    axes.set(xscale="log", yscale="log", xlim=(left, right))
    axes.set_xlabel("mean delay after the job's end, seconds")
    axes.set_ylabel("looks a job")
    jobs = f"{report.jobs:,} jobs of {report.types} types"
    axes.set_title(f"{jobs}: how many times fewer looks at the same delay (lower left is better)", fontsize=11)
    axes.grid(visible=True, which="major", color="#e4e4e4", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
