"""aiobotocore's waiter, for a task of ECS: a JSON protocol, without a pause between the looks."""

# mypy: ignore-errors
# What it needs is not installed where the types are checked.
from __future__ import annotations

import asyncio
import contextlib

from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import WaiterError

NEEDS = ("aiobotocore",)
RUNNING = '{"tasks":[{"taskArn":"arn:aws:ecs:eu-west-1:1:task/t","lastStatus":"PENDING"}],"failures":[]}'
ENDED = RUNNING


async def looks(url: str, jobs: int, each: int) -> None:
    """Look at each job so many times."""
    access = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1"}
    config = Config(max_pool_connections=jobs)
    async with get_session().create_client("ecs", endpoint_url=url, config=config, **access) as client:

        async def watch() -> None:
            waiter = client.get_waiter("tasks_running")
            waiter.config.delay, waiter.config.max_attempts = 0, each
            with contextlib.suppress(WaiterError):
                await waiter.wait(cluster="c", tasks=["t"])

        await asyncio.gather(*(watch() for _ in range(jobs)))
