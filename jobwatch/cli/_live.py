"""A live table for terminals. The only module that imports rich."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from .._models import Fault, Outcome, Phase, Transition, need
from ._endings import count, time_of_day
from ._output import brief, echo, without_secrets
from ._render import OutcomeRecord, fault_notice, human_duration, output_line, percent, safe
from ._standing import Standing
from ._tail import Line

_PHASES = {
    Phase.PENDING: "yellow",
    Phase.RUNNING: "cyan",
    Phase.BLOCKED: "bright_yellow",
    Phase.SUCCEEDED: "green",
    Phase.PARTIAL: "red",
    Phase.FINISHED: "blue",
    Phase.FAILED: "red",
    Phase.CANCELLED: "magenta",
    Phase.UNKNOWN: "dim",
}
_ENDS = {
    Outcome.SUCCEEDED: ("✔", "green"),
    Outcome.PARTIAL: ("✘", "red"),
    Outcome.FINISHED: ("●", "blue"),
    Outcome.FAILED: ("✘", "red"),
    Outcome.CANCELLED: ("■", "magenta"),
    Outcome.BLOCKED: ("?", "bright_yellow"),
    Outcome.INTERRUPTED: ("■", "yellow"),
}
_FRAME = 5
"""The lines of the screen that are not rows: heading, column names, how many are hidden, legend, cursor."""

_ARROW = Text.assemble((" → ", "dim"))
_UNREAD = ("?", "yellow")  # every other outcome: how the job is doing is not known


class _Row:
    """What the table knows of one job."""

    def __init__(self) -> None:
        self.states: list[Transition] = []
        self.fault: Fault | None = None
        self.end: OutcomeRecord | None = None
        self.standing = Standing()
        self.spinner = Spinner("dots", style="cyan")


class LiveTable:
    """A row for each job, redrawn in place while jobs run, and left standing at the end."""

    tick = 0.1

    def __init__(self, job_ids: Sequence[str], title: str, console: Console | None = None) -> None:
        self._title = _safe(title)
        self._rows = {job_id: _Row() for job_id in job_ids}
        self._began = time.monotonic()
        self._live = Live(
            self,
            console=console or Console(),
            auto_refresh=False,
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
            vertical_overflow="ellipsis",
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and leave the last drawing on the screen."""
        self._live.stop()

    def transition(self, transition: Transition) -> None:
        """Add a state to the job's row."""
        self._rows[transition.job_id].states.append(transition)

    def outcome(self, record: OutcomeRecord) -> None:
        """Mark the job's row with its end."""
        self._rows[record.job_id].end = record

    def fault(self, job_id: str, fault: Fault | None) -> None:
        """Show it in the job's row until looks work again."""
        self._rows[job_id].fault = fault

    def output(self, job_id: str, name: str, line: Line) -> None:
        """Print it on stderr; where that is the terminal too, it appears above the table."""
        echo(output_line(job_id, name, line))

    def link(self, job_id: str, url: str) -> None:
        """Print it on stderr, above the table."""
        echo(f"see {_safe(url)} of {_safe(job_id)}")

    def waiting(self, line: str) -> None:
        """Do nothing: the table shows it."""

    def progress_before(self, job_id: str, progress: float) -> None:
        """Do nothing, as for `progress`."""

    def progress(self, job_id: str, progress: float, seen_at: datetime) -> None:
        """Do nothing: it is drawn with the rest of how the job stands."""

    def refresh(self, standing: Mapping[str, Standing]) -> None:
        """Draw the table anew."""
        for job_id, each in standing.items():
            self._rows[job_id].standing = each
        self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what rich is to draw now."""
        yield self._heading()
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("", width=1)
        table.add_column("Job", overflow="fold")
        table.add_column("States (UTC)", overflow="fold")
        table.add_column("Ran", justify="right", no_wrap=True)
        table.add_column("Known", justify="right", no_wrap=True)
        table.add_column("Looks", justify="right", no_wrap=True)
        rows = self._visible(console.height)
        for job_id, row in rows:
            ran, known, looks = _numbers(row)
            table.add_row(_mark(row), Text(_safe(job_id)), _ARROW.join(_states(row)), ran, known, looks)
            if note := _note(row):
                table.add_row("", "", note, "", "", "")
        yield table
        if hidden := len(self._rows) - len(rows):
            yield Text(f"   … and {hidden} more", style="dim")
        if legend := _legend(self._rows.values()):
            yield legend

    def _visible(self, height: int) -> list[tuple[str, _Row]]:
        """Return all rows in their order if they fit; else as many as fit, those still in progress first."""
        rows = list(self._rows.items())
        room = max(1, height - _FRAME)
        # The last drawing, with every row, may scroll: nothing is drawn over it any more.
        if len(rows) <= room or all(row.end is not None for _, row in rows):
            return rows
        return sorted(rows, key=lambda item: item[1].end is not None)[:room]

    def _heading(self) -> Text:
        rows = self._rows.values()
        told = count((row.end for row in rows), sum(map(_is_blocked, rows)))
        taken = human_duration(time.monotonic() - self._began)
        return Text.assemble((self._title, "bold"), (f"  {told}, {taken}", "dim"))


def _is_blocked(row: _Row) -> bool:
    return row.end is None and bool(row.states) and row.states[-1].phase is Phase.BLOCKED


def _mark(row: _Row) -> Spinner | Text:
    if row.end is None:
        return row.spinner
    mark, style = _ENDS.get(row.end.outcome, _UNREAD)
    return Text(mark, style=f"bold {style}")


def _numbers(row: _Row) -> tuple[str, str, str]:
    """Return for how long the job ran, how late its end was known, and how many looks it took."""
    if row.end is None:
        ran = row.standing.ran
        return "" if ran is None else human_duration(ran), "", str(row.standing.looks)
    ran, late = row.end.ran, row.end.known_after
    return (
        "" if ran is None else human_duration(ran),
        "" if late is None else f"+{human_duration(late)}",
        str(row.end.looks),
    )


def _states(row: _Row) -> list[Text]:
    """Return each state with its time: the first as time of day, the others as time since the first."""
    texts: list[Text] = []
    first: datetime | None = None
    for state in row.states:
        at = state.at or state.seen_at
        if first is None:
            when = time_of_day(at, datetime.now(UTC))
            first = at
        else:
            when = f"+{human_duration(max(0.0, (at - first).total_seconds()))}"
        seen = "~" if state.at is None else ""
        gap = "… " if state.gap else ""
        status = (_safe(state.status), f"bold {_PHASES[state.phase]}")
        texts.append(Text.assemble((gap, "dim"), status, (f" {seen}{when}", "dim")))
    progress = row.standing.progress if row.end is None else None
    if texts and progress is not None:
        texts[-1].append(f" {percent(progress)}", "dim")
    return texts


def _legend(rows: Collection[_Row]) -> Text | None:
    states = [state for row in rows for state in row.states]
    notes = [
        "~ when we saw it; the API does not say when it was" if any(state.at is None for state in states) else "",
        "… what lay before is not told" if any(state.gap for state in states) else "",
        "Known: after its end" if any(row.end is not None and row.end.known_after for row in rows) else "",
    ]
    text = "   ".join(filter(None, notes))
    return Text(text, style="dim") if text else None


def _note(row: _Row) -> Text | None:
    if row.end is None:
        if row.fault is not None:
            return Text(without_secrets(fault_notice(row.fault)), style="yellow", no_wrap=True, overflow="ellipsis")
        if _is_blocked(row):
            asked = need(row.states[-1].asked, row.states[-1].url)
            return Text(brief(asked), style=_PHASES[Phase.BLOCKED], overflow="fold")
        return None
    if row.end.reason is None:
        return None
    _, style = _ENDS.get(row.end.outcome, _UNREAD)
    return Text(f"{row.end.outcome.value.replace('_', ' ')}: {brief(row.end.reason)}", style=style)


def _safe(text: str) -> str:
    return without_secrets(safe(text))
