"""What every benchmark prints with ``--json``: one object whose ``rows`` compare a figure of ours with a rival's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside a rival's.

    Attributes:
        what: What it is, with its unit.
        ours: Ours.
        rival: The rival's.
        rival_name: Who that is.
        ratio: Ours over the rival's, or the other way round where more is better: the smaller the better.
        goal: How large the ratio may be.
    """

    what: str
    ours: float
    rival: float
    rival_name: str
    ratio: float
    goal: float

    @property
    def is_met(self) -> bool:
        """Whether the goal is."""
        return self.ratio <= self.goal


def compared(what: str, ours: float, rival: float, rival_name: str, goal: float) -> Row:
    """Return a row of two figures of which the smaller is better."""
    return Row(what=what, ours=ours, rival=rival, rival_name=rival_name, ratio=ours / rival, goal=goal)


def as_json(rows: Iterable[Row], **more: object) -> str:
    """Return rows as they are printed with ``--json``, beside what else is known under names of its own."""
    facts: Mapping[str, object] = {"rows": list(rows), **more}
    return json.dumps(msgspec.to_builtins(facts), indent=2)


def as_text(rows: Sequence[Row]) -> str:
    """Return rows as a table for people."""
    lines = [f"{'':50s}{'ours':>12s}{'rival':>12s}  {'':34s}{'ratio':>7s}{'goal':>7s}"]
    for row in rows:
        figures = f"{_figure(row.ours):>12s}{_figure(row.rival):>12s}"
        met = "" if row.is_met else "  *"
        lines.append(f"{row.what:50s}{figures}  {row.rival_name:34s}{row.ratio:7.2f}{row.goal:7.2f}{met}")
    if not all(row.is_met for row in rows):
        lines.append("* the goal is not met")
    return "\n".join(lines)


def _figure(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000.0 else f"{figure:.3g}"
