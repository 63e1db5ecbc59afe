"""What is new in a job's output, from snapshots of it. Pure.

1. A snapshot is what the last attempt has written so far. New is what follows the text of the snapshot before.
2. Some servers keep only the end of an output. Then the new text begins where the two snapshots overlap.
3. Where they do not overlap, or the attempt is another one, all of it is new, after a remark that says so.
4. Only whole lines are returned. What follows the last line end is returned with the rest of its line, or at the end.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from .._reading.patterns import pattern

_LINE_END = pattern(r"\r\n|\n|\r(?!\Z)")
_NEEDLE = 32
"""How many characters have to overlap to be taken for the same place in the output."""

_TRIES = 1000
"""How many places are compared at most: a text of one repeated character matches almost everywhere."""


_LONGEST = 500
"""How many characters of a line are shown after a failure; `Tail` shows all."""


class Line(Struct, frozen=True):
    """One line of the output, or a remark about it."""

    text: str
    is_remark: bool = False


class Tail:
    """One output of one job, as far as it has been shown."""

    def __init__(self) -> None:
        self._shown = ""
        self._attempt: int | None = None
        self._rest = ""

    def grown(self, text: str | None, attempt: int | None) -> list[Line]:
        """Return the lines that a snapshot adds.

        Args:
            text: The snapshot; None or empty where the API gives none, which does not mean that the output is gone.
            attempt: The number of the job's attempt, where the API counts them.
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
        """Return what follows the last line end, once nothing will be added to it."""
        rest, self._rest = self._rest, ""
        return [Line(rest.removesuffix("\r"))] if rest else []


def overlap(before: str, after: str) -> int | None:
    """Return how many characters at the beginning of a snapshot stood at the end of the one before.

    Args:
        before: The snapshot before.
        after: The snapshot.

    Returns:
        The longest such overlap; None if it is too short to be sure of.
    """
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


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def last_lines(outputs: Mapping[str, str | None], most: int) -> tuple[str, list[Line]] | None:
    """Return the end of what a job wrote: of its ``stderr``, else of the first other output that holds anything.

    Args:
        outputs: Its outputs, by their names.
        most: How many lines at most; that some are left out is told by a remark before them.

    Returns:
        The output's name and the lines; None if it wrote nothing.
    """
    for name in sorted(outputs, key=lambda name: name != "stderr"):
        lines = [line for line in _LINE_END.split((outputs[name] or "").rstrip()) if line.strip()]
        if lines:
            left_out = len(lines) - most
            remark = [Line(f"the last {most} of {len(lines)} lines", is_remark=True)] if left_out > 0 else []
            return name, remark + [Line(_cut(line)) for line in lines[-most:]]
    return None
