"""What is said of an error that nobody foresaw."""

from __future__ import annotations

import traceback

from ._exit_codes import OWN_FAULT
from ._output import note
from ._text import safe


def told(error: Exception, *, debug: bool) -> int:
    """Tell of it in one line, with ``debug`` also of where it came from, and return the exit code."""
    if debug:
        for line in traceback.format_exception(error):
            for part in line.rstrip().splitlines():
                note(safe(part))
    hint = "" if debug else " (--debug shows where)"
    note(f"error: {safe(f'{type(error).__name__}: {error}')}{hint}; this is a fault of jobwatch's own")
    return OWN_FAULT
