"""What one HTTP answer amounts to: a reply that can be read, or a fault. Pure: status, headers and bytes in.

The rules, first match wins:

* what the API itself says of a reply by which it refuses the token, whatever its status;
* what the API itself says of a status, where that would not be read: a state of the job, or that there is none;
* 2xx is a reply, except 204 and 205 (no content), 206 (a part, unasked), an empty body, a body in a transfer coding
  (we ask for none) and an HTML page where JSON was asked for;
* 304 is a reply if it answers our own validator;
* 401, 403 the token was refused, unless a 403 carries Retry-After or an empty rate budget: then it is a 429;
* 511 comes from the network on the way, which wants a login, and says nothing of the API's token (RFC 6585, 6);
* 404, 410 no such job; 429 rate limited; 408, 425 and 5xx the API is in trouble, except 501 and 505;
* every other 3xx, 4xx, 501 and 505 are refusals: asking again will not help;
* what is left (1xx, 000, 600 and up) is not HTTP.
"""

from __future__ import annotations

import functools
import re
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from msgspec.structs import replace

from .._models import Fault, FaultKind, Problem, printable
from .._reading.patterns import pattern
from .._reading.reply import RateLimit, Reply
from .headers import http_date, rate_limit, retry_after

ProblemReader: TypeAlias = Callable[[bytes], Problem | None]
HintReader: TypeAlias = Callable[[bytes], float | None]
Verdict: TypeAlias = Callable[[int, bytes], FaultKind | bool]
Refusal: TypeAlias = Callable[[int, bytes], bool | None]

_MESSAGE_CAP = 400
_EXCERPT_CAP = 200
_WORD_CAP = 128
_PLAIN_TYPE = pattern(r"text/plain|application/(?:[\w.+-]+\+)?json", re.ASCII | re.IGNORECASE)

_SECONDS = pattern(r"\d{1,10}", re.ASCII)

_PHRASES = {
    FaultKind.AUTH: "the API refused the token",
    FaultKind.NOT_FOUND: "the API knows no such job",
    FaultKind.GONE: "the API does not know this job any more",
    FaultKind.RATE_LIMITED: "the API asked for fewer requests",
    FaultKind.UNREACHABLE: "the API is in trouble",
    FaultKind.REFUSED: "the API refused the request",
    FaultKind.UNREADABLE: "the reply is not a usable HTTP answer",
}
_PORTAL, _PORTAL_PHRASE = 511, "the network on the way to the API wants a login"
_KINDS = {
    401: FaultKind.AUTH,
    403: FaultKind.AUTH,
    404: FaultKind.NOT_FOUND,
    408: FaultKind.UNREACHABLE,
    410: FaultKind.GONE,
    425: FaultKind.UNREACHABLE,
    429: FaultKind.RATE_LIMITED,
    501: FaultKind.REFUSED,
    505: FaultKind.REFUSED,
}


_DATE, _AGE, _ETAG, _CONTENT_TYPE, CONTENT_ENCODING = "Date", "Age", "ETag", "Content-Type", "Content-Encoding"
_REQUEST_ID, _RETRY_AFTER, _TRANSFER_ENCODING = "X-Request-Id", "Retry-After", "Transfer-Encoding"
_REMAINING, _LIMIT, _RESET = "X-RateLimit-Remaining", "X-RateLimit-Limit", "X-RateLimit-Reset"
_NAMES = (
    *("_DATE", "_AGE", "_ETAG", "_CONTENT_TYPE", "CONTENT_ENCODING", "_REQUEST_ID", "_RETRY_AFTER"),
    *("_TRANSFER_ENCODING", "_REMAINING", "_LIMIT", "_RESET"),
)


def look_up_by(kind: Callable[[str], str]) -> None:
    """Have headers looked up by another kind of text: aiohttp's mapping finds its own, `istr`, in half the time."""
    for name in _NAMES:
        globals()[name] = kind(globals()[name])


