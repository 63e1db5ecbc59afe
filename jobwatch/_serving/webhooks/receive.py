"""Webhooks: a request's headers and body in, which jobs to look at out. No clock and no I/O.

1. A webhook is never believed. It says that there may be news of a job; a look says what they are.
2. Where the vendor signs, what is not signed, or was signed too long ago, wakes nobody.
3. A delivery wakes once, however often it is sent.
4. Whatever is sent, nothing is raised, little is kept, and the sender is told nothing but a status.

Sources: https://docs.capydb.dev/docs/guides/webhooks and https://docs.bedrock.cv/vision-api/webhooks. CapyDB signs its
deliveries; for Bedrock no signature is documented.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import cast

import msgspec
from msgspec import Raw, Struct

from ..._errors import ConfigError

_LONGEST_ID = 200
_MOST_SIGNATURES = 8
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class Verdict(Enum):
    """What is to be done about a webhook."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class Received(Struct, frozen=True, omit_defaults=True):
    """What one webhook comes to.

    Attributes:
        verdict: Whether to look at the jobs.
        http_status: What to answer, with an empty body: 200, or for one that is refused 400, 401, 405 or 413.
        job_ids: The jobs it names; none unless it is accepted.
        project_id: The project it names, for one that names no job.
        delivery_id: The vendor's id of the delivery, or else of the event.
        reason: Why it is refused, for a log; not for the sender.
    """

    verdict: Verdict
    http_status: int
    job_ids: tuple[str, ...] = ()
    project_id: str | None = None
    delivery_id: str | None = None
    reason: str | None = None


class _Vendor(Struct, frozen=True):
    """The headers that a vendor documents for its webhooks, in lower case."""

    signature: str | None = None
    delivery: str | None = None


_VENDORS: Mapping[str, _Vendor] = {
    "bedrock": _Vendor(),
    "capydb": _Vendor(signature="x-capydb-signature", delivery="x-capydb-delivery"),
}


class _Event(Struct, frozen=True):
    """The envelope of both vendors; what is not as documented is left unread."""

    id: object = None
    type: object = None
    data: Raw = Raw(b"null")


class _Subject(Struct, frozen=True):
    """What an event is about. Bedrock documents ``job_id``; for CapyDB's ``job.*`` events nothing is documented."""

    job_id: object = None
    job: Raw = Raw(b"null")
    id: object = None
    project_id: object = None


_events = msgspec.json.Decoder(_Event)
_subjects = msgspec.json.Decoder(_Subject)


