"""Reading the page's events as they come, without a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec


class Reader:
    """Reads the events as they come."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def event(self) -> tuple[str, Any]:
        name, data = "", b""
        async for line in self.answer.content:
            text = line.rstrip(b"\n")
            if text.startswith(b"event: "):
                name = text[7:].decode()
            elif text.startswith(b"data: "):
                data = text[6:]
            elif not text and data:
                return name, msgspec.json.decode(data)
        return "", None

    async def jobs(self) -> Any:
        """Return the next event about jobs."""
        while True:
            name, data = await self.event()
            if name in {"jobs", ""}:
                return data

    async def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return all jobs by their ids, once something is true of them."""
        jobs: dict[str, Any] = {}
        while True:
            told = await self.jobs()
            assert told is not None, "the events are over"
            jobs = {} if told.get("anew") else jobs
            jobs |= {job["id"]: job for job in told["jobs"]}
            for job_id in told.get("gone", []):
                jobs.pop(job_id, None)
            if true(jobs):
                return jobs


@asynccontextmanager
async def let_in(link: str) -> AsyncIterator[Reader]:
    """Go in by a link, as a browser does, and read."""
    origin, _, word = link.partition("/#enter=")
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{origin}/enter", headers={"Authorization": f"Bearer {word}"}) as answer:
            assert answer.status == 200
            key = (await answer.text()).strip()
        async with session.get(f"{origin}/events", headers={"Authorization": f"Bearer {key}"}) as answer:
            assert answer.status == 200
            yield Reader(answer)
