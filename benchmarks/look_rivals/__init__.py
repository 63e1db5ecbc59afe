"""The ways to wait for a job that `benchmarks.look` compares, one a file.

Each module says what it ``NEEDS`` to be installed and the bodies that its server answers with (``RUNNING``, ``ENDED``;
`JOB` and `JOB_DONE` where it has no format of its own; what ``@`` and ``~`` in them mean is said in `look_server`),
and has::

    async def looks(url: str, jobs: int, each: int) -> None

which watches so many jobs at once and looks at each of them so many times, without pausing between the looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine

_JOB = (
    '{"data":{"id":"@","type":"drawing.compare","status":"%s","created_at":"2026-01-02T03:04:05Z",'
    '"updated_at":"~","events":[{"status":"PENDING","timestamp":"2026-01-02T03:04:05Z"},'
    '{"status":"RUNNING","timestamp":"2026-01-02T03:04:09Z"}]}}'
)
JOB = _JOB % "RUNNING"
JOB_DONE = _JOB % "COMPLETED"
TOKEN = "sk_0123456789abcdef"
ALL = (
    "bare",
    "jobwatch",
    "jobwatch_look",
    "jobwatch_transport",
    "httpx_pydantic",
    "tenacity_aiohttp",
    "azure_core",
    "aiobotocore",
    "fal",
    "replicate",
    "openai",
)


def run_on(loop: str, looks: Coroutine[object, object, None]) -> None:
    """Run the looks of a rival on an event loop, "asyncio" or "uvloop"."""
    if loop == "uvloop":
        import uvloop

        uvloop.run(looks)
    else:
        import asyncio

        asyncio.run(looks)
