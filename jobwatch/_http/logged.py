"""What is logged of requests: one line each, at DEBUG, by ``jobwatch.http``. No line shows a secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .._models import Fault, printable
from .secrets import masked

if TYPE_CHECKING:
    from yarl import URL

    from .._reading.reply import Reply
    from .credentials import Credentials
    from .proxies import Proxy
    from .target import Target

LOGGER = logging.getLogger("jobwatch.http")


class RequestLog:
    """Logs what one transport sends, and what comes of it.

    Args:
        credentials: What is sent with each request, none of which is shown.
        proxy: What the requests go through.
    """

    def __init__(self, credentials: Credentials, proxy: Proxy | None) -> None:
        self._credentials = credentials
        self._via = "" if proxy is None else f" through the proxy {proxy.name}"

    def __repr__(self) -> str:
        return "RequestLog()"

    def answer(self, target: Target, answer: Reply | Fault | None, seconds: float) -> None:
        """Log a look: its answer, or None where nobody waits for that any more.

        Args:
            target: What was asked for.
            answer: What came of it.
            seconds: How long that took, redirects and the body included.
        """
        match answer:
            case None:
                told = f"given up after {seconds:.3f} s"
            case Fault():
                status = answer.http_status or "no answer"
                told = f"{status} in {seconds:.3f} s: {answer.message}"
            case _:
                told = f"{answer.http_status} in {seconds:.3f} s, {len(answer.body)} bytes"
        self._line(target, f"{self._via}: {told}")

    def redirect(self, target: Target, status: int, url: URL) -> None:
        """Log that the server leads on to another URL of the same origin."""
        self._line(target, f": {status}, which leads to {url}", url.raw_query_string)

    def again(self, target: Target) -> None:
        """Log that a request is sent once more."""
        self._line(target, ": sent again, since the connection had been kept alive and was lost before any answer")

    def stream(self, target: Target, end: Fault | None, seconds: float) -> None:
        """Log the end of a stream of events."""
        told = "closed" if end is None else end.message
        self._line(target, f"{self._via}: the stream of events ended after {seconds:.3f} s: {told}")

    def _line(self, target: Target, told: str, query: str = "") -> None:
        if not LOGGER.isEnabledFor(logging.DEBUG):  # as is asked before a look begins, but not before what is rare
            return
        secrets = self._credentials.secrets(target.url.raw_query_string, target.body)
        if query:
            secrets |= self._credentials.secrets(query, None)
        LOGGER.debug("%s", masked(printable(f"{_method(target)} {target.url}{told}"), secrets))


def _method(target: Target) -> str:
    return "HEAD" if target.is_head else "GET" if target.body is None else "POST"
