"""An overview, served: what the command and `WatchPage` have in common."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Self

from .address import Address
from .feed import Feed
from .server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from ..._report.overview import Overview

_STOPPED = "The watch was stopped; the jobs go on."


class Served:
    """A page of an overview, as an async context manager.

    Args:
        overview: The jobs.
        address: Where it is served.
        names: The names that it goes by, beside ``localhost`` and IP addresses.
        clean: Takes secrets out of texts.
        entered: Called with a new link when the one before has let a browser in.
        clock: Returns Unix seconds, by the clock that looks are dated by.
    """

    def __init__(
        self,
        overview: Overview,
        address: Address,
        *,
        names: Iterable[str] = (),
        clean: Callable[[str], str] = str,
        entered: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._feed = Feed(overview, clean, clock)
        known_as = socket.gethostname() if address.is_any else address.host
        tell = None if entered is None else lambda: entered(self.link)
        self._server = Server(self._feed, address, known_as=known_as, names=names, entered=tell)

    async def __aenter__(self) -> Self:
        """Begin to serve it.

        Raises:
            ConfigError: The address cannot be listened at.
        """
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Tell open pages that it is over, and stop."""
        self.end(_STOPPED)
        await self._server.aclose()

    @property
    def link(self) -> str:
        """What lets one browser in, once; then there is another."""
        return self._server.link

    def show(self) -> None:
        """Have open pages show what is new in the overview."""
        self._feed.ring()

    def end(self, why: str) -> None:
        """Tell open pages, and those that come, that nothing more will come; the first reason given stands.

        Args:
            why: A sentence for people.
        """
        if self._feed.over is None:
            self._feed.end(why)