class Headers(Protocol):
    """The headers of a reply, looked up without regard to case."""

    def get(self, key: str, /) -> str | None:
        """Return the first value of a header, or None."""
        ...

    def getall(self, key: str, default: tuple[str, ...], /) -> Sequence[str]:
        """Return every value of a header, or the default."""
        ...


def judged(
    http_status: int,
    headers: Headers,
    body: bytes,
    *,
    etag: str | None = None,
    problem: ProblemReader | None = None,
    verdict: Verdict | None = None,
    hint: HintReader | None = None,
    is_unauthorized: bool = False,
    clock: Callable[[], float] = time.time,
) -> Reply | Fault:
    """Return what an answer amounts to, by the rules at the top of this file. RFC 9110, section 15.

    Args:
        http_status: The HTTP status as received, which may be any number.
        headers: The headers of the answer.
        body: The body, already bounded, complete, and without its content coding.
        etag: The validator that the request carried, if it carried one.
        problem: How the API words its errors.
        verdict: What the API means by a status and a body that by the rules would not be read.
        hint: How the API says in a body for how many seconds to stay away.
        is_unauthorized: Whether the API says by the body that it refuses the token.
        clock: Tells our own time, in Unix seconds, for a date to come back at where the server tells no time.
    """
    if is_unauthorized:
        return _fault(http_status, headers, body, problem, clock, hint=hint, meant=FaultKind.AUTH)
    if verdict is not None and (not 200 <= http_status <= 203 or not body):
        meant = _meant(verdict, http_status, body)
        if meant is True:
            return _reply(http_status, headers, body, None, clock)
        if isinstance(meant, FaultKind):
            return _fault(http_status, headers, body, problem, clock, hint=hint, meant=meant)
    if 200 <= http_status <= 299 and not 204 <= http_status <= 206:
        wrong = _unreadable(headers, body)
        if wrong is not None:
            return _refusal(http_status, headers, wrong)
        return _reply(http_status, headers, body, None, clock)
    if http_status == 304 and etag is not None:
        return _reply(http_status, headers, b"", etag, clock)
    return _fault(http_status, headers, body, problem, clock, hint=hint)


def with_headers(reply: Reply, headers: Headers, wanted: Sequence[str]) -> Reply:
    """Return a reply with the headers that the API reads; where one comes several times, with commas in between."""
    found = {name: ", ".join(values) for name in wanted if (values := headers.getall(name, ()))}
    return replace(reply, headers=found) if found else reply


def _reply(http_status: int, headers: Headers, body: bytes, etag: str | None, clock: Callable[[], float]) -> Reply:
    date = headers.get(_DATE)
    server_time = None if date is None else _server_time(date)
    remaining = headers.get(_REMAINING)
    return Reply(
        http_status,
        body,
        etag if (told := headers.get(_ETAG)) is None else _validator(told) or etag,
        server_time,
        None if remaining is None else rate_limit(remaining, headers.get(_LIMIT), headers.get(_RESET), server_time),
        headers.get(_REQUEST_ID),
        headers.get(_CONTENT_TYPE),
        retry_after=None if headers.get(_RETRY_AFTER) is None else _wait(headers, server_time, clock),
        age=None if (age := headers.get(_AGE)) is None else _age(age),
    )


def _age(age: str) -> float | None:
    return float(age) if _SECONDS.fullmatch(age) else None


def _unreadable(headers: Headers, body: bytes) -> str | None:
    transfer = headers.get(_TRANSFER_ENCODING)
    if transfer is not None and transfer.lower() != "chunked":
        return f"the reply came in a transfer coding that was not asked for: {transfer[:_WORD_CAP]}"
    # `{` and `[` first, since that is what every good reply of a JSON API starts with.
    if body.startswith((b"{", b"[")):
        return None
    start = body[:64].removeprefix(BOM_UTF8).lstrip()
    if not start and not body.strip():
        return "the reply is empty"
    kind = (headers.get(_CONTENT_TYPE) or "").lower()
    if start.startswith(b"<") or (kind.startswith("text/html") and not start.startswith((b"{", b"["))):
        return "the reply is HTML, perhaps a login page"
    return None


