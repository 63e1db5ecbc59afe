"""What can go wrong with an answer, as values; `_wire` sends them."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

from msgspec import Struct

from .._errors import ConfigError
from .._models import JSON
from ._answer import Answer, Headers, pairs

_LOGIN_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form>Password: </form></body></html>\n"


class Kind(enum.Enum):
    """In which way a request goes wrong."""

    STATUS = enum.auto()
    BODY = enum.auto()
    CHANGED = enum.auto()
    STALE = enum.auto()
    LATE = enum.auto()
    HANG = enum.auto()
    TRUNCATED = enum.auto()
    RESET = enum.auto()
    DISCONNECT = enum.auto()
    RAW = enum.auto()


class Trouble(Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """One way in which a request goes wrong; made by the class methods, given to `JobServer.trouble`."""

    kind: Kind
    code: int = 200
    data: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    fields: dict[str, JSON] = {}
    dropped: tuple[str, ...] = ()
    other_id: str | None = None
    size: int | None = None
    seconds: float | None = None
    framing: str = "length"
    close: bool = True

    @classmethod
    def status(cls, code: int, body: bytes | None = None, headers: Headers | None = None) -> Trouble:
        """Answer with this HTTP status.

        Args:
            code: Without a body, 400 and above give the API's own documented error body, below 300 the usual answer
                under this code, and 3xx none.
            body: Sent as ``application/json``.
            headers: Sent with it; pairs if one comes twice.

        Raises:
            ConfigError: The code or a header cannot be sent so; `raw` sends anything.
        """
        if not 200 <= code <= 999:
            raise ConfigError(f"no whole answer has the status {code}: use Trouble.raw for it")
        if body is not None:
            return cls.body(body, "application/json", status=code, headers=headers)
        return cls(kind=Kind.STATUS, code=code, headers=_sendable(headers))

    @classmethod
    def body(
        cls,
        data: bytes,
        content_type: str | None = "application/json",
        status: int = 200,
        headers: Headers | None = None,
    ) -> Trouble:
        """Answer with these bytes, whatever they are."""
        return cls(kind=Kind.BODY, data=data, content_type=content_type, code=status, headers=_sendable(headers))

    @classmethod
    def html(cls, status: int = 200) -> Trouble:
        """Answer with a login page, as a captive portal or a proxy does."""
        return cls.body(_LOGIN_PAGE, "text/html; charset=utf-8", status)

    @classmethod
    def empty(cls, status: int = 200) -> Trouble:
        """Answer without a body."""
        return cls.body(b"", None, status)

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> Trouble:
        """Answer with a redirect to this location."""
        return cls.body(b"", None, status, {"Location": location})

    @classmethod
    def throttled(cls, retry_after: str | None = "1", status: int = 429) -> Trouble:
        """Answer that there were too many requests, with this ``Retry-After`` verbatim, or without one."""
        return cls.status(status, headers=() if retry_after is None else {"Retry-After": retry_after})

    @classmethod
    def wrong_job(cls, job_id: str = "job_of_somebody_else") -> Trouble:
        """Answer with the job under another id, as a broken cache does."""
        return cls(kind=Kind.CHANGED, other_id=job_id)

    @classmethod
    def changed(cls, fields: Mapping[str, JSON] | None = None, drop: tuple[str, ...] = ()) -> Trouble:
        """Answer with some fields of the job's record replaced, added or dropped."""
        return cls(kind=Kind.CHANGED, fields=dict(fields or {}), dropped=drop)

    @classmethod
    def stale(cls, seconds: float) -> Trouble:
        """Answer as the job was so many seconds ago, as a lagging replica does."""
        return cls(kind=Kind.STALE, seconds=_above_zero("stale", seconds))

    @classmethod
    def hang(cls, seconds: float | None = None) -> Trouble:
        """Answer so many seconds later, or never."""
        if seconds is None:
            return cls(kind=Kind.HANG)
        return cls(kind=Kind.LATE, seconds=_above_zero("hang", seconds))

    @classmethod
    def truncated(cls, at: int | None = None, framing: str = "length") -> Trouble:
        """Answer with the first `at` bytes of the body (half by default) and close the connection.

        Args:
            at: Bytes of the body that are sent.
            framing: How the answer says where its body ends: "length" (Content-Length), "chunked", or "close" (by
                closing the connection, so that nothing in HTTP shows the cut).

        Raises:
            ConfigError: There is no such framing.
        """
        if framing not in {"length", "chunked", "close"}:
            raise ConfigError(f"unknown framing {framing!r}: use 'length', 'chunked' or 'close'")
        return cls(kind=Kind.TRUNCATED, size=at, framing=framing)

    @classmethod
    def reset(cls) -> Trouble:
        """Reset the connection (TCP RST) in place of an answer."""
        return cls(kind=Kind.RESET)

    @classmethod
    def disconnect(cls) -> Trouble:
        """Close the connection (TCP FIN) in place of an answer."""
        return cls(kind=Kind.DISCONNECT)

    @classmethod
    def raw(cls, data: bytes, close: bool = True) -> Trouble:
        """Send these bytes, status line and all, then close the connection or leave it open and silent."""
        return cls(kind=Kind.RAW, data=data, close=close)


def replaced(trouble: Trouble) -> Answer:
    """Return the answer that a trouble of the kind BODY gives in place of the API's."""
    return Answer(trouble.code, trouble.data, trouble.content_type, trouble.headers)


def edited(record: dict[str, JSON], trouble: Trouble, id_field: str) -> dict[str, JSON]:
    """Return the job's record with the trouble's changes."""
    changed = {name: value for name, value in record.items() if name not in trouble.dropped} | trouble.fields
    return changed if trouble.other_id is None else changed | {id_field: trouble.other_id}


def _above_zero(what: str, amount: float) -> float:
    if not 0 < amount < math.inf:
        raise ConfigError(f"Trouble.{what} needs an amount above zero, not {amount}")
    return amount


def _sendable(headers: Headers | None) -> tuple[tuple[str, str], ...]:
    made = pairs(headers)
    for name, value in made:
        if any(char in name + value for char in "\r\n\0"):
            raise ConfigError(f"header {name!r} holds a line end or a NUL: use Trouble.raw to send one")
    return made
