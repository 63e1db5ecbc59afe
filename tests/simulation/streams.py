"""The streams of a world's jobs: what truly happens as server-sent events, and all that may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec
from msgspec import Struct

from jobwatch import Phase

from .truth import ENDED, State, TrueJob

HEARTBEAT = 15.0
LONGEST = 300.0

_WORDS = {
    Phase.PENDING: ("status", "Queued"),
    Phase.RUNNING: ("status", "Started"),
    Phase.SUCCEEDED: ("completed", "Completed"),
    Phase.FAILED: ("failed", "Failed"),
    Phase.CANCELLED: ("canceled", "Canceled"),
}
_RUBBISH = (
    b"event: status\ndata: {\n\n",
    b"event: status\ndata: [[[\n\n",
    b"data: \xff\xfe\n\n",
    b"event: completed\n\n",
    b"\xef\xbb\xbf\r\r\n\n:\n:::\nno colon\n\n",
    b'event: status\ndata: {"job_id": 7, "status": null}\n\n',
    b'event: progress\ndata: {"progress": 0.5}\n\n',
)


class Streamed(Struct, eq=False):
    """One stream that was opened, for the oracle.

    Attributes:
        client: Who opened it.
        job_id: Whose it is.
        http_status: What it was answered with; 0 for never.
        pieces: What comes and when, on the loop's clock.
        end: How it ends: "closed", "cut", or "hang".
        events: How many events tell a state.
        end_told_at: When the client hears of the job's end, if it does.
        closed_at: When the client had done with it.
        odd: What is wrong with it.
    """

    client: str
    job_id: str
    http_status: int = 200
    pieces: list[tuple[float, bytes]] = []
    end: str = "closed"
    events: int = 0
    end_told_at: float | None = None
    closed_at: float | None = None
    odd: frozenset[str] = frozenset()

    @property
    def spoke_at(self) -> float | None:
        """When the first of its bytes was heard."""
        return next((at for at, piece in self.pieces if piece), None)


def opened(
    client: str, job: TrueJob | None, now: float, *, odd: set[str], down: bool, delay: float, rng: Random
) -> Streamed:
    """Return the whole of a stream that is opened now.

    Args:
        client: Who opens it.
        job: Whose it is.
        now: When, on the loop's clock.
        odd: What is to be wrong with it.
        down: Whether nothing works at present.
        delay: How long its bytes are under way, in seconds.
        rng: What decides.
    """
    if job is None or job.index_at(now) < 0 or down or "stream refused" in odd:
        status = rng.choice((404, 405, 500, 503)) if job is not None else 404
        return Streamed(client, job.id if job else "", status, odd=frozenset(odd & {"stream refused"}))
    if "stream not answered" in odd:
        return Streamed(client, job.id, 0, end="hang", odd=frozenset({"stream not answered"}))
    stream = Streamed(client, job.id, odd=frozenset(odd))
    if "stream silent" in odd:
        stream.end, stream.odd = "hang", frozenset({"stream silent"})
        return stream
    told, ends_at = _told(job, now, odd, rng)
    stream.events = len(told)
    pieces = [(at, _event(job, state)) for at, state in told]
    if "stream without heartbeats" not in odd:
        beats = int((ends_at - now) / HEARTBEAT)
        pieces += [(now + HEARTBEAT * beat, b": heartbeat\n\n") for beat in range(1, beats + 1)]
    if "stream of another job" in odd:
        other = b'event: completed\ndata: {"job_id":"another","status":"Completed"}\n\n'
        pieces += [(rng.uniform(now, ends_at), other) for _ in range(3)]
    if "stream of rubbish" in odd:
        pieces += [(rng.uniform(now, ends_at), rubbish) for rubbish in rng.sample(_RUBBISH, 3)]
    if "stream too long" in odd:
        pieces.append((rng.uniform(now, ends_at), b"data: " + b"x" * 70_000 * 16))
    if told and told[-1][1].phase in ENDED and not odd:
        stream.end_told_at = told[-1][0] + delay
    late = rng.uniform(0.5, 20.0) if "stream late" in odd else 0.0
    stream.pieces = [(at + delay + late, piece) for at, piece in sorted(pieces, key=lambda each: each[0])]
    if "stream in pieces" in odd:
        stream.pieces = list(_in_pieces(stream.pieces, rng))
    stream.pieces.append((ends_at + delay + late, b""))
    if "stream cut" in odd or "stream closed early" in odd:
        _cut(stream, rng)
    return stream


def _told(job: TrueJob, now: float, odd: set[str], rng: Random) -> tuple[list[tuple[float, State]], float]:
    """Return which states are told and when, and when the stream is over."""
    index = job.index_at(now)
    first = 0 if "stream replays" in odd else index
    told = [(max(state.at, now), state) for state in job.states[first:] if state.at < now + LONGEST]
    end = next((place for place, (at, state) in enumerate(told) if state.phase in ENDED and at >= now), None)
    if end is not None:
        del told[end + 1 :]
    ends_at = told[-1][0] if end is not None else now + LONGEST
    if "stream without some" in odd:
        told = [each for each in told if rng.random() < 0.5]
    if "stream lies" in odd:
        for _ in range(rng.choice((1, 3, 20))):
            phase = rng.choice(list(_WORDS))
            told.append((rng.uniform(now, ends_at), State("", phase, 0.0, 0)))
    return [each for each in told if each[1].phase in _WORDS], ends_at


def _event(job: TrueJob, state: State) -> bytes:
    name, word = _WORDS[state.phase]
    data = msgspec.json.encode({"job_id": job.id, "status": word, "timestamp": "2026-01-01T00:00:00Z"})
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _in_pieces(pieces: Iterable[tuple[float, bytes]], rng: Random) -> Iterable[tuple[float, bytes]]:
    for at, piece in pieces:
        place = rng.randrange(len(piece) + 1)
        yield at, piece[:place]
        yield at + 0.01, piece[place:]


def _cut(stream: Streamed, rng: Random) -> None:
    """End a stream after any of its bytes."""
    left = rng.randrange(sum(len(piece) for _, piece in stream.pieces) + 1)
    kept: list[tuple[float, bytes]] = []
    for at, piece in stream.pieces:
        kept.append((at, piece[:left]))
        left -= len(piece)
        if left <= 0:
            break
    stream.pieces = kept
    stream.end = "cut" if "stream cut" in stream.odd else "closed"
