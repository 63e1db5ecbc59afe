"""A summary of jobs in Markdown, for ``GITHUB_STEP_SUMMARY`` and whatever else shows GitHub's dialect. Pure.

Texts of a server stand in ``<code>``, with what Markdown or HTML would obey written as character references: these mean
the character and never the structure (CommonMark 0.31.2, 2.5), where in a cell of a table a backslash would not do.
Within ``<code>`` GitHub makes no mention of ``@name`` and no link of ``#12``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._models import Outcome
from .._models.shortened import shortened
from .mermaid import MOST_CHARACTERS, gantt
from .model import Report, ReportedJob
from .words import duration, headline, kept, late, one_line, outcome, progress, reason

MOST_BYTES = 1024 * 1024
"""How large a summary of one step may be. Source: GitHub's docs, "Workflow commands", November 2026."""

MOST_ROWS = 500
_ERROR = 200
_ID = 80
_HEADINGS = ("", "job", "outcome", "status", "ran", "known", "looks", "why")
_STEERS = re.compile(r"[^A-Za-z0-9 .,()+=/_:…-]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=/)")
_WEB = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)

_SIGNS = {
    Outcome.SUCCEEDED: "✅",
    Outcome.PARTIAL: "⚠️",
    Outcome.FINISHED: "❔",
    Outcome.FAILED: "❌",
    Outcome.CANCELLED: "🚫",
    Outcome.BLOCKED: "✋",
    Outcome.TIMEOUT: "⏳",
    Outcome.NOT_FOUND: "❔",
    Outcome.AUTH: "🔒",
    Outcome.UNREACHABLE: "📡",
    Outcome.UNREADABLE: "📡",
    Outcome.INTERRUPTED: "✂️",
}


def summary(report: Report, room: int = MOST_BYTES) -> str:
    """Return a report in Markdown; what there is no room for is left out, and it says so.

    Args:
        report: The jobs.
        room: How many bytes it may have as UTF-8. If that is too few for anything, the summary is empty.
    """
    rows, most = min(len(report.jobs), MOST_ROWS), MOST_CHARACTERS
    while True:
        text = _text(report, rows, most)
        if len(text.encode()) <= room:
            return text
        if most:
            most = 0  # the chart goes first: the table says more
        elif rows:
            rows //= 2
        else:
            return ""


def _text(report: Report, rows: int, most: int) -> str:
    shown = kept(report.jobs, rows)
    parts = [f"### {_escaped(headline(report))}", _table(shown) if shown else "", *_remarks(report, shown)]
    if chart := gantt(report, most) if most else None:
        parts += [f"```mermaid\n{chart.text}```" if chart.text else "", f"_{chart.remark}_" if chart.remark else ""]
    elif report.span is not None:
        parts.append("_There was no room for the chart of the states._")
    return "\n\n".join(filter(None, parts)) + "\n"


def _remarks(report: Report, shown: Sequence[ReportedJob]) -> list[str]:
    left_out = len(report.jobs) - len(shown)
    said = [f"{left_out} of {len(report.jobs)} jobs are left out of the table."] if left_out else []
    return [*[f"_{text}_" for text in said], *[f"_{_escaped(remark)}_" for remark in report.remarks]]


def _table(jobs: Sequence[ReportedJob]) -> str:
    rule = ["---"] * len(_HEADINGS)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (_HEADINGS, rule, *map(_row, jobs)))


def _row(job: ReportedJob) -> tuple[str, ...]:
    name = code(shortened(one_line(job.job_id), _ID))
    url = web_address(job.url)
    why = reason(job)
    return (
        "▶️" if job.outcome is None else _SIGNS[job.outcome],
        f'<a href="{url}">{name}</a>' if url else name,
        outcome(job),
        "–" if job.status is None else f"{code(shortened(one_line(job.status), _ID))} {progress(job)}".rstrip(),  # noqa: RUF001
        "" if job.ran is None else duration(job.ran),
        late(job) or "",
        "" if job.looks is None else str(job.looks),
        "" if not why else code(shortened(one_line(why), _ERROR)),
    )


def code(text: str) -> str:
    """Return a text as code in a line of Markdown, for what it is and nothing else."""
    return f"<code>{_escaped(text)}</code>" if text else ""


def web_address(url: str | None) -> str | None:
    """Return a page's address as the value of an attribute; None where it is none that a browser should open."""
    if url is None or not _WEB.fullmatch(one_line(url)):
        return None
    return _escaped(one_line(url))


def _escaped(text: str) -> str:
    return _STEERS.sub(lambda found: found[0] if found[0] > "\x7f" else f"&#{ord(found[0])};", text)
