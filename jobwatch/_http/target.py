"""What is asked for: a URL made ready once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL


class Target:
    """A URL made ready once and used for every look at the same thing; see `Transport.prepared`.

    Attributes:
        headers: What is sent with this request alone.
        is_head: Whether it is asked for by HEAD.
        limit: How long it may take, in seconds, where that is not as long as any may.
    """

    __slots__ = ("body", "headers", "is_head", "limit", "path", "url")

    def __init__(self, url: URL, path: str, body: bytes | None = None) -> None:
        self.url = url
        self.path = path
        self.body = body
        self.is_head = False
        self.headers: Mapping[str, str] | None = None
        self.limit = 0.0

    def __repr__(self) -> str:
        return f"Target({self.path!r})"
