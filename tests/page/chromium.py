"""Debian's Chromium, headless: driven by Playwright, and where that will not do by the browser's own protocol."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from types import TracebackType
from typing import Any, Self

import aiohttp
import pytest

PATH = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def needed() -> str:
    """Return where Chromium is, or skip the test."""
    pytest.importorskip("playwright", reason="pip install playwright")
    if PATH is None:
        pytest.skip("no Chromium: apt-get install chromium")
    return PATH


class Tabs:
    """A Chromium of its own, whose tabs go to the background as a user's do; under Playwright all count as seen."""

    def __init__(self) -> None:
        self._number = 0

    async def __aenter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [needed(), *ARGUMENTS, "--remote-debugging-port=0", f"--user-data-dir={self._profile.name}"]
        self._process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        assert self._process.stderr is not None
        async with asyncio.timeout(20):
            while (found := re.search(rb"ws://\S+", await self._process.stderr.readline())) is None:
                pass
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(found[0].decode(), max_msg_size=0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._session.close()
        self._process.kill()
        await self._process.communicate()
        self._profile.cleanup()

    async def ask(self, method: str, session: str | None = None, /, **params: Any) -> Any:
        """Send a command, and return what it gives."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json(message if session is None else message | {"sessionId": session})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def open(self, url: str) -> str:
        """Open a page in a tab before all others, and return the name under which it is asked."""
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        tab = str(attached["sessionId"])
        await self.ask("Page.navigate", tab, url=url)
        return tab

    async def value(self, tab: str, expression: str) -> Any:
        """Return what an expression comes to in a page."""
        told = await self.ask("Runtime.evaluate", tab, expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, tab: str, expression: str) -> None:
        """Wait until an expression is true in a page."""
        async with asyncio.timeout(20):
            while not await self.value(tab, expression):  # noqa: ASYNC110 - nothing rings a bell here
                await asyncio.sleep(0.05)

    async def heap(self, tab: str) -> int:
        """Return how many bytes a page's values and elements take, once what is not used any more is gone."""
        for _ in range(2):
            await self.ask("HeapProfiler.collectGarbage", tab)
        usage = await self.ask("Runtime.getHeapUsage", tab)
        return int(usage["usedSize"] + usage["embedderHeapUsedSize"] + usage["backingStorageSize"])
