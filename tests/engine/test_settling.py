"""Ends that have to stand before they are believed: how often it is asked, deadlines, and who says for how long."""

from __future__ import annotations

from typing import Any

import pytest

from jobwatch import Client, ConfigError, JobFailed, Outcome, Pace, WaitTimeout
from jobwatch._reading.periods import seconds_of
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.testing import FakeSource
from tests.virtual import on_virtual_clock, running_loop

EVEN = Pace(min_interval=1.0, max_interval=1.0)
FLAPPING = [("running", 0), ("failed", 3), ("running", 6), ("succeeded", 20)]


def client(source: FakeSource, **options: Any) -> Client:
    given: dict[str, Any] = {"pace": EVEN, "stable_for": 10}
    return Client(source=source, **given | options)


@on_virtual_clock
async def test_a_wait_is_told_an_end_after_its_time_by_one_more_look() -> None:
    source = FakeSource(history=False)
    source.add("j", [("running", 0), ("failed", 3)])
    async with client(source, pace=Pace(min_interval=0.5, max_interval=60.0)) as asking:
        with pytest.raises(JobFailed):
            await asking.wait_for("j")
        *_, seen, confirmed = source.times()
        assert confirmed - seen == pytest.approx(10.0, abs=0.01)
        assert [asked.last for asked in source.asked][-1] is None  # whole, and not "as it was"


@on_virtual_clock
async def test_a_state_that_follows_an_end_is_told_in_order() -> None:
    source = FakeSource(history=False)
    source.add("j", FLAPPING)
    async with client(source) as asking, asking.wait_for("j") as wait:
        told = [(each.status, each.seq) async for each in wait]
        assert told == [("running", 1), ("failed", 2), ("running", 3), ("succeeded", 4)]
        assert wait.outcome is Outcome.SUCCEEDED
        assert source.times()[-1] == pytest.approx(30.0, abs=1.1)


@on_virtual_clock
async def test_a_deadline_names_the_end_that_is_not_believed_yet() -> None:
    source = FakeSource(history=False)
    source.add("j", [("running", 0), ("failed", 3)])
    async with client(source) as asking:
        with pytest.raises(WaitTimeout, match=r"last seen failed, an end that has stood for 5 s") as raised:
            await asking.wait_for("j", timeout=8.0)
        assert raised.value.stood == pytest.approx(5.0, abs=1.1)
        with pytest.raises(WaitTimeout) as raised:
            await asking.wait_for("j", timeout=0.0)
        assert raised.value.stood is None or raised.value.stood < 1.0


@on_virtual_clock
async def test_a_wake_confirms_no_end_before_its_time() -> None:
    source = FakeSource(history=False)
    source.add("j", ["failed"])
    async with client(source) as asking:
        wait = asking.wait_for("j", timeout=5.0)
        running_loop().call_later(2.0, asking.wake, "j")
        with pytest.raises(WaitTimeout):
            await wait
        assert 2.0 in source.times()


def test_a_table_says_for_how_long_ends_have_to_stand() -> None:
    def stable(value: object) -> dict[str, float]:
        api = api_of({"job": "https://a.test/{job_id}", "status": "s", "stable_for": value}, "a")
        return {phase.value: seconds for phase, seconds in api.stable_for.items()}

    assert stable("1m30s") == dict.fromkeys(("succeeded", "partial", "finished", "failed", "cancelled"), 90.0)
    assert stable({"failed": "10s", "succeeded": "0"}) == {"failed": 10.0}
    with pytest.raises(TableError, match=r"'soon' is no duration: write 90, 45s"):
        stable("soon")
    with pytest.raises(TableError, match=r"nvalid enum value 'running'"):
        stable({"running": "10s"})


def test_what_a_client_is_told_goes_before_its_table() -> None:
    api = api_of({"job": "https://a.test/{job_id}", "status": "s", "stable_for": "10s"}, "a")
    assert set(Client(api)._policy.stable_for.values()) == {10.0}
    assert Client(api, stable_for=0)._policy.stable_for == {}
    assert [*Client(api, stable_for={"failed": 3})._policy.stable_for.values()] == [3.0]
    with pytest.raises(ConfigError, match=r"stable_for names 'running', which is no end"):
        Client(api, stable_for={"running": 3})
    with pytest.raises(ConfigError, match="stable_for must be a finite duration"):
        Client(api, stable_for=-1)


def test_durations_are_read_or_refused() -> None:
    assert [seconds_of(text) for text in ("90", "45s", "1h30m", "250ms", "1.5s")] == [90.0, 45.0, 5400.0, 0.25, 1.5]
    for text in ("", "soon", "-1", "1x", "99999d", "1" * 100):
        with pytest.raises(ValueError, match=r"duration|longer"):
            seconds_of(text)