def webhook_signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature that a CapyDB webhook is taken to carry: HMAC-SHA256 over ``timestamp.body``, in hex.

    CapyDB documents the header ``X-CapyDB-Signature: t=<unix-timestamp>,v1=<hex hmac>``, HMAC-SHA256 and "a
    timestamped payload". That the two are joined by a full stop, and that the key is the whole secret with its
    ``whsec_``, is an inference from the same header as Stripe sends it; it has not been seen to hold. Pass another
    function as `Webhooks`' `sign` where it does not.

    Args:
        secret: The endpoint's signing secret.
        timestamp: The ``t`` of the header, as it was sent.
        body: The body, as it was sent.
    """
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhooks:
    """Checks the webhooks of one API, and says which jobs they are about.

    It remembers the ids of deliveries, so one object is to serve all webhooks of an endpoint.

    Args:
        api: "capydb" or "bedrock", the APIs of which webhooks are known.
        secrets: CapyDB's signing secrets (``whsec_...``); two while the old one is being replaced. Bedrock documents
            no signature, so anybody who knows the URL can have jobs that you watch looked at, each as often as the
            pace's ``min_interval`` allows: no more, and nothing that is sent is believed.
        token: A secret of your own that each request must carry: a long random word.
        token_header: The header that carries it. By default it is the last part of the URL's path; the logs of a
            server may show that.
        sign: Computes the signature, in hex, from the secret, the header's timestamp and the body; see
            `webhook_signature` for what is not known of it.
        tolerance: How far a signature's timestamp may be from now, in seconds.
        max_body: How many bytes a body may have.
        remembered: The ids of how many deliveries are remembered. Where deliveries are signed, and more come within
            `tolerance`, those are refused that were signed before the oldest that is remembered.

    Raises:
        ConfigError: An argument is missing or wrong.
    """

    def __init__(
        self,
        api: str,
        *,
        secrets: str | Iterable[str] = (),
        token: str | None = None,
        token_header: str | None = None,
        sign: Callable[[str, str, bytes], str] = webhook_signature,
        tolerance: float = 300.0,
        max_body: int = 1 << 20,
        remembered: int = 10_000,
    ) -> None:
        self.api = api
        self.max_body = max_body
        self._secrets = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        self._token = None if token is None else token.encode("utf-8", "surrogatepass")
        self._token_header = None if token_header is None else token_header.lower()
        del secrets, token  # a traceback that shows local variables shall not show these two
        if api not in _VENDORS:
            raise ConfigError(f"no webhooks of {api!r} are known, only those of {' and '.join(sorted(_VENDORS))}")
        self._vendor = _VENDORS[api]
        self._check()
        if not 0.0 <= tolerance < float("inf"):
            raise ConfigError(f"tolerance must be a finite number of seconds, 0 or more, not {tolerance!r}")
        if max_body < 1 or remembered < 1:
            raise ConfigError(f"max_body and remembered must be at least 1, not {max_body} and {remembered}")
        self._sign = sign
        self._tolerance = tolerance
        self._seen: set[str] = set()
        self._order: deque[tuple[tuple[str, ...], int]] = deque()
        self._forgotten_until = -1
        self._remembered = remembered

    def __repr__(self) -> str:
        """Name the API, and no secret."""
        return f"Webhooks({self.api!r})"

    def _check(self) -> None:
        if self._vendor.signature is None and self._secrets:
            raise ConfigError(f"{self.api} documents no signature: leave out secrets; a token of your own can be used")
        if self._vendor.signature is not None and not self._secrets:
            raise ConfigError(f"{self.api} signs its webhooks: pass the endpoint's signing secret as secrets")
        for secret in self._secrets:
            if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
                raise ConfigError("a signing secret is empty or holds white space or other than ASCII characters")
        if self._token_header is not None and self._token is None:
            raise ConfigError("token_header names the header of a token: pass the token too")
        if self._token == b"" or (self._token_header is None and b"/" in (self._token or b"")):
            raise ConfigError("the token is empty, or cannot be the last part of a path since it holds a slash")

    def receive(
        self,
        headers: Mapping[str, str] | Iterable[tuple[str, str]],
        body: bytes,
        now: float,
        *,
        method: str = "POST",
        path: str = "/",
    ) -> Received:
        """Check one request, and return what it comes to; the request need be in no order at all.

        Args:
            headers: Its headers, in any case.
            body: Its body as it was sent; of one that is longer than `max_body`, one byte more is enough.
            now: Unix seconds.
            method: Its method.
            path: The path of its URL, where a token is looked for.
        """
        if method != "POST":
            return _refused(405, "the method is not POST")
        if len(body) > self.max_body:
            return _refused(413, f"the body is longer than {self.max_body} bytes")
        fields = _fields(headers)
        signed_at = self._timestamp_in(fields)
        reason = self._unproven(fields, path) or self._unsigned(fields, body, signed_at, now)
        if reason is not None:
            return _refused(401, reason)
        try:
            event = _events.decode(body)
            subject = _subject_in(event.data)
            job_ids = _jobs_of(event, subject)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return _refused(400, "the body is not the JSON object that is documented")
        delivery_id = _id_of(fields.get(self._vendor.delivery)) if self._vendor.delivery is not None else None
        # The header is not signed, and the event's id is: neither may be new for a delivery to be.
        ids = delivery_id and f"delivery {delivery_id}", (event_id := _id_of(event.id)) and f"event {event_id}"
        if not self._is_new(tuple(known for known in ids if known), signed_at, body):
            return Received(Verdict.DUPLICATE, 200, delivery_id=delivery_id or event_id)
        project_id = None if job_ids else _id_of(subject.project_id)
        return Received(Verdict.ACCEPTED, 200, job_ids, project_id, delivery_id or event_id)

    def _unproven(self, fields: Mapping[str, str], path: str) -> str | None:
        """Return what is wrong with a request's token, if anything is."""
        if self._token is None:
            return None
        given = path.rpartition("/")[2] if self._token_header is None else fields.get(self._token_header, "")
        return None if hmac.compare_digest(_bytes(given), self._token) else "its token is missing or wrong"

    def _signature_parts(self, fields: Mapping[str, str], name: str) -> list[str]:
        header = fields.get(self._vendor.signature or "", "")
        return [value for key, _, value in (part.strip().partition("=") for part in header.split(",")) if key == name]

    def _timestamp_in(self, fields: Mapping[str, str]) -> str:
        """Return the digits of the time at which a request was signed; "" if it has none, or not just one."""
        stamps = self._signature_parts(fields, "t")
        return stamps[0] if len(stamps) == 1 and _TIMESTAMP.fullmatch(stamps[0]) else ""

    def _unsigned(self, fields: Mapping[str, str], body: bytes, signed_at: str, now: float) -> str | None:
        """Return what is wrong with a request's signature, if anything is."""
        if self._vendor.signature is None:
            return None
        given = [_bytes(value.lower()) for value in self._signature_parts(fields, "v1")]
        if not signed_at or not 1 <= len(given) <= _MOST_SIGNATURES:
            return "it has no signature as documented"
        if not abs(now - int(signed_at)) <= self._tolerance:
            return "its signature is too old, or of a time to come"
        expected = [_bytes(self._sign(secret, signed_at, body).lower()) for secret in self._secrets]
        matches = [hmac.compare_digest(one, other) for one in expected for other in given]
        if not any(matches):
            return "its signature does not match"
        # Once the memory is full, what was signed before its oldest entries cannot be told from a repetition.
        return "it is older than what is remembered" if int(signed_at) <= self._forgotten_until else None

    def _is_new(self, ids: tuple[str, ...], signed_at: str, body: bytes) -> bool:
        if signed_at and not ids:
            ids = (f"{signed_at} {hashlib.sha256(body).hexdigest()}",)
        if not self._seen.isdisjoint(ids):
            return False
        if ids:
            self._seen.update(ids)
            self._order.append((ids, int(signed_at or 0)))
            if len(self._order) > self._remembered:
                forgotten, at = self._order.popleft()
                self._seen.difference_update(forgotten)
                self._forgotten_until = max(self._forgotten_until, at)
        return True


def _refused(http_status: int, reason: str) -> Received:
    return Received(Verdict.REFUSED, http_status, reason=reason)


def _fields(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names in lower case; those that stand there twice are joined, as HTTP has it."""
    fields: dict[str, str] = {}
    if isinstance(headers, Mapping):
        headers = cast("Mapping[str, str]", headers).items()
    for name, value in headers:
        key = name.lower()
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return fields


def _subject_in(data: Raw) -> _Subject:
    return _subjects.decode(data) if bytes(data)[:1] == b"{" else _Subject()


def _jobs_of(event: _Event, subject: _Subject) -> tuple[str, ...]:
    # The `id` of an event's data is the job's where the event is the job's: `job.completed`.
    own = subject.id if isinstance(event.type, str) and event.type.startswith("job.") else None
    ids = (_id_of(value) for value in (subject.job_id, _subject_in(subject.job).id, own))
    return tuple(dict.fromkeys(job_id for job_id in ids if job_id is not None))


def _id_of(value: object) -> str | None:
    """Return an id as text; None for what cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return str(value)
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
