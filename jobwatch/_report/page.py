"""The timeline as a page that stands alone: the picture, and the same as a table. Nothing is fetched. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from .._models.shortened import shortened
from .model import Report, ReportedJob
from .svg import svg
from .words import about, duration, headline, late, moment, one_line, outcome, progress, reason

MOST_ROWS = 5000
_MOST_STATES = 200
_WHY = 2000
_HEADINGS = ("job", "outcome", "status", "began", "ran", "ended", "known", "looks", "why", "states")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # whatever a server's text became, it could load nothing

_STYLE = """
:root{color-scheme:light dark}
body{margin:1rem auto;max-width:75rem;padding:0 1rem;color:#1f2328;background:#fff}
body{font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.25rem}figure,.table{margin:1rem 0;overflow-x:auto}figure svg{min-width:960px}
table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:600;padding:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #d1d9e0;white-space:nowrap}
.id,.why,.states{white-space:normal;overflow-wrap:anywhere}.id{min-width:12em}.why{min-width:16em}.states{min-width:6em}
.states:has([open]){min-width:24em}td ol{margin:0;padding-left:1.4em}
a{color:#0969da}code,.id{font-family:ui-monospace,monospace;font-size:.92em}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#2f3742}a{color:#4493f8}}
"""


def page(report: Report) -> str:
    """Return the page of a report."""
    jobs = report.jobs[:MOST_ROWS]
    title = escape(headline(report))
    remarks = list(report.remarks)
    if len(jobs) < len(report.jobs):
        remarks.append(f"{len(report.jobs) - len(jobs)} jobs are left out of the table")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{title}</h1>",
        *(f"<p>{escape(one_line(remark))}</p>" for remark in remarks),
        f'<figure tabindex="0" role="region" aria-label="Timeline">{svg(report, heading=False)}</figure>',
        '<div class="table" tabindex="0" role="region" aria-label="Table"><table>',
        "<caption>The jobs; times are in UTC</caption>",
        "<thead><tr>",
        *(f'<th scope="col">{name}</th>' for name in _HEADINGS),
        "</tr></thead><tbody>",
        *map(_row, jobs),
        "</tbody></table></div></main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _row(job: ReportedJob) -> str:
    ended_at = job.ended_at
    cells = [
        escape(f"{outcome(job)} {progress(job)}".rstrip()),
        "" if job.status is None else f"<code>{escape(one_line(job.status))}</code>",
        _clock(job.states[0].began) if job.states else "",
        "" if job.ran is None else duration(job.ran),
        "" if ended_at is None else _clock(ended_at),
        late(job) or "",
        "" if job.looks is None else str(job.looks),
    ]
    why = reason(job)
    told = "" if not why else escape(shortened(one_line(why), _WHY))
    facts = "".join(f"<td>{cell}</td>" for cell in cells)
    states = "".join(_states(job))
    head = f'<tr><th scope="row" class="id">{_linked(job)}</th>'
    return f'{head}{facts}<td class="why">{told}</td><td class="states">{states}</td></tr>'


def _clock(at: float) -> str:
    return moment(at).replace("T", " ").removesuffix("Z")


def _linked(job: ReportedJob) -> str:
    name, url = escape(one_line(job.job_id)), one_line(job.url or "")
    if not url.lower().startswith(("https://", "http://")):
        return name
    return f'<a href="{escape(url)}" rel="noreferrer noopener nofollow">{name}</a>'


def _states(job: ReportedJob) -> Iterator[str]:
    if not job.states:
        return
    first = max(0, len(job.states) - _MOST_STATES)
    yield f"<details><summary>{len(job.states)}</summary><ol start={first + 1}>"
    for state in job.states[first:]:
        yield f"<li>{escape(about(state, job))}</li>"
    yield "</ol></details>"
