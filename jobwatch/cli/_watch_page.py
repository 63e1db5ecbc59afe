"""``jobwatch watch --serve``: the jobs on a page in a browser, and on the terminal no more than the link to it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .._serving.page.address import Address
from ._output import note, without_secrets
from ._render import safe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from .._report.overview import Totals
    from .._serving.page.served import Served
    from ._watch_news import Feed, News

ENDED = "All jobs have ended."
_READ_WITHIN = 2.0
"""After how many seconds the link is printed though no job was read yet."""


class PageView:
    """A page that is served, as a viewer of what is new.

    Args:
        served: The page.
        totals: Returns all its jobs in numbers at a time.
        is_lasting: Whether more jobs may come.
    """

    every = 0.2  # progress and looks are no changes that are told of, and are to be seen as soon

    def __init__(self, served: Served, totals: Callable[[float], Totals], *, is_lasting: bool) -> None:
        self._served = served
        self._totals = totals
        self._is_lasting = is_lasting
        self._link_due: float | None = None

    def take(self, news: News) -> None:
        """Have open pages show what is new, and say where they are once there is anything to follow on them."""
        self._served.show()
        if self._link_due is None:
            self._link_due = news.now + _READ_WITHIN
        if self._link_due < math.inf:
            # Of jobs that have all ended the link would be of no use: the page goes with this command.
            totals = self._totals(news.now)
            if self._is_lasting or totals.phases or (totals.going_on and news.now >= self._link_due):
                self._link_due = math.inf
                note(f"the jobs are shown at {self._served.link}")

    def end(self) -> None:
        """Tell open pages that all is over."""
        self._served.end(ENDED)


@contextlib.asynccontextmanager
async def served(address: Address | None, feed: Feed, *, is_lasting: bool) -> AsyncGenerator[PageView | None]:
    """Serve a page of what a feed reads, whose view prints the link to it; without an address do nothing.

    Args:
        address: Where.
        feed: Reads the jobs.
        is_lasting: Whether more jobs may come.

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
        yield PageView(page, feed.overview.totals, is_lasting=is_lasting)


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
