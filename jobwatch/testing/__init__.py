"""A real HTTP server that speaks the vendors' job APIs, for your tests, for ours and for the demo.

::

    async with JobServer(token="sk_test") as server:
        job = server.add("bedrock", "job_01", ["PENDING"])
        ...                                     # point your code at server.url_of("bedrock")
        await job.looked(1)                     # it has asked once
        job.advance("COMPLETED")                # no sleeping in tests
        server.trouble(Trouble.status(503))     # the next request goes wrong

`FakeSource` answers without any server, for ``Client(source=...)``.

With pytest and pytest-asyncio installed, the fixture ``job_server`` gives a started one.

A `Trouble` is an HTTP status, a 429 with its ``Retry-After``, a login page, any other body, a redirect, another job's
record, changed fields, a lagging replica, an answer that comes late or never or is cut off, a connection that is reset
or closed, or any bytes in place of an answer (``Trouble.raw``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._job import JobOptions, ServedJob
from ._source import FakeSource
from ._troubles import Trouble

if TYPE_CHECKING:
    from ._server import JobServer, Request

__all__ = ["FakeSource", "JobOptions", "JobServer", "Request", "ServedJob", "Trouble"]


def __getattr__(name: str) -> object:
    # Late, so that the pytest plugin, which every test run loads, does not load an HTTP server.
    if name in {"JobServer", "Request"}:
        from . import _server  # noqa: PLC0415

        return getattr(_server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
