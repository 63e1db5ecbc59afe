"""Everything that may go wrong on the way from the truth to the client, as tables."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from email.utils import formatdate
from random import Random

from msgspec import Struct

GOOD = "good"
MISSING = "missing"
GONE = "gone"
AUTH = "auth"
LIMITED = "limited"
UNREACHABLE = "unreachable"
UNREADABLE = "unreadable"
REFUSED = "refused"
TLS = "tls"
RAISES = "raises"
"""What an honest client must make of an answer."""


class Told(Struct, frozen=True):
    """An answer that is not about the job: what is sent, what it means, and for how long it asks to stay away."""

    status: int
    verdict: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b'{"error": "no", "title": "no", "code": "NO"}'
    stay_away: float | None = None


Answering = Callable[[Random, float], Told]


def _plain(status: int, verdict: str) -> Answering:
    return lambda _rng, _now: Told(status, verdict)


def _asking_to_stay_away(status: int, verdict: str) -> Answering:
    def told(rng: Random, now: float) -> Told:
        seconds = rng.choice((0, 1, 2, 5, 10, 20, 45))
        if rng.random() < 0.3:
            # A date has whole seconds, and so has the server's own Date header that it is measured against.
            value, date = formatdate(int(now) + seconds, usegmt=True), formatdate(int(now), usegmt=True)
            return Told(status, verdict, (("Retry-After", value), ("Date", date)), stay_away=float(seconds))
        return Told(status, verdict, (("Retry-After", str(seconds)),), stay_away=float(seconds))

    return told


def _asking_nonsense(status: int, verdict: str) -> Answering:
    nonsense = ("-5", "+5", "5,5", "1e9", "nan", "inf", "٣", "", "9" * 5000, "soon", "Thu, 99 Foo 2026 00:00:00 GMT")

    def told(rng: Random, _now: float) -> Told:
        if rng.random() < 0.1:
            return Told(status, verdict, (("Retry-After", "5"), ("Retry-After", "700")))
        return Told(status, verdict, (("Retry-After", rng.choice(nonsense)),))

    return told


def _asking_for_hours(status: int, verdict: str) -> Answering:
    def told(rng: Random, _now: float) -> Told:
        seconds = rng.choice((400, 4000, 86400, 9_999_999_999))
        return Told(status, verdict, (("Retry-After", str(seconds)),), stay_away=float(seconds))

    return told


def _spent(status: int) -> Answering:
    def told(rng: Random, _now: float) -> Told:
        seconds = rng.choice((1, 7, 30))
        headers = (("X-RateLimit-Limit", "100"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", str(seconds)))
        return Told(status, LIMITED, headers, stay_away=float(seconds))

    return told


def _page(_rng: Random, _now: float) -> Told:
    return Told(200, UNREADABLE, (("Content-Type", "text/html"),), b"<!DOCTYPE html><title>Log in</title>completed")


def _problem_with_words(rng: Random, _now: float) -> Told:
    """An error whose body looks like a job that ended: its status alone counts."""
    word = rng.choice(("failed", "completed")).encode()
    return Told(
        500, UNREACHABLE, (), b'{"data":{"id":"job-0","status":"%b"},"job":{"id":"job-0","state":"%b"}}' % (word, word)
    )


HTTP: Mapping[str, Answering] = {
    "500": _plain(500, UNREACHABLE),
    "500 like a job": _problem_with_words,
    "502": _plain(502, UNREACHABLE),
    "503": _plain(503, UNREACHABLE),
    "503 stay away": _asking_to_stay_away(503, UNREACHABLE),
    "503 nonsense": _asking_nonsense(503, UNREACHABLE),
    "504": _plain(504, UNREACHABLE),
    "599": _plain(599, UNREACHABLE),
    "408": _plain(408, UNREACHABLE),
    "425": _plain(425, UNREACHABLE),
    "429": _plain(429, LIMITED),
    "429 stay away": _asking_to_stay_away(429, LIMITED),
    "429 nonsense": _asking_nonsense(429, LIMITED),
    "429 spent": _spent(429),
    "403 stay away": _asking_to_stay_away(403, LIMITED),
    "403 spent": _spent(403),
    "404": _plain(404, MISSING),
    "204": lambda _rng, _now: Told(204, UNREADABLE, body=b""),
    "206": _plain(206, UNREADABLE),
    "600": _plain(600, UNREADABLE),
    "999": _plain(999, UNREADABLE),
    "304 unasked": lambda _rng, _now: Told(304, UNREADABLE, body=b""),
    "html": _page,
    "coding not asked for": lambda _rng, _now: Told(
        200, UNREADABLE, (("Content-Encoding", "br"),), b"\x0b\x02\x80{}\x03"
    ),
}
"""Answers that a job survives."""

FATAL: Mapping[str, Answering] = {
    "400": _plain(400, REFUSED),
    "401": _plain(401, AUTH),
    "403": _plain(403, AUTH),
    "410": _plain(410, GONE),
    "501": _plain(501, REFUSED),
    "302 away": lambda _rng, _now: Told(302, REFUSED, (("Location", "https://elsewhere.example/login"),), b""),
    "429 for hours": _asking_for_hours(429, LIMITED),
    "503 for hours": _asking_for_hours(503, UNREACHABLE),
}
"""Answers after which asking again is of no use."""


def _into_status(raw: bytes) -> Callable[[Random, bytes], bytes]:
    def damaged(_rng: Random, body: bytes) -> bytes:
        marker = b'"state":"' if b'"state":"' in body else b'"status":"'
        return body.replace(marker, marker + raw, 1)

    return damaged


def _status_is(raw: bytes) -> Callable[[Random, bytes], bytes]:
    def damaged(_rng: Random, body: bytes) -> bytes:
        marker = b'"state":"' if b'"state":"' in body else b'"status":"'
        start = body.index(marker) + len(marker) - 1
        end = body.index(b'"', start + 1) + 1
        return body[:start] + raw + body[end:]

    return damaged


BODY: Mapping[str, Callable[[Random, bytes], bytes]] = {
    "empty": lambda _rng, _body: b"",
    "blank": lambda _rng, _body: b" \r\n\t ",
    "half of the JSON": lambda rng, body: body[: rng.randrange(1, len(body))],
    "null": lambda _rng, _body: b"null",
    "in an array": lambda _rng, body: b"[" + body + b"]",
    "twice": lambda _rng, body: body + body,
    "error with 200": lambda _rng, _body: b'{"error":"the database is on fire","status":"completed"}',
    "nested too deeply": lambda _rng, body: b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"," + body[1:],
    "not UTF-8": _into_status(b"\xff\xfe"),
    "half a surrogate": _into_status(rb"\ud800"),
    "control character": _into_status(b"\x01"),
    "status null": _status_is(b"null"),
    "status number": _status_is(b"3"),
    "status object": _status_is(b'{"word":"completed"}'),
    "no status": lambda _rng, body: body.replace(b'"state":', b'"Xstate":').replace(b'"status":', b'"Xstatus":'),
    "no id": lambda _rng, body: body.replace(b'"id":', b'"Id":').replace(b'"job_id":', b'"Id":'),
    "NaN": _status_is(b"NaN"),
}
"""Damage after which a body is not a job."""

NETWORK: Mapping[str, str] = {
    "refuse": UNREACHABLE,
    "reset": UNREACHABLE,
    "hang": UNREACHABLE,
    "cut": UNREADABLE,
    "slow": GOOD,
}
"""What may happen below HTTP, at either level."""

ON_THE_WIRE: Mapping[str, str] = {
    "gzip unasked": GOOD,
    "bad bytes": UNREADABLE,
    "two lengths": UNREADABLE,
    "hang in the body": UNREACHABLE,
    "reset in the body": UNREADABLE,
    "close without an answer": UNREACHABLE,
    "dribble": GOOD,
    "chunked": GOOD,
    "chunked and cut": UNREADABLE,
    "until closed": GOOD,
    "early hints": GOOD,
    "bytes left over": GOOD,
    "closed when idle": GOOD,
    "too large": UNREADABLE,
    "many headers": UNREADABLE,
    "redirect within": GOOD,
    "redirect in a circle": REFUSED,
}
"""What only real bytes can show."""

MEANING = (
    "another job's",
    "stale",
    "status behind",
    "history behind",
    "untimed",
    "duplicated",
    "reordered",
    "recased",
    "BOM",
    "304 though changed",
    "lying date",
    "no date",
    "rate told",
    "status words twice",
)
"""Answers that are well-formed, and yet not the plain truth."""

LIST = ("list without some", "list with strangers", "list with one twice", "list with one broken")

BEFORE_ANY_ANSWER = frozenset({"reset", "close without an answer"})
"""What loses a connection before any answer came: one that had been kept is given another chance."""

STREAM = (
    "stream refused",
    "stream not answered",
    "stream silent",
    "stream cut",
    "stream closed early",
    "stream late",
    "stream in pieces",
    "stream without some",
    "stream replays",
    "stream lies",
    "stream of another job",
    "stream of rubbish",
    "stream without heartbeats",
    "stream too long",
)
"""What may be wrong with a job's stream of events."""

