"""What is new in a job's output, from snapshots of it. Pure.

1. An API tells what the last attempt has written so far. What is new is what comes after what was there.
2. A server that keeps only the end of it goes on where the two overlap; nothing is missing then.
3. Where neither holds, or the attempt is another, all of it is new, after a remark that says so.
4. Only whole lines come out. What stands after the last line end comes with the rest of its line, or at the end.
"""

from __future__ import annotations

import re

from msgspec import Struct

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")
_NEEDLE = 32
"""How much has to overlap, in characters, to be taken for the same place."""

_TRIES = 1000


class Line(Struct, frozen=True):
    """One line, of the output or, as a remark, about it."""

    text: str
    is_remark: bool = False


class Tail:
    """One output of one job, as far as it has come out."""

    def __init__(self) -> None:
        self._shown = ""
        self._attempt: int | None = None
        self._rest = ""

    def grown(self, text: str | None, attempt: int | None) -> list[Line]:
        """Return the lines that a snapshot adds.

        Args:
            text: The snapshot; None or nothing where the API tells none, which says nothing of what was there.
            attempt: Which attempt the job is at, where the API counts.
        """
        if not text or text == self._shown:
            return []
        kept = overlap(self._shown, text) if attempt == self._attempt or not self._shown else None
        lines: list[Line] = []
        if kept is None:
            lines = self.rest()
            again = "starts anew" if attempt in (None, self._attempt) else f"attempt {attempt}"
            lines.append(Line(f"{again}; what the one before wrote last may be missing", is_remark=True))
        self._shown, self._attempt = text, attempt
        *whole, self._rest = _LINE_END.split(self._rest + text[kept or 0 :])
        return lines + [Line(line) for line in whole]

    def rest(self) -> list[Line]:
        """Return what stands after the last line end, which nothing will be added to."""
        rest, self._rest = self._rest.removesuffix("\r"), ""
        return [Line(rest)] if rest else []


def overlap(before: str, after: str) -> int | None:
    """Return how much of a text was there before: as much as it begins with of the other's end; None if too little."""
    if after.startswith(before):
        return len(before)
    needle = before[-_NEEDLE:]
    end = len(after)
    for _ in range(_TRIES):
        at = after.rfind(needle, 0, end)
        if at < 0:
            break
        if before.endswith(after[: at + _NEEDLE]):
            return at + _NEEDLE
        end = at + _NEEDLE - 1
    return None
