"""What is published about a watch, and what the server's answers mean. Pure; the engine and its model run on this.

A watch is one message. While it waits it is a schedule at ``...<job>.w``, when it is due the server moves its body to
``...<job>.due``, and after the look a worker puts the next one in its place; the end stays at ``due``. One rule keeps
all apart that may happen at the same time: **whoever publishes expects that the last message under ``...<job>.*`` is
the one that he read.** A second worker with the same message, a wake, a removal (nothing is left) and a job that was
added anew all change that, so that the publish of whoever comes late is refused as a whole, and his look is dropped.

What the look showed goes into the log in the same atomic batch, so every change is there exactly once. A generation is
the place in the stream at which the job was added: it grows from one run of an id to the next, by no clock.
"""

from __future__ import annotations

import enum
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._core.look import pause_asked
from .._core.tracker import Watched
from .._watching.changes import Change, ChangeKind, Health
from .._watching.showing import TROUBLED, at_its_end, changes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._core.look import Looked
    from ._subjects import Names

EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_WHERE: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
SCHEDULE: Final = "Nats-Schedule"
TARGET: Final = "Nats-Schedule-Target"
LIFETIME: Final = "Nats-TTL"

MOST_EVENTS: Final = 500
"""How many messages with changes a batch holds; the server takes 1,000. A look that shows more has several in each."""


class Message(Struct, frozen=True):
    """One message to be published."""

    subject: str
    body: bytes
    headers: Mapping[str, str]


