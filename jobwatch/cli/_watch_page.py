"""``jobwatch watch --serve``: the jobs on a page in a browser, and on the terminal no more than the link to it."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .._serving.page.address import Address
from ._output import note, without_secrets
from ._render import safe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .._serving.page.served import Served
    from ._watch_news import Feed, News

ENDED = "All jobs have ended."


class PageView:
    """A page that is served, as a viewer of what is new.

    Args:
        served: The page.
    """

    every = 0.2  # progress and looks are no changes that are told of, and are to be seen as soon

    def __init__(self, served: Served) -> None:
        self._served = served

    def take(self, _: News) -> None:
        """Have open pages show what is new."""
        self._served.show()

    def end(self) -> None:
        """Tell open pages that all is over."""
        self._served.end(ENDED)


@contextlib.asynccontextmanager
async def served(address: Address | None, feed: Feed) -> AsyncGenerator[PageView | None]:
    """Serve a page of what a feed reads, and print the link to it; without an address do nothing.

    Args:
        address: Where.
        feed: Reads the jobs.

    Raises:
        ConfigError: The address cannot be listened at.
    """
    if address is None:
        yield None
        return
    from .._serving.page.served import Served  # noqa: PLC0415 - it imports a server, which nothing else here needs

    if not address.is_loopback:
        note(f"{safe(address.authority)} can be reached from elsewhere, and what goes there is not encrypted")
    page = Served(feed.overview, address, clean=without_secrets, entered=_tell_again, clock=feed.unix)
    async with page:
        note(f"the jobs are shown at {page.link}")
        yield PageView(page)


def _tell_again(link: str) -> None:
    note(f"a browser was let in; another one gets in by {link}")


class PageFace:
    """Prints nothing: what there is to see is on the page."""

    every = 1.0
    stays = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def take(self, news: News) -> None:
        """Print nothing."""

    async def until_quit(self) -> None:
        """Wait for ever."""
        await asyncio.get_running_loop().create_future()
