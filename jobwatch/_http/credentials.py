"""What goes with every request and may hold a secret: the headers, and a part of the query. No repr shows it."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .._models import printable
from .._reading.patterns import pattern
from .secrets import Secrets, in_body, in_headers, in_query, spellings, without
from .urls import quoted, with_secret

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientResponse
    from aiohttp.client_middlewares import ClientHandlerType
    from yarl import URL

    from .._models import Fault

_HEADER_NAME = pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OUR_HEADER = pattern(
    r"accept-encoding|connection|content-length|expect|host|if-none-match|transfer-encoding|upgrade", re.IGNORECASE
)
_HEADER_VALUE = pattern(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_FORMER = 4
"""How many that were replaced are remembered: a late reply may quote one."""

NO_SECRETS: Final = Secrets()


class Credentials:
    """Headers, and a part of the query, that no repr shows.

    Args:
        headers: What the caller wants sent with every request.
        query: The name and value of a part of every request's query, if the token goes there.
        also: What else is a secret, such as a token that stands in a header within other text.
    """

    __slots__ = ("_also", "_former", "_headers", "_query", "_spelt")

    def __init__(self, headers: Mapping[str, str], query: tuple[str, str] | None, also: Secrets = NO_SECRETS) -> None:
        self._headers = dict(headers)
        self._query = query
        self._also = also
        self._former: deque[frozenset[str]] = deque(maxlen=_FORMER)
        self._spelt: Secrets | None = None

    def replace(self, headers: Mapping[str, str], query: tuple[str, str] | None, also: Secrets) -> None:
        """Send these from now on; what was sent before stays a secret."""
        self._former.append(self.secrets("", None))
        self._headers, self._query, self._also, self._spelt = dict(headers), query, also, None

    def theirs(self) -> dict[str, str]:
        """Return the caller's headers; a method, so that no repr shows them."""
        return dict(self._headers)

    def __repr__(self) -> str:
        return "Credentials()"

    def trouble(self) -> str | None:
        """Return why the headers cannot be sent, naming the header and never its value."""
        for name in self._headers:
            if not _HEADER_NAME.fullmatch(name):
                return f"not a header name: {printable(name)}"
            if _OUR_HEADER.fullmatch(name):
                return f"the header {name} is not for the caller to set"
            if not _HEADER_VALUE.fullmatch(self._headers[name]):
                return (
                    f"the value of the header {name} is empty or not printable ASCII; does a token end in a line end?"
                )
        return None

    def complete(self, url: URL | None = None, accept: str = "application/json") -> dict[str, str]:
        """Return everything that is sent: the caller's headers over ours, and the host of a URL."""
        version = getattr(sys.modules.get("jobwatch"), "__version__", None)
        ours = {
            "Accept": accept,
            # Job records are small, and a decoder is one more thing that can be cut short or blown up unseen.
            "Accept-Encoding": "identity",
            # Whatever stands between, an answer that was kept is not how the job stands now. RFC 9111, section 5.2.1.4.
            "Cache-Control": "no-cache",
            "User-Agent": f"jobwatch/{version}" if version else "jobwatch",
        }
        theirs = {name.lower() for name in self._headers}
        host = {"Host": url.host_port_subcomponent or ""} if url else {}
        return host | {name: value for name, value in ours.items() if name.lower() not in theirs} | self._headers

    def query(self) -> str | None:
        """Return what goes into the query of every request, encoded."""
        return None if self._query is None else "=".join(quoted(part) for part in self._query)

    async def in_query(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Put it there when aiohttp sends a request, so that no URL of ours or of the response holds it."""
        from yarl import URL  # noqa: PLC0415  # a part of aiohttp's stack, which is imported late

        secret = self.query()
        if secret is not None:
            target = with_secret(request.url.raw_path_qs, secret)
            request.url = URL(f"{request.url.origin()}{target}", encoded=True)
        return await handler(request)

    def of_body(self) -> dict[str, str] | None:
        """Return what a body is sent with, if the caller's headers do not say it."""
        theirs = {name.lower() for name in self._headers}
        return None if "content-type" in theirs else {"Content-Type": "application/json"}

    def secrets(self, query: str, body: bytes | None) -> frozenset[str]:
        """Return what is secret in a request.

        Args:
            query: Its query, encoded, without what is added to it here.
            body: Its body, if it has one.
        """
        if self._spelt is None:  # once for each token: a server that is down fails every look
            sent = in_headers(self._headers)
            self._spelt = Secrets(sent if self._query is None else sent | spellings(self._query[1]))
        found = self._spelt.union(self._also, *self._former)
        if query:
            found |= in_query(query)
        return found if body is None else found | in_body(body)

    def scrubbed(self, fault: Fault, url: URL, body: bytes | None) -> Fault:
        """Return a fault without the secrets of its request, which the server may have quoted back at us."""
        return without(self.secrets(url.raw_query_string, body), fault)
