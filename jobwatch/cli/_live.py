"""A live table for terminals. The only module that draws with rich."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import TracebackType
from typing import Self

from msgspec.structs import replace
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment
from rich.style import Style

from .._models import Fault, Transition
from ._bars import ASCII, UNICODE
from ._frame import Line as FrameLine
from ._frame import Scene, Screen, frame
from ._output import brief, echo, without_secrets
from ._overwrite import Changes, from_the_end
from ._render import OutcomeRecord, fault_notice, output_line, safe
from ._resize import Size, wiping
from ._rows import Row, width_of
from ._standing import Standing
from ._tail import Line

_style = lru_cache(Style.parse)

_WHOLE_EVERY = 2.0
"""After how many seconds all is drawn again, in which another process may have written to the terminal, or taken it."""


class Frame:
    """Lines as rich takes them, with nothing behind their ends: what is not drawn is not wrapped on a resize."""

    def __init__(self, lines: Sequence[FrameLine]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # All at once: to look for secrets takes longer for many texts than for one. No secret holds a NUL.
        texts = iter(without_secrets("\0".join(text for line in self.lines for text, _ in line)).split("\0"))
        for line in self.lines:
            for _, style in line:
                yield Segment(next(texts), _style(style) if style else None)
            yield Segment.line()


class LiveTable:
    """A row for each job, redrawn in place while jobs run; at the end a summary and what did not succeed."""

    tick = 0.2

    def __init__(self, job_ids: Sequence[str], title: str, console: Console | None = None) -> None:
        self._began = time.monotonic()
        self._is_last = False
        self._console = console or Console(highlight=False)
        # rich draws all lines each time; where the terminal takes codes, those that have changed are enough.
        self._is_overwritten = self._console.is_terminal and not (
            self._console.is_dumb_terminal or self._console.legacy_windows
        )
        self._is_ascii = not draws_unicode(self._console.encoding, os.environ)
        self._title = self._clean(title)
        self._rows = {job_id: Row(self._clean(job_id)) for job_id in job_ids}
        self._drawn = Frame(())
        self._changes = Changes(self._console)
        self._whole_at = 0.0
        self._size: Size = _size_of(self._console)
        self._pushed_off: tuple[int, ...] = ()
        self._live = Live(
            self._drawn,
            console=self._console,
            auto_refresh=False,
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._live.start()
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and leave a last drawing on the screen."""
        self._is_last = True
        self._draw(at_once=False)
        self._live.stop()

    def transition(self, transition: Transition) -> None:
        """Add a state to the job's row."""
        states = self._rows[transition.job_id].states
        asked, url = self._cleaned(transition.asked), self._cleaned(transition.url)
        states.append(replace(transition, status=self._clean(transition.status), asked=asked, url=url))

    def outcome(self, record: OutcomeRecord) -> None:
        """Mark the job's row with its end."""
        row = self._rows[record.job_id]
        row.end_at = time.time()
        row.end = replace(
            record,
            status=self._cleaned(record.status),
            error=self._cleaned(record.error),
            asked=self._cleaned(record.asked),
            url=self._cleaned(record.url),
        )

    def fault(self, job_id: str, fault: Fault | None) -> None:
        """Show it in the job's row until looks work again."""
        self._rows[job_id].trouble = "" if fault is None else self._clean(fault_notice(fault))

    def output(self, job_id: str, name: str, line: Line) -> None:
        """Print it on stderr; where that is the terminal too, it appears above the table."""
        echo(output_line(job_id, name, line))

    def link(self, job_id: str, url: str) -> None:
        """Print it on stderr, above the table."""
        echo(f"see {safe(url)} of {safe(job_id)}")

    def waiting(self, line: str) -> None:
        """Do nothing: the table shows it."""

    def progress_before(self, job_id: str, progress: float) -> None:
        """Do nothing, as for `progress`."""

    def progress(self, job_id: str, progress: float, seen_at: datetime) -> None:
        """Do nothing: it is drawn with the rest of how the job stands."""

    def refresh(self, standing: Mapping[str, Standing]) -> None:
        """Draw the table anew, if anything of it has changed."""
        for job_id, each in standing.items():
            if self._rows[job_id].end is None:
                self._rows[job_id].standing = each
        self._draw()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what would be drawn now on some console."""
        yield Frame(self._lines(options.max_width, console.height))

    def _draw(self, *, at_once: bool = True) -> None:
        size = _size_of(self._console)
        lines = self._lines(size.width, size.height - 1)  # the cursor's line is free, so that nothing scrolls by itself
        if size == self._size and lines == self._drawn.lines:
            return
        now = time.monotonic()
        # rich keeps the one frame that it was given, and draws what that holds whenever something is printed above it.
        before, self._drawn.lines = self._drawn.lines, lines
        is_whole = not (self._is_overwritten and size == self._size and len(before) == len(lines))
        if at_once and not is_whole and now - self._whole_at < _WHOLE_EVERY:
            self._console.file.write(from_the_end(list(self._changes.between(before, lines)), len(lines)))
            self._console.file.flush()
            return
        if size != self._size:
            self._wipe_off(size, before)
        self._size, self._whole_at = size, now
        if at_once:
            self._live.refresh()

    def _wipe_off(self, size: Size, lines: Sequence[FrameLine]) -> None:
        """Empty all lines of the last drawing, and go to where rich takes its end to be: it will go up from there."""
        drawn = [sum(width_of(text) for text, _ in line) for line in lines]
        off = wiping(drawn, self._pushed_off, self._size, size)
        self._pushed_off = off.pushed_off
        each = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
        down = [(ControlType.CURSOR_DOWN, len(drawn) - 1)] if len(drawn) > 1 else []
        self._console.control(Control((ControlType.ERASE_IN_LINE, 2), *each * off.up, *down))

    def _lines(self, width: int, height: int) -> list[FrameLine]:
        now, taken = time.time(), time.monotonic() - self._began
        scene = Scene(self._title, list(self._rows.values()), taken, now, self._is_last)
        glyphs = ASCII if self._is_ascii else UNICODE
        return frame(scene, Screen(width, max(1, height), glyphs))

    def _clean(self, text: str) -> str:
        """Return a text as it may be drawn. Before it is laid out: a secret on two lines could not be masked."""
        text = brief(text)
        return text.encode("ascii", "backslashreplace").decode() if self._is_ascii else text

    def _cleaned(self, text: str | None) -> str | None:
        return None if text is None else self._clean(text)


def _size_of(console: Console) -> Size:
    width, height = console.size
    return Size(width, height)


def draws_unicode(encoding: str, variables: Mapping[str, str]) -> bool:
    """Return whether a terminal draws more than ASCII, as far as its stream and the locale tell.

    Python writes UTF-8 in the C locale too (PEP 540); somebody who has asked for that locale wants ASCII.
    """
    asked = next(filter(None, map(variables.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    return encoding.casefold().replace("-", "") == "utf8" and asked not in {"C", "POSIX"}