def _refusal(http_status: int, headers: Headers, message: str) -> Fault:
    return Fault(FaultKind.UNREADABLE, message, http_status, request_id=_request_id(headers, None))


def _fault(
    http_status: int,
    headers: Headers,
    body: bytes,
    problem: ProblemReader | None,
    clock: Callable[[], float],
    *,
    hint: HintReader | None,
    meant: FaultKind | None = None,
) -> Fault:
    server_time = _server_time(headers.get(_DATE) or "")
    wait = _wait(headers, server_time, clock)
    rate = _rate(headers, headers.get(_REMAINING) or "", server_time)
    spent = rate is not None and rate.remaining == 0
    kind = meant or _kind(http_status)
    if http_status == 403 and meant is not FaultKind.AUTH and (wait is not None or spent):
        kind = FaultKind.RATE_LIMITED
    if wait is None and hint is not None and kind in (FaultKind.RATE_LIMITED, FaultKind.UNREACHABLE):
        wait = hint(body)
    if wait is None and spent and rate is not None and kind is FaultKind.RATE_LIMITED:
        wait = rate.reset_in
    found = _problem(body, problem)
    detail = found.message[:_MESSAGE_CAP] if found and found.message else _excerpt(headers, body)
    phrase = _PORTAL_PHRASE if http_status == _PORTAL and kind is FaultKind.UNREACHABLE else _PHRASES[kind]
    return Fault(
        kind,
        f"{phrase}: {detail}" if detail else phrase,
        http_status,
        found.code[:_WORD_CAP] if found and found.code else None,
        _request_id(headers, found),
        wait,
    )


def _wait(headers: Headers, server_time: float | None, clock: Callable[[], float]) -> float | None:
    return retry_after(headers.getall("Retry-After", ()), server_time, clock)


def _meant(verdict: Verdict, http_status: int, body: bytes) -> FaultKind | bool:
    try:
        return verdict(http_status, body)
    except Exception:  # noqa: BLE001  # whatever it trips over, the status still says what happened
        return False


def _kind(http_status: int) -> FaultKind:
    known = _KINDS.get(http_status)
    if known is not None:
        return known
    if 500 <= http_status <= 599:
        return FaultKind.UNREACHABLE
    if 400 <= http_status <= 499 or (300 <= http_status <= 399 and http_status != 304):
        return FaultKind.REFUSED
    return FaultKind.UNREADABLE


def _problem(body: bytes, problem: ProblemReader | None) -> Problem | None:
    if problem is None or not body:
        return None
    try:
        return problem(body)
    except Exception:  # noqa: BLE001  # whatever a reader trips over, the status has already said what happened
        return None


def _excerpt(headers: Headers, body: bytes) -> str:
    if not _PLAIN_TYPE.match(headers.get(_CONTENT_TYPE) or ""):
        return ""
    text = " ".join(body[: _EXCERPT_CAP * 4].decode("utf-8", "replace").split())
    if text.startswith("<"):
        return ""
    return printable(text[:_EXCERPT_CAP])


def _request_id(headers: Headers, problem: Problem | None) -> str | None:
    request_id = (problem.request_id if problem else None) or headers.get(_REQUEST_ID)
    return request_id[:_WORD_CAP] if request_id else None


def _validator(etag: str) -> str | None:
    # It goes back to the server in a header: nothing that could not have come from one honest line.
    return etag if etag and len(etag) <= 256 and etag.isascii() and etag.isprintable() else None


def _rate(headers: Headers, remaining: str, server_time: float | None) -> RateLimit | None:
    return rate_limit(remaining, headers.get(_LIMIT), headers.get(_RESET), server_time)


# Answers come many to the second, and reading a date costs more than finding it again.
_server_time = functools.lru_cache(maxsize=16)(http_date)
