"""The rival of `benchmarks.engine`: the same watches as jobs of arq, which keeps them in Redis.

``python -m benchmarks.engine_rival API INTERVAL SOCKET`` is a worker, and answers lines of its standard input with what
it `Worked`, as JSON; with a fourth argument it puts so many jobs into the queue, and ends.

A job is looked at by one request with a shared aiohttp session; msgspec reads the status, which is compared. If it is
the same, the job comes again after the interval by ``Retry``, which writes least. Another status goes into a stream of
Redis', and the job into the queue anew, with the status in its arguments.
"""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from .engine_api import GOLDEN, job_id
from .engine_parts import obey, worked

if TYPE_CHECKING:
    import aiohttp
    from arq.connections import RedisSettings

CONCURRENCY = 64
"""How many looks are under way at once, as with jobwatch's workers."""

POLL = 0.2
"""Every how many seconds a worker asks what is due: as often as nats-server moves it. arq's 0.5 costs about as much."""

_AT_ONCE = 50
_DAY = 86_400


class _Job(msgspec.Struct):
    status: str


class _Envelope(msgspec.Struct):
    data: _Job


class Looks:
    """Makes looks, and counts them.

    Args:
        api: Where.
        interval: Every how many seconds.
        session: By which.
    """

    def __init__(self, api: str, interval: float, session: aiohttp.ClientSession) -> None:
        self._api, self._interval, self._session = api, interval, session
        self._decoder = msgspec.json.Decoder(_Envelope)
        self.count = 0

    async def watch(self, context: dict[str, Any], name: str, status: str) -> None:
        """Look at a job once; arq calls this."""
        from arq import Retry

        async with self._session.get(f"{self._api}/jobs/{name}") as response:
            response.raise_for_status()
            found = self._decoder.decode(await response.read()).data.status
        self.count += 1
        if found == status:
            raise Retry(defer=self._interval)
        redis = context["redis"]
        await redis.xadd("log", {"job": name, "status": found})
        if found != "COMPLETED":
            await redis.enqueue_job("watch", name, found, _defer_by=self._interval, _expires=_DAY)


async def enqueue(settings: RedisSettings, interval: float, watches: int) -> None:
    """Put jobs into the queue, their first looks spread over an interval."""
    from arq.connections import create_pool

    pool, numbers, begin = await create_pool(settings), iter(range(watches)), time.time() + 1.0

    async def some() -> None:
        for number in numbers:
            after = begin - time.time() + interval * ((number * GOLDEN) % 1.0)
            await pool.enqueue_job("watch", job_id(number), "RUNNING", _defer_by=max(0.0, after), _expires=_DAY)

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    await pool.aclose()


async def work(settings: RedisSettings, api: str, interval: float) -> None:
    """Be a worker."""
    import aiohttp
    from arq.worker import Worker, func

    logging.getLogger("arq").setLevel(logging.WARNING)  # a line for each look would cost it
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer sk_test"}, connector=connector) as session:
        looks = Looks(api, interval, session)
        worker = Worker(
            [func(looks.watch, name="watch", keep_result=0, max_tries=10**9)],
            redis_settings=settings,
            max_jobs=CONCURRENCY,
            poll_delay=POLL,
            handle_signals=False,
        )
        working = asyncio.get_running_loop().create_task(worker.async_run())
        await obey(lambda _: worked(looks.count))
        logging.getLogger("arq").setLevel(logging.CRITICAL)  # what it was at is cut off
        working.cancel()
        for ending in (working, worker.close()):
            with suppress(asyncio.CancelledError):
                await ending


def main() -> None:
    """Work until standard input ends, or put jobs into the queue."""
    from arq.connections import RedisSettings

    api, interval, socket, *watches = sys.argv[1:]
    settings = RedisSettings(unix_socket_path=socket)
    if watches:
        asyncio.run(enqueue(settings, float(interval), int(watches[0])))
    else:
        asyncio.run(work(settings, api, float(interval)))


if __name__ == "__main__":
    main()
