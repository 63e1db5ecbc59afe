"""Streams of tables: an event brings a look, its state is read where it has one, and no end is believed from it."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import pytest

from jobwatch import Client, Fault, FaultKind, Pace, Phase
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._http.target import Target
from jobwatch._models import Job
from jobwatch._reading.api import Hint
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch._table.streams import SOMETHING
from tests.table.test_pages import MINIMAL, Pages
from tests.virtual import on_virtual_clock

TABLE = MINIMAL + 'stream = "/jobs/{job_id}/events?from=0"\n'
ENDS = 100.0
Event = tuple[float, bytes]


class Streamed(Pages):
    """A job that ends after some time, and its stream: what comes on it and when."""

    def __init__(self, events: Sequence[Event], ends: float = ENDS) -> None:
        super().__init__(self._job, delay=0.05)
        self.ends, self.events = ends, events
        self.looks: list[float] = []
        self.followed: list[str] = []

    def _job(self, _: str, __: bytes | None) -> object:
        now = asyncio.get_running_loop().time()
        self.looks.append(now)
        return {"id": "j1", "status": "completed" if now >= self.ends else "running"}

    async def follow(self, target: Target, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        self.followed.append(target.url.raw_path_qs)
        loop = asyncio.get_running_loop()
        for at, event in self.events:
            await asyncio.sleep(max(0.0, at - loop.time()))
            if not heard(event):
                return None
        await asyncio.sleep(silence)
        return Fault(FaultKind.UNREACHABLE, "silence")


def said(name: str = "message", **data: object) -> bytes:
    return f"event: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()


MINUTES = Pace(min_interval=60.0, max_interval=60.0)


async def watched(streamed: Streamed, pace: Pace = MINUTES) -> Job:
    """Wait for a job that would be looked at once a minute, or by another pace."""
    api = api_of(tomllib.loads(TABLE), "own")
    made = Client(api, pace=pace)
    made._source = HttpSource(api, Given(None, None, None), transport=streamed)  # type: ignore[arg-type]
    async with made:
        return await made.wait_for("j1")


@pytest.mark.parametrize(
    "event",
    [
        said(id="j1", status="completed"),
        said("end"),
        said("log", line="all done"),
        b"data: [DONE]\n\n",
        said(id="j1", status=["what", 1.5, None]),
    ],
)
@on_virtual_clock
async def test_an_event_brings_the_look_that_shows_the_end(event: bytes) -> None:
    streamed = Streamed([(ENDS + 1.0, event)])
    job = await watched(streamed)
    assert job.phase is Phase.SUCCEEDED
    assert streamed.followed == ["/jobs/j1/events?from=0"]
    assert streamed.looks[-1] == pytest.approx(ENDS + 1.0, abs=0.2)


@on_virtual_clock
async def test_no_end_is_believed_from_an_event() -> None:
    streamed = Streamed([(30.0, said(id="j1", status="completed"))])
    await watched(streamed)
    assert streamed.looks[-1] >= ENDS
    assert any(look == pytest.approx(30.0, abs=0.2) for look in streamed.looks), "it is a reason to look"


@on_virtual_clock
async def test_an_event_about_another_job_or_of_no_bytes_is_none() -> None:
    streamed = Streamed([(30.0, said(id="j2", status="completed")), (31.0, b": beat\n\n")])
    await watched(streamed)
    assert not any(29.0 < look < 50.0 for look in streamed.looks)


@on_virtual_clock
async def test_silence_is_trusted_only_where_the_stream_has_told_a_state() -> None:
    beats = [(10.0 * beat, b": beat\n\n") for beat in range(1, 60)]
    silent = Streamed(beats, ends=400.0)
    await watched(silent)
    assert silent.looks[-1] < 470.0, "looks went on as if there were no stream"
    telling = Streamed([(1.0, said(id="j1", status="running")), *beats], ends=250.0)
    await watched(telling)
    assert len([look for look in telling.looks if look > 2.0]) < 4


class During(Streamed):
    """A stream whose one event comes while the sixth look is under way, and is about what that look misses."""

    def __init__(self) -> None:
        super().__init__([], ends=1e9)
        self.begun: list[float] = []
        self.sixth = asyncio.Event()
        self.before = self._begins

    async def _begins(self, _: str) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        if len(self.begun) == 6:
            self.sixth.set()
        if len(self.begun) == 7:
            self.ends = 0.0

    async def follow(self, target: Target, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        await self.sixth.wait()
        heard(said("end"))
        await asyncio.sleep(silence)
        return None


@on_virtual_clock
async def test_an_event_during_a_look_brings_another() -> None:
    during = During()
    await watched(during, pace=Pace(min_interval=0.5))
    intervals = [later - earlier for earlier, later in pairwise(during.begun)]
    assert intervals[-1] == pytest.approx(0.55, abs=0.1)
    assert intervals[-1] < intervals[-2] / 1.5


@on_virtual_clock
async def test_a_flood_of_events_brings_no_flood_of_looks() -> None:
    streamed = Streamed([(10.0 + 0.2 * each, said("log", line="x")) for each in range(500)], ends=115.0)
    await watched(streamed)
    assert len(streamed.looks) < 15


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + 'stream = "/events"', "write {job_id}"),
        (MINIMAL + 'stream = "events/{job_id}"', "must start with /"),
        ('job = "{url}"\nbase_url = "https://a.test"\nstatus = "s"\nstream = "/x/{job_id}"', "ids are URLs"),
    ],
)
def test_a_stream_that_is_none_of_a_job_is_refused(text: str, said: str) -> None:
    with pytest.raises(TableError, match=said.replace("{", r"\{")) as refused:
        api_of(tomllib.loads(text), "own")
    assert refused.value.keys == ("stream",)


@pytest.mark.parametrize("more", ['words = { succeeded = ["absent"] }', 'http = { 200 = "succeeded" }'])
def test_an_event_without_a_state_tells_none(more: str) -> None:
    api = api_of(tomllib.loads(TABLE.replace('id = "id"\n', "") + more), "own")
    assert api.hint(b'{"line": "x"}', "log") == SOMETHING
    assert api.hint(b'{"status": "failed"}', "log") == Hint("failed", Phase.FAILED)
