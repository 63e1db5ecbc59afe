"""The page of a watcher's jobs, for services: what the command serves by ``jobwatch watch --serve``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Self

from ..._client.access import engine_of, learned_by, secrets_of
from ..._errors import JobwatchError
from ..._http.secrets import masked
from ..._http.tasks import finished
from ..._report.overview import Overview
from ..._watching.beside import Beside
from ..._watching.watcher import client_of
from .address import address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from ..._watching.watcher import Watcher
    from .served import Served

_log = logging.getLogger("jobwatch")

_READ_EVERY = 1.0
_LEAST_PAUSE = 0.1


class WatchPage:
    """Serves one live page of all jobs that a watcher watches, to be opened in a browser.

    Use it as an async context manager within the watcher's own, or call `start` and `aclose`. It takes no changes: the
    watcher's loop or `on_change` gets every one, as without it.

    Nobody sees the page without a link. Each lets one browser in, once, so that what is left of it in a browser's
    history opens nothing; `url` is then another one. The page is plain HTTP: beyond this machine, have it go through
    ``ssh -L`` or a proxy that speaks TLS.

    Args:
        watcher: The watcher, which has been started.
        address: Where to serve it, as ``HOST:PORT``; port 0 takes a free one. Beyond loopback, whoever can reach the
            address can try to open the page, and whoever is on the way can read along.
        hosts: The names under which a proxy passes it on, such as ``jobs.example.com``: under names that it does not
            know it answers nobody, since any page on the web could have a name of its own lead here.
        on_link: Called with each link: the first, and a new one when the one before has let a browser in.

    Raises:
        ConfigError: The address is none.
    """

    def __init__(
        self,
        watcher: Watcher,
        address: str = "127.0.0.1:8787",
        *,
        hosts: Iterable[str] = (),
        on_link: Callable[[str], None] | None = None,
    ) -> None:
        self._watcher = watcher
        self._address = address_of(address)
        self._hosts = (hosts,) if isinstance(hosts, str) else tuple(hosts)
        self._on_link = on_link
        self._served: Served | None = None
        self._stack = contextlib.AsyncExitStack()
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        """Name the address, and no link."""
        return f"<WatchPage at {self._address.authority}>"

    async def __aenter__(self) -> Self:
        """Begin to serve the page; that ends when the block is left."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving it."""
        await self.aclose()

    @property
    def url(self) -> str:
        """A link that lets one browser in, once: to be shown to those who may see all jobs, and to nobody else.

        Raises:
            JobwatchError: The page is not served.
        """
        if self._served is None or self._closing is not None:
            raise JobwatchError("this page is not served; use `async with`, or call start()")
        return self._served.link

    async def start(self) -> None:
        """Begin to serve the page.

        Raises:
            ConfigError: The address cannot be listened at.
            JobwatchError: The watcher was not started or is closed, or has a page already.
        """
        from .served import Served  # noqa: PLC0415 - late, since most who import jobwatch serve no page

        if self._served is not None or self._closing is not None:
            raise JobwatchError("this page has been started before; make a new one")
        client = client_of(self._watcher)
        poller = engine_of(client)
        overview = Overview(learned_by(client))
        try:
            source = await self._stack.enter_async_context(Beside(self._watcher))
            overview.take(await source.read(0.0), poller.unix())
            served = Served(
                overview,
                self._address,
                names=self._hosts,
                clean=lambda text: masked(text, secrets_of(client)),
                entered=self._on_link,
                clock=poller.unix,
            )
            self._served = await self._stack.enter_async_context(served)
            if self._on_link is not None:
                self._on_link(served.link)
        except BaseException:
            self._served = None
            await self._stack.aclose()
            raise
        showing = asyncio.get_running_loop().create_task(self._show(source, overview), name="jobwatch page")
        showing.add_done_callback(self._stopped)
        self._stack.push_async_callback(_ended, showing)

    async def aclose(self) -> None:
        """Stop serving the page; open ones are told so, and show what they know."""
        if self._served is None:
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._stack.aclose(), name="jobwatch page's end")
        await finished(self._closing)

    async def _show(self, source: Beside, overview: Overview) -> None:
        now = engine_of(client_of(self._watcher)).unix
        while True:
            overview.take(await source.read(_READ_EVERY), now())
            overview.refresh(now())
            if self._served is not None:
                self._served.show()
            await asyncio.sleep(_LEAST_PAUSE)  # thousands of jobs are gone through for what has changed: not too often

    def _stopped(self, showing: asyncio.Task[None]) -> None:
        """Tell of a fault that has ended what shows changes; a page that stands still must say so."""
        if showing.cancelled() or self._served is None:
            return
        _log.error("the page of watched jobs shows no more changes", exc_info=showing.exception())
        self._served.end("The page has stopped by a fault of its own, which the service's log tells of.")


async def _ended(showing: asyncio.Task[None]) -> None:
    showing.cancel()
    await asyncio.wait([showing])