class Record(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a watch is: the body of its message.

    Attributes:
        watched: What is known of the job.
        generation: See `jobwatch.Change.generation`.
        seq: How many changes of it are in the log.
        health: How well it can be seen.
    """

    watched: Watched
    generation: int
    seq: int = 0
    health: Health = Health.OK

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing more to look for."""
        return self.watched.outcome is not None


_RECORDS: Final = msgspec.json.Decoder(Record)


class Settings(Struct, frozen=True, kw_only=True):
    """How workers see things.

    Attributes:
        stale_after: For how long looks may fail before the job is called stale, in seconds.
        keep: For how long changes stay in the log, and ends are known, in seconds.
    """

    stale_after: float = 60.0
    keep: float = 30 * 86_400.0


class After(Struct, frozen=True):
    """What is to be published after a look, as one batch if it is more than one message, and what it tells."""

    messages: tuple[Message, ...]
    record: Record
    changes: tuple[Change, ...]


class Verdict(enum.Enum):
    """What the server's answer to a publish means for whoever holds the message.

    WON: it is stored. LOST: somebody else was first, or the job was removed; nothing of it is stored. AGAIN: it was not
    stored, or nobody knows; the same again is right either way, since the expected sequence lets it in once. STUCK: it
    can never be stored; somebody has to do something.
    """

    WON = "won"
    LOST = "lost"
    AGAIN = "again"
    STUCK = "stuck"


_LOST_CODES = frozenset({10071, 10164, 10201})  # another last sequence; the same with no figure; a repeated message id
_AGAIN_CODES = frozenset({10008, 10023, 10076, 10176, 10210})  # no leader, no room, a batch cut off, 50 batches open


def verdict_of(code: int | None, error: int | None) -> Verdict:
    """Return what an answer means.

    Args:
        code: The answer's status as in HTTP, or None where it tells no error.
        error: The server's own number of the error.
    """
    if code is None:
        return Verdict.WON
    if error in _LOST_CODES:
        return Verdict.LOST
    return Verdict.AGAIN if error in _AGAIN_CODES or code in (408, 429) or code >= 500 else Verdict.STUCK


def record_in(body: bytes) -> Record:
    """Return what is known of a job.

    Raises:
        msgspec.DecodeError: The body is something else.
    """
    return _RECORDS.decode(body)


def changes_in(body: bytes) -> list[Change]:
    """Return the changes that a message of the log holds, in order.

    Raises:
        msgspec.DecodeError: The body is something else.
    """
    return msgspec.json.decode(body, type=list[Change])


# --- what is published -----------------------------------------------------------------------------------------------


def added(names: Names, watched: Watched, last: int, now: float) -> Message:
    """Return what begins a watch, unless there is one, or the end of one is known.

    Args:
        names: The subjects.
        watched: What is known of the job.
        last: The last sequence of the stream.
        now: In Unix seconds.
    """
    return _waiting(names, Record(watched=watched, generation=last + 1), 0, now)


def woken(
    names: Names, record: Record, seq: int, *, at: float | None, now: float, min_interval: float
) -> Message | None:
    """Return what has a waiting job looked at now, or None where nothing is to be done.

    Args:
        names: The subjects.
        record: What waits.
        seq: The sequence of its message.
        at: When it would be due, in Unix seconds.
        now: In Unix seconds.
        min_interval: How far looks have to lie apart, in seconds.
    """
    fault = record.watched.fault
    if record.has_ended or (fault is not None and pause_asked(fault) > 0.0):  # the API asks to be left alone
        return None
    soonest = max(now, (record.watched.looked_at or 0.0) + min_interval)
    return None if at is not None and at <= soonest else _waiting(names, record, seq, soonest)


def after_look(
    names: Names, record: Record, seq: int, looked: Looked, *, again_after: float, now: float, settings: Settings
) -> After:
    """Return what is to be published after a look at a job that was due.

    Args:
        names: The subjects.
        record: What was known before.
        seq: The sequence of the message that was due.
        looked: What the look gave.
        again_after: After how many seconds to look again where it gives none, since a wait would have been given up.
        now: In Unix seconds.
        settings: How to see things.
    """
    changes = _changes(record, looked, now, settings)
    after = Record(
        watched=looked.watched,
        generation=record.generation,
        seq=changes[-1].seq if changes else record.seq,
        health=next((change.health for change in reversed(changes) if change.health), record.health),
    )
    if looked.outcome in TROUBLED:
        after = replace(after, watched=replace(after.watched, outcome=None))
    if after.has_ended:
        after = replace(after, watched=at_its_end(after.watched, changes))
        state = _ended(names, after, seq, settings)
    else:
        state = _waiting(names, after, seq, now + (again_after if looked.next_look is None else looked.next_look))
    return After((*_events(names, changes, settings), state), after, changes)


def _changes(record: Record, looked: Looked, now: float, settings: Settings) -> tuple[Change, ...]:
    seen_at = datetime.fromtimestamp(now, UTC)
    changes = changes_of(looked, record.seq, record.health, seen_at, record.generation)
    watched, since = looked.watched, looked.watched.failing_since
    if looked.outcome is not None or record.health is not Health.OK or watched.fault is None or since is None:
        return changes
    if now - since < settings.stale_after:
        return changes
    stale = Change(
        job_id=watched.job_id,
        seq=record.seq + len(changes) + 1,
        generation=record.generation,
        kind=ChangeKind.HEALTH,
        seen_at=seen_at,
        health=Health.STALE,
        fault=watched.fault,
    )
    return (*changes, stale)


def _events(names: Names, changes: tuple[Change, ...], settings: Settings) -> Iterable[Message]:
    size = math.ceil(len(changes) / MOST_EVENTS) or 1
    for first in range(0, len(changes), size):
        part = changes[first : first + size]
        subject = names.event(part[0].job_id, part[0].generation, part[0].seq)
        yield Message(subject, msgspec.json.encode(part), {EXPECTED: "0", LIFETIME: _whole(settings.keep)})


def _waiting(names: Names, record: Record, seq: int, at: float) -> Message:
    job_id = record.watched.job_id
    headers = scheduled(at, names.due(job_id)) | _fence(names, job_id, seq)
    return Message(names.waiting(job_id), msgspec.json.encode(record), headers)


def _ended(names: Names, record: Record, seq: int, settings: Settings) -> Message:
    """Return the end, in place of what was due: nothing is left over, and the id is taken for as long as it is kept."""
    watched = record.watched
    kept = replace(record, watched=replace(watched, delivered=watched.delivered[-1:]))
    headers = {LIFETIME: _whole(settings.keep), **_fence(names, watched.job_id, seq)}
    return Message(names.due(watched.job_id), msgspec.json.encode(kept), headers)


def _fence(names: Names, job_id: str, seq: int) -> dict[str, str]:
    return {EXPECTED: str(seq), EXPECTED_WHERE: names.state(job_id)}


def _whole(seconds: float) -> str:
    return f"{max(1, math.ceil(seconds))}s"


def scheduled(at: float, target: str) -> dict[str, str]:
    """Return the headers of a message that the server is to move at a time.

    Args:
        at: When, in Unix seconds.
        target: Where to.
    """
    due_at = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {SCHEDULE: f"@at {due_at}", TARGET: target}


def due_time(headers: Mapping[str, str]) -> float | None:
    """Return when a message is scheduled for, in Unix seconds; None if it is not."""
    text = headers.get(SCHEDULE, "")
    return datetime.fromisoformat(text.removeprefix("@at ")).timestamp() if text.startswith("@at ") else None


def is_current(seq: int, last: int | None) -> bool:
    """Whether a message that was delivered before is still what is known of its job, so that a look is worth it.

    Args:
        seq: Its sequence.
        last: The last sequence of the job's state, or None if there is none.
    """
    return seq == last