TRAITS = (
    "never known",
    "appears late",
    "vanishes",
    "history cut short",
    "whole seconds",
    "undated",
    "without times",
    "unknown words",
    "reopened",
    "chatty",
    "skewed clock",
    "quota",
    "outage",
    "etags",
    "streams",
)
"""Faults that a world or a job has from its beginning."""

OF_HISTORIES = frozenset(
    {"status behind", "history behind", "untimed", "duplicated", "reordered", "history cut short", "whole seconds"}
    | {"undated", "without times", "chatty"}
)
"""Those that only an API which tells a history can have."""

APART: Mapping[str, frozenset[str]] = {
    "source raises": frozenset({"seam"}),
    "answer unasked": frozenset({"wire"}),
    "list that contradicts itself": frozenset({"seam", "wire"}),
    "weak etags": frozenset({"seam", "wire"}),
    "told by HTTP status": frozenset({"seam", "wire"}),
    "newest first": frozenset({"seam", "wire"}),
    "end before its moment": frozenset({"seam", "wire"}),
    "look-alike words": frozenset({"seam", "wire"}),
    "odd ids": frozenset({"seam", "wire"}),
    "come back later": frozenset({"seam", "wire"}),
    "304 in place of news": frozenset({"seam", "wire"}),
    "more phases": frozenset({"seam", "wire"}),
}
"""Faults that have no turn, but most worlds have one of them, and at which levels."""

APART_TRAITS = frozenset(APART) - {
    "source raises",
    "answer unasked",
    "list that contradicts itself",
    "come back later",
    "304 in place of news",
}
"""Those of them that a world or a job has from its beginning."""

APART_OF = {
    "list that contradicts itself": "capydb",
    "newest first": "bedrock",
    "told by HTTP status": "bedrock",
    "end before its moment": "bedrock",
    "look-alike words": "bedrock",
}
"""Those that only one API can have."""

ENDING = frozenset(FATAL) | {"tls", "redirect in a circle", "never known", "vanishes"}
"""Those after which a wait may never see its job's end: not for liveness mode, nor any two at a time."""


@functools.cache
def all_of(level: str) -> frozenset[str]:
    """Return every fault that can be turned on at a level."""
    return by_turn(level) | {name for name, levels in APART.items() if level in levels}


@functools.cache
def by_turn(level: str) -> frozenset[str]:
    """Return every fault that has its turn at a level."""
    names = {*HTTP, *FATAL, *BODY, *NETWORK, *MEANING, *LIST, *STREAM, *TRAITS}
    return frozenset(names | ({"tls"} if level == "seam" else set(ON_THE_WIRE)))
