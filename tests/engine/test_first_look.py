"""When the first look at a job is made that a response has started: as late as that response asks for."""

from __future__ import annotations

import asyncio

import pytest

from jobwatch import Pace, Response, WaitTimeout
from tests.scripted import ScriptedJob, ScriptedTransport, client_of
from tests.virtual import on_virtual_clock

LOCATION = {"Location": "/v1/jobs/job_1"}
BODY = b'{"job": {"id": "job_1", "state": "pending", "type": "branch.create", "attempts": 0}}'


async def looks_at(response: Response, seconds: float, pace: Pace | None = None) -> list[float]:
    """Return when looks were made within some seconds, at a job that runs on."""
    transport = ScriptedTransport([ScriptedJob("job_1")])
    async with client_of(transport, pace=pace or Pace()) as client:
        began = asyncio.get_running_loop().time()
        with pytest.raises(WaitTimeout):
            await client.wait_for(response, timeout=seconds)
    return [round(at - began, 1) for at in transport.times()]


@pytest.mark.parametrize("response", [Response(b"", 202, LOCATION), Response(BODY, 202)], ids=["header", "body"])
@on_virtual_clock
async def test_the_first_look_comes_no_sooner_than_the_response_of_the_start_asks_for(response: Response) -> None:
    plain = await looks_at(response, 8.0)
    assert plain[0] < 2.0
    asked = Response(response.body, 202, {**response.headers, "retry-After": " 5 "})
    assert (await looks_at(asked, 8.0))[0] == 5.0


@pytest.mark.parametrize(("asked", "first"), [("3600", 60.0), ("59", 59.0), ("0", 0.0), ("/bar", 0.0), ("-5", 0.0)])
@on_virtual_clock
async def test_it_is_put_off_by_a_minute_at_most(asked: str, first: float) -> None:
    assert (await looks_at(Response(b"", 202, {**LOCATION, "Retry-After": asked}), 90.0))[0] == first


@on_virtual_clock
async def test_or_by_the_longest_interval_where_that_is_longer() -> None:
    response = Response(b"", 202, {**LOCATION, "Retry-After": "3600"})
    assert (await looks_at(response, 200.0, Pace(max_interval=120.0)))[0] == 120.0


@on_virtual_clock
async def test_a_date_is_measured_by_the_servers_own_clock() -> None:
    dates = {"Date": "Sun, 29 Nov 2026 06:00:00 GMT", "Retry-After": "Sun, 29 Nov 2026 06:00:20 GMT"}
    assert (await looks_at(Response(b"", 202, {**LOCATION, **dates}), 30.0))[0] == 20.0


@on_virtual_clock
async def test_a_time_limit_that_comes_sooner_has_its_last_look() -> None:
    assert await looks_at(Response(b"", 202, {**LOCATION, "Retry-After": "50"}), 5.0) != []


@on_virtual_clock
async def test_a_wake_up_comes_before_what_the_start_asked_for() -> None:
    transport = ScriptedTransport([ScriptedJob("job_1", ends=1.0)])
    async with client_of(transport) as client:
        waiting = asyncio.ensure_future(client.wait_for(Response(b"", 202, {**LOCATION, "Retry-After": "50"})))
        await asyncio.sleep(3.0)
        assert client.wake("job_1")
        await asyncio.wait_for(waiting, 1.0)
