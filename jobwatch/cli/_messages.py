"""What a notification says: a title, and a text of a few lines. Pure.

It is read on a phone, so what matters stands in the title. What a server said is made harmless for whatever shows it:
no controls, and nothing that would call people who are mentioned in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from .._models import Outcome
from ._endings import ending
from ._render import OutcomeRecord, safe

if TYPE_CHECKING:
    from ._exit_codes import Verdict

Kind: TypeAlias = Literal["info", "success", "warning", "failure"]

_NAMED: Final = 10
"""How many jobs of a run are named: the first, bad ends only."""

_LONGEST: Final = 300
"""How many characters of what a server said are told of each job."""

# Discord and Telegram: @everyone; Slack: <!channel>, <@U1>, <#C1>
_MENTION = re.compile(r"@(?=\w)|<(?=[!@#])")
_LINK = re.compile(r"https?://\S+")
_WARNINGS = frozenset({Outcome.BLOCKED, Outcome.TIMEOUT, Outcome.INTERRUPTED})


class Message(Struct, frozen=True):
    """A notification.

    Attributes:
        title: What has happened, on one line.
        body: More about it.
        kind: How it is shown.
    """

    title: str
    body: str
    kind: Kind


def of_end(record: OutcomeRecord, api: str, verdict: Verdict, now: datetime) -> Message:
    """Return what is told when the only job of a run has ended.

    Args:
        record: How it ended.
        api: The name of the API.
        verdict: Which ends are good.
        now: The time, so that the day is told only where it is another.
    """
    title = f"{_words(record.job_id)} {_outcome(record.outcome)} ({api})"
    lines = [ending(record, now), _words(record.reason), _link(record.url)]
    return Message(title, "\n".join(filter(None, lines)), _kind([record], verdict))


def of_run(records: Sequence[OutcomeRecord], api: str, verdict: Verdict) -> Message:
    """Return what is told when several jobs have ended: how many ended how, and which ended badly."""
    counts = Counter(_outcome(record.outcome) for record in records)
    title = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    bad = [r for r in records if not verdict.is_good(r.outcome) and r.outcome is not Outcome.INTERRUPTED]
    lines = [_line(record, _outcome(record.outcome), record.reason) for record in bad[:_NAMED]]
    if len(bad) > _NAMED:
        lines.append(f"and {len(bad) - _NAMED} more")
    return Message(f"{title} ({api})", "\n".join(lines) or f"{len(records)} jobs", _kind(records, verdict))


def of_blocked(records: Sequence[OutcomeRecord], api: str, *, again: bool = False) -> Message:
    """Return what is told when jobs wait for a person: what each asks, and where that can be answered.

    Args:
        records: The jobs, at least one.
        api: The name of the API.
        again: Whether that has been told before.
    """
    still = "still " if again else ""
    if len(records) == 1:
        lines = [_words(records[0].asked), _link(records[0].url)]
        title = f"{_words(records[0].job_id)} {still}waits for a person ({api})"
        return Message(title, "\n".join(filter(None, lines)) or "It goes on when somebody acts.", "warning")
    told = [_line(record, "asks", record.asked) for record in records[:_NAMED]]
    if len(records) > _NAMED:
        told.append(f"and {len(records) - _NAMED} more")
    return Message(f"{len(records)} jobs {still}wait for a person ({api})", "\n".join(told), "warning")


def _line(record: OutcomeRecord, word: str, why: str | None) -> str:
    parts = [f"{_words(record.job_id)} {word}", _words(why)]
    return " ".join(filter(None, (": ".join(filter(None, parts)), _link(record.url))))


def _outcome(outcome: Outcome) -> str:
    match outcome:
        case Outcome.TIMEOUT:
            return "not ended in time"
        case Outcome.INTERRUPTED:
            return "not waited for any more"
        case Outcome.BLOCKED:
            return "blocked"
        case _:
            word: str = outcome.value
            return word.replace("_", " ")


def _kind(records: Sequence[OutcomeRecord], verdict: Verdict) -> Kind:
    bad = [record.outcome for record in records if not verdict.is_good(record.outcome)]
    if not bad:
        return "success"
    return "warning" if _WARNINGS.issuperset(bad) else "failure"


def _words(text: str | None) -> str:
    """Return what a server said on one line, cut, and calling nobody."""
    line = safe(" ".join((text or "").split()))
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
    return _MENTION.sub("\\g<0>\u200b", line)


def _link(url: str | None) -> str:
    """Return a URL as it is, so that it can be followed; nothing where it is none."""
    return safe(url) if url is not None and _LINK.fullmatch(url) else ""
