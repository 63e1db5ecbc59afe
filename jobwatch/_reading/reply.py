"""A reply as a value: what the transport hands on of an answer that can be read. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class RateLimit(Struct, frozen=True):
    """What the API says is left of its request budget.

    Attributes:
        remaining: How many requests are left in the current window.
        limit: How many requests the window allows, where known.
        reset_in: Seconds until the window ends, from 0 to an hour, where the header makes sense.
    """

    remaining: int
    limit: int | None = None
    reset_in: float | None = None


class Reply(Struct, frozen=True, omit_defaults=True):
    """An answer that can be read, with what its headers say.

    Attributes:
        http_status: The HTTP status: 2xx, or 304 for "not changed since your etag".
        body: The whole body as sent; empty for a 304.
        etag: The validator to send with the next look.
        server_time: The server's clock when it answered, in unix seconds.
        rate: What is left of the request budget.
        request_id: The API's id of the request, to quote to its support.
        content_type: The media type, as sent.
        looks: How many requests were made for it, other than those that redirects led to.
        retry_after: For how many seconds it asks that nothing more be asked.
        headers: The headers that the API wants, by their names in lower case.
        age: For how many seconds a cache on the way had kept it, where that says so. RFC 9111, section 5.1.
    """

    http_status: int
    body: bytes
    etag: str | None = None
    server_time: float | None = None
    rate: RateLimit | None = None
    request_id: str | None = None
    content_type: str | None = None
    looks: int = 1
    retry_after: float | None = None
    headers: Mapping[str, str] = {}
    age: float | None = None

    def __repr__(self) -> str:
        return f"Reply({self.http_status}, {len(self.body)} bytes)"
