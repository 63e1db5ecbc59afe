"""How long jobs of each kind took, and when jobwatch looks at them, drawn by matplotlib."""

# pyright: reportUnknownMemberType=false
# matplotlib's own types say of some arguments that they may be anything.

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .._models.shortened import shortened
from .stats import KindPicture
from .words import duration, one_line

MOST_KINDS = 40
_LEAST = 0.05
_MARKS = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0)


def picture(kinds: Sequence[KindPicture]) -> str:
    """Return a picture of kinds of job as SVG, one row a kind: the `MOST_KINDS` of which most jobs are known.

    The axis is logarithmic. A dot is a job, the thick line reaches from one tenth of the jobs to nine, and the marks
    below are the looks.
    """
    shown = _shown(kinds)
    # Texts stay texts, and the same history gives the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "jobwatch", "font.size": 9}):
        figure = Figure(figsize=(9.0, 1.4 + 0.55 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        for row, kind in enumerate(shown):
            seconds = [max(_LEAST, each) for each in kind.seconds]
            low, high = seconds[len(seconds) // 10], max(_LEAST, kind.stats.most)
            axes.plot([low, high], [row, row], color="#0969da", linewidth=6, alpha=0.25, solid_capstyle="butt")
            axes.plot(seconds, [row] * len(seconds), "o", color="#0969da", markersize=4, alpha=0.6, linewidth=0)
            axes.plot([max(_LEAST, kind.stats.median)], [row], "|", color="#1f2328", markersize=16, markeredgewidth=2)
            looks = [at for at in kind.looks_at if at >= _LEAST]
            axes.plot(looks, [row + 0.3] * len(looks), "|", color="#8250df", markersize=6, alpha=0.8, linewidth=0)
        axes.set_yticks(range(len(shown)), [_name(kind) for kind in shown], parse_math=False)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_MARKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(_mark))
        axes.grid(axis="x", color="#d1d9e0", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_title("How long jobs took (dots, median |), and when jobwatch looks (marks below)", loc="left")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": "jobwatch"})
    return written.getvalue()


def _mark(at: float, _place: int | None = None) -> str:
    return duration(at)


def _shown(kinds: Sequence[KindPicture]) -> list[KindPicture]:
    most = sorted(range(len(kinds)), key=lambda index: (-kinds[index].stats.jobs, index))[:MOST_KINDS]
    return [kinds[index] for index in sorted(most)]


def _name(kind: KindPicture) -> str:
    stats = kind.stats
    job_type = {"*": "all types", "": "–"}.get(stats.type) or shortened(one_line(stats.type), 30)  # noqa: RUF001
    late = f"{stats.looks:.0f} looks, known {duration(stats.late)} later"
    return f"{one_line(stats.api)} {job_type}, from {stats.phase.value}\n{late}"
