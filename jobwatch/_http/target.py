"""What is asked for: a URL made ready once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL


class Target:
    """A URL made ready once and used for every look at the same thing; see `Transport.prepared`.

    Args:
        origin: The URL's scheme, host and port, as they begin it.
        path: Its path, encoded.
        query: Its query, encoded, if it has one.
        body: What a POST sends; None for a GET.

    Attributes:
        path_and_query: What is asked of the server.
        headers: What is sent with this request alone.
        is_head: Whether it is asked for by HEAD.
        limit: How long it may take, in seconds, where that is not as long as any may.
    """

    __slots__ = ("_origin", "_url", "body", "headers", "is_head", "limit", "path", "path_and_query")

    def __init__(self, origin: str, path: str, query: str | None = None, body: bytes | None = None) -> None:
        self._origin = origin
        self._url: URL | None = None
        self.path = path
        self.path_and_query = f"{path}?{query}" if query else path
        self.body = body
        self.is_head = False
        self.headers: Mapping[str, str] | None = None
        self.limit = 0.0

    def __repr__(self) -> str:
        return f"Target({self.path!r})"

    @property
    def url(self) -> URL:
        """The URL, made when it is first asked for: a plain look needs none, and it takes more room than a job."""
        if self._url is None:
            from yarl import URL  # noqa: PLC0415  # a first look goes without aiohttp, and without this

            self._url = URL(f"{self._origin}{self.path_and_query}", encoded=True)
        return self._url
