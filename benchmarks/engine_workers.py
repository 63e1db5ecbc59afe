"""Who looks in `benchmarks.engine`: a worker on NATS, or the same looks by `Client.look` alone.

``python -m benchmarks.engine_workers nats API INTERVAL RATE NATS`` is a worker as ``jobwatch nats worker`` starts one.
``python -m benchmarks.engine_workers plain API INTERVAL RATE FIRST COUNT`` holds what is known of its jobs in lists,
and looks every `TICK` at those that are due, which is how often the server moves what is due: an engine that costs
nothing. Each answers lines of its standard input with what it `Worked`, as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from jobwatch import Client, Pace
from jobwatch.nats import ServerOptions, Worker

from .engine_api import job_id
from .engine_parts import Worked, obey, worked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobwatch import Watched

TICK = 0.2
"""Every how many seconds nats-server moves what is due."""

CONCURRENCY = 64
"""How many looks are under way at once: `Worker`'s default."""


def client_of(api: str, interval: float, rate: float) -> Client:
    """Return a client that looks at each job every `interval` seconds, at most `rate` times a second in all."""
    pace = Pace(min_interval=interval, max_interval=interval)
    return Client("bedrock", base_url=api, token="sk_test", pace=pace, max_rate=rate, max_in_flight=CONCURRENCY)


async def nats(api: str, interval: float, rate: float, server: str) -> None:
    """Be a worker."""
    async with client_of(api, interval, rate) as client:
        worker = Worker(client, ServerOptions(url=server), concurrency=CONCURRENCY)
        working = asyncio.get_running_loop().create_task(worker.run())

        def told(_: list[str]) -> Worked:
            if working.done():  # it does not end by itself
                working.result()
            return worked(worker.counts.looks, worker.counts.lost)

        await obey(told)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def plain(api: str, interval: float, rate: float, first: int, count: int) -> None:
    """Look at jobs, and do nothing else."""
    looks = 0
    async with client_of(api, interval, rate) as client:
        ticks = max(1, round(interval / TICK))
        known = [client.watched(job_id(number)) for number in range(first, first + count)]
        slots = [known[number::ticks] for number in range(ticks)]

        async def some(due: Iterator[tuple[int, Watched]], slot: list[Watched]) -> None:
            nonlocal looks
            for place, watched in due:
                slot[place] = (await client.look(watched)).watched
                looks += 1

        async def all_the_time() -> None:
            loop = asyncio.get_running_loop()
            began, tick = loop.time(), 0
            while True:
                slot = slots[tick % ticks]
                due = iter(list(enumerate(slot)))
                await asyncio.gather(*(some(due, slot) for _ in range(min(CONCURRENCY, len(slot)))))
                tick += 1
                await asyncio.sleep(max(0.0, began + tick * TICK - loop.time()))

        looking = asyncio.get_running_loop().create_task(all_the_time())
        await obey(lambda _: worked(looks))
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def main() -> None:
    """Look until standard input ends."""
    kind, api, interval, rate, *more = sys.argv[1:]
    if kind == "nats":
        asyncio.run(nats(api, float(interval), float(rate), *more))
    else:
        asyncio.run(plain(api, float(interval), float(rate), *map(int, more)))


if __name__ == "__main__":
    main()
