"""What is left on a terminal of a drawing when the terminal's size has changed, and how to wipe it off. Pure.

A drawing is redrawn by going up as many lines as it had. That is too few once a narrower terminal has made two lines
of one, or a lower one has pushed the first lines off its top: a higher one brings them back. This is how tmux, and most
terminals, treat lines; on one that cuts them in place of that, some lines above the drawing may be wiped off with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Size(Struct, frozen=True):
    """The size of a terminal, in columns and lines."""

    width: int
    height: int


class Wiping(Struct, frozen=True):
    """How to wipe a drawing off.

    Attributes:
        up: How many lines to go up from its last one, and to empty on the way.
        pushed_off: How wide the lines are that have gone off the top of the terminal, the last one nearest to it.
    """

    up: int
    pushed_off: tuple[int, ...]


def wiping(drawn: Sequence[int], pushed_off: Sequence[int], before: Size, now: Size) -> Wiping:
    """Return how to wipe a drawing off after a change of size.

    Args:
        drawn: How wide each of its lines is.
        pushed_off: What earlier changes have pushed off.
        before: The size when it was drawn.
        now: The size.
    """
    lines = sum(_lines(width, now) for width in drawn)
    gone = list(pushed_off)
    back = 0
    while gone and back < now.height - before.height:
        back += _lines(gone.pop(), now)
    above = lines - now.height
    for width in drawn:
        if above <= 0:
            break
        gone.append(width)
        above -= _lines(width, now)
    return Wiping(max(0, lines - 1 + back), tuple(gone))


def _lines(width: int, size: Size) -> int:
    return max(1, -(-width // max(1, size.width)))
