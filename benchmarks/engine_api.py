"""The API of `benchmarks.engine`: Bedrock's jobs, from a process of its own that counts what it is asked.

``python -m benchmarks.engine_api ENDING`` prints its port, and answers each line of its standard input with an `Asked`
as JSON. The line ``begin START STOP``, in Unix seconds, lets the first ENDING jobs end between the two, one after
the other; the others run on. Every job has the body of Bedrock's page, and another ``updated_at`` every minute, each in
its own second. A route, a framework or a log would cost the machine more than the looks that are measured.
"""

from __future__ import annotations

import array
import asyncio
import math
import sys
import time
from datetime import UTC, datetime

import msgspec

from .engine_parts import obey

HEARTBEAT = 60.0
"""After how many seconds a job that runs on shows another ``updated_at``."""

LASTED = 3_600.0
"""For how many seconds jobs have run when the first look comes."""

GOLDEN = 0.618033988749895
"""Multiples of it, without their whole part, are spread evenly, however many there are."""

_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Fri, 02 Jan 2026 03:05:06 GMT\r\n"
    "X-Request-Id: req_01JABCD123\r\nContent-Length: %d\r\n\r\n"
)
_BODY = (
    '{"data":{"id":"%s","organization_id":"org_01JABCD123","project_id":"prj_01JABCD123","type":"overlay.generate",'
    '"status":"%s","target_type":"Block","target_id":"blk_01JABCD123","parent_id":null,'
    '"payload":{"type":"Block","old_id":"blk_01JABCD100","new_id":"blk_01JABCD200"},'
    '"events":[{"status":"PENDING","timestamp":"%s"},{"status":"RUNNING","timestamp":"%s"}%s],'
    '"created_at":"%s","updated_at":"%s"}}'
)


class Asked(msgspec.Struct, frozen=True):
    """What was asked so far: how many requests, and how many in the second since `begin` that had most."""

    requests: int
    most_in_a_second: int


def job_id(number: int) -> str:
    """Return the id of a job, as long as Bedrock's."""
    return f"job_01J{number:08d}"


def ends_at(number: int, ending: int, start: float, stop: float) -> float:
    """Return when a job ends, in Unix seconds; never, where it is none of those that end."""
    return start + (stop - start) * (number + 0.5) / ending if number < ending else math.inf


def most_within(times: array.array[float], seconds: float) -> int:
    """Return how many times lie within a stretch of so many seconds, wherever it begins.

    Args:
        times: In order.
        seconds: How long the stretch is; what lies at its end is not in it.
    """
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


class Jobs:
    """The jobs, and what was asked of them.

    Args:
        ending: How many of them end.
    """

    def __init__(self, ending: int) -> None:
        self._ending = ending
        self._began = time.time() - LASTED
        self._start = self._stop = math.inf
        self._times = array.array("d")
        self.requests = 0

    def begin(self, start: float, stop: float) -> None:
        """Let jobs end between two times, and count anew."""
        self._start, self._stop = start, stop
        self._times = array.array("d")

    def asked(self) -> Asked:
        """Return what was asked so far."""
        return Asked(self.requests, most_within(self._times, 1.0))

    def answer(self, path: bytes) -> bytes:
        """Answer a request for a job."""
        now = time.time()
        self.requests += 1
        self._times.append(time.monotonic())
        name = path.rpartition(b"/")[2].decode()
        number = int(name[7:])
        end = math.inf if self._start == math.inf else ends_at(number, self._ending, self._start, self._stop)
        begun, phase = _text(self._began), number % int(HEARTBEAT)
        if now >= end:
            updated, status = _text(end), "COMPLETED"
            ended = f',{{"status":"COMPLETED","timestamp":"{updated}"}}'
        else:
            updated, status, ended = _text((now - phase) // HEARTBEAT * HEARTBEAT + phase), "RUNNING", ""
        body = _BODY % (name, status, begun, begun, ended, begun, updated)
        return (_HEAD % len(body) + body).encode()


def _text(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request; none has a body."""
        self._rest += data
        while b"\r\n\r\n" in self._rest:
            head, _, self._rest = self._rest.partition(b"\r\n\r\n")
            self._transport.write(self._jobs.answer(head.split(b" ", 2)[1]))


async def _serve(ending: int) -> None:
    jobs = Jobs(ending)

    def answer(words: list[str]) -> Asked:
        if words[0] == "begin":
            jobs.begin(float(words[1]), float(words[2]))
        return jobs.asked()

    server = await asyncio.get_running_loop().create_server(lambda: Connection(jobs), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await obey(answer)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
