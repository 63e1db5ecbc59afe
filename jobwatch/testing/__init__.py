"""What to test your own code with: a real HTTP server that speaks the vendors' job APIs, and a source without any.

::

    async with JobServer(token="sk_test") as server:
        job = server.add("bedrock", "job_01", ["PENDING"])
        ...                                     # point your code at server.url_of("bedrock")
        await job.looked(1)                     # it has asked once
        job.advance("COMPLETED")                # no sleeping in tests
        server.trouble(Trouble.status(503))     # the next request goes wrong

``with`` runs it in a thread of its own, for tests without async; the pytest fixture ``job_server`` gives such a one,
started, to tests of either kind. `FakeSource` is for code that
takes any client: there is no server, no port and no token, and it runs on whatever clock the event loop has::

    source = FakeSource()
    job = source.add("job_01", [("pending", 0), ("running", 2), ("succeeded", 5)])
    async with jobwatch.Client(source=source) as client:
        ...

Beside the two vendors', the server speaks a neutral API, to play what other servers do. Its words are pending, running
and blocked, and for the ends succeeded, partial, failed, cancelled and finished; any other word may be served, too. One
job can be asked about in each of these ways, below ``server.url_of("neutral")``:

* ``GET /jobs/{id}``: its record. With ``HEAD``, and beside the record, its state in the header ``X-Job-State``.
* ``GET /jobs/{id}/word``: its state, as one line of text.
* ``GET /jobs/{id}/monitor``: the HTTP status is the state: 202, then 303 (succeeded), 207 (partial), 422 (failed), 409
  (cancelled) or 204 (finished).
* ``GET /jobs/{id}/turns/1``: the record, with a ``Location`` of the next turn until the job has ended; a turn that was
  left is gone (410).
* ``GET /jobs/{id}/parts``: the jobs whose ``parent_id`` it is, in pages.
* ``GET /jobs/{id}/history``: its states, in pages.
* ``/jobs/{id}/output`` and ``/jobs/{id}/problem``: what it made and what went wrong, by GET or POST.
* ``GET /jobs/{id}/events``: a stream of its states.
* ``POST /jobs`` with ``{"id": ...}`` starts it, which is answered as its option ``start`` says.
* ``GET /projects/{project}/jobs?limit=``, ``GET /jobs?ids=a,b``, ``POST /jobs/find`` with ``{"ids": [...]}``: several
  jobs, in pages.
* ``POST /rpc``: JSON-RPC 2.0, with the methods ``job.get`` and ``job.start`` and ``{"id": ...}`` as params.
* ``POST /graphql`` with the variable ``id``: ``{"data": {"job": ...}}``, with ``errors`` beside it where there is none.

``?wait=30`` or ``Prefer: wait=30`` holds a request for a job until its state changes or it has ended, at most 30 s.
``?as=event`` frames an answer as one event of a ``text/event-stream``. Pages are as `JobServer.pages` says; what a job
asks for, where it goes on and for how long it is known are options (`JobOptions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._job import JobOptions, ServedJob
from ._neutral import Pages
from ._source import HANG, Asked, FakeJob, FakeSource
from ._troubles import Trouble

if TYPE_CHECKING:
    from ._server import JobServer, Request

__all__ = [
    "HANG",
    "Asked",
    "FakeJob",
    "FakeSource",
    "JobOptions",
    "JobServer",
    "Pages",
    "Request",
    "ServedJob",
    "Trouble",
]


def __getattr__(name: str) -> object:
    # Late, so that the pytest plugin, which every test run loads, does not load an HTTP server.
    if name in {"JobServer", "Pages", "Request"}:
        from . import _server  # noqa: PLC0415

        return getattr(_server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
