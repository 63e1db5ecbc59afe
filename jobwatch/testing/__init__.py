"""What to test your own code with: a real HTTP server that speaks the vendors' job APIs, and a source without any.

::

    async with JobServer(token="sk_test") as server:
        job = server.add("bedrock", "job_01", ["PENDING"])
        ...                                     # point your code at server.url_of("bedrock")
        await job.looked(1)                     # it has asked once
        job.advance("COMPLETED")                # no sleeping in tests
        server.trouble(Trouble.status(503))     # the next request goes wrong

With pytest and pytest-asyncio installed, the fixture ``job_server`` gives a started one. `FakeSource` is for code that
takes any client: there is no server, no port and no token, and it runs on whatever clock the event loop has::

    source = FakeSource()
    job = source.add("job_01", [("pending", 0), ("running", 2), ("succeeded", 5)])
    async with jobwatch.Client(source=source) as client:
        ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._job import JobOptions, ServedJob
from ._source import HANG, Asked, FakeJob, FakeSource
from ._troubles import Trouble

if TYPE_CHECKING:
    from ._server import JobServer, Request

__all__ = ["HANG", "Asked", "FakeJob", "FakeSource", "JobOptions", "JobServer", "Request", "ServedJob", "Trouble"]


def __getattr__(name: str) -> object:
    # Late, so that the pytest plugin, which every test run loads, does not load an HTTP server.
    if name in {"JobServer", "Request"}:
        from . import _server  # noqa: PLC0415

        return getattr(_server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
