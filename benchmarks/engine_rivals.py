"""The rivals of `benchmarks.engine`.

``python -m benchmarks.engine_rivals procrastinate API INTERVAL DSN``
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from datetime import datetime

import aiohttp
import msgspec

from .engine_api import job_id
from .engine_parts import obey, worked

CONCURRENCY = 64


class Event(msgspec.Struct):
    status: str
    timestamp: datetime


class Job(msgspec.Struct):
    id: str
    status: str
    events: list[Event]


class Envelope(msgspec.Struct):
    data: Job


class Looker:
    def __init__(self, api: str) -> None:
        self.api = api
        self.looks = 0
        self.decoder = msgspec.json.Decoder(Envelope)
        self.session = aiohttp.ClientSession(
            headers={"Authorization": "Bearer sk_test"}, connector=aiohttp.TCPConnector(limit=CONCURRENCY)
        )

    async def look(self, name: str) -> Job:
        async with self.session.get(f"{self.api}/jobs/{name}") as response:
            response.raise_for_status()
            job = self.decoder.decode(await response.read()).data
        self.looks += 1
        return job


async def run_arq(api: str, interval: float, socket: str, watches: int) -> None:
    from arq import Retry
    from arq.connections import RedisSettings, create_pool
    from arq.worker import Worker, func

    looker = Looker(api)

    async def watch(ctx, name: str, status: str) -> None:
        job = await looker.look(name)
        if job.status == status:
            raise Retry(defer=interval)
        await ctx["redis"].xadd("log", {"job": name, "status": job.status})
        if job.status != "COMPLETED":
            await ctx["redis"].enqueue_job("watch", name, job.status, _defer_by=interval)

    settings = RedisSettings(unix_socket_path=socket)
    logging.getLogger("arq").setLevel(logging.WARNING)
    if watches:
        pool = await create_pool(settings)
        t = time.monotonic()
        it = iter(range(watches))

        async def some():
            for n in it:
                await pool.enqueue_job(
                    "watch",
                    job_id(n),
                    "RUNNING",
                    _defer_by=1 + interval * ((n * 0.618033988749895) % 1.0),
                    _expires=86400,
                )

        await asyncio.gather(*(some() for _ in range(50)))
        print("enqueued", watches / (time.monotonic() - t), file=sys.stderr)
        return
    worker = Worker(
        [func(watch, name="watch", keep_result=0, max_tries=1_000_000_000)],
        redis_settings=settings,
        max_jobs=CONCURRENCY,
        poll_delay=0.2,
        handle_signals=False,
        expires_extra_ms=86_400_000,
    )
    task = asyncio.create_task(worker.async_run())
    await obey(lambda _: worked(looker.looks))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def run_procrastinate(api: str, interval: float, dsn: str, watches: int) -> None:
    import procrastinate
    from procrastinate import RetryDecision

    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    looker = Looker(api)
    connector = procrastinate.PsycopgConnector(conninfo=dsn, min_size=2, max_size=8)
    app = procrastinate.App(connector=connector)

    class Again(Exception):
        pass

    class Every(procrastinate.BaseRetryStrategy):
        def get_retry_decision(self, *, exception, job):
            return RetryDecision(retry_in={"seconds": interval}) if isinstance(exception, Again) else None

    @app.task(name="watch", retry=Every())
    async def watch(name: str, status: str) -> None:
        job = await looker.look(name)
        if job.status == status:
            raise Again
        await connector.execute_query_async(
            "insert into log(job, status) values (%(job)s, %(status)s)", job=name, status=job.status
        )
        if job.status != "COMPLETED":
            await watch.configure(schedule_in={"seconds": interval}).defer_async(name=name, status=job.status)

    async with app.open_async():
        if watches:
            await app.schema_manager.apply_schema_async()
            await connector.execute_query_async("create table log (id bigserial primary key, job text, status text)")
            t = time.monotonic()
            for first in range(0, watches, 500):
                await watch.configure(schedule_in={"seconds": 1}).batch_defer_async(
                    *({"name": job_id(n), "status": "RUNNING"} for n in range(first, first + 500))
                )
            await connector.execute_query_async(
                "update procrastinate_jobs set scheduled_at = now() + (1 + %(i)s * ((id * 0.618033988749895) %% 1.0)) * interval '1 second'",
                i=interval,
            )
            await connector.execute_query_async("vacuum analyze procrastinate_jobs") if 0 else None
            print("enqueued", watches / (time.monotonic() - t), file=sys.stderr)
            return
        task = asyncio.create_task(
            app.run_worker_async(
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=0.2,
                delete_jobs="successful",
                install_signal_handlers=False,
                listen_notify=False,
            )
        )
        await obey(lambda _: worked(looker.looks))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


if __name__ == "__main__":
    kind, api, interval, where, watches = sys.argv[1:]
    asyncio.run((run_arq if kind == "arq" else run_procrastinate)(api, float(interval), where, int(watches)))
