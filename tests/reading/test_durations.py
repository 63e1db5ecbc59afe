"""Durations as callers give them: seconds, texts and `timedelta`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobwatch import Client, ConfigError, Pace, Watcher
from jobwatch._reading.ids import id_text
from jobwatch._reading.periods import seconds_given
from jobwatch.testing import FakeSource


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (90, 90.0),
        (0.25, 0.25),
        (0, 0.0),
        ("10m", 600.0),
        (" 45s ", 45.0),
        ("PT5M", 300.0),
        ("90", 90.0),
        (timedelta(minutes=1, milliseconds=500), 60.5),
    ],
)
def test_a_duration_is_read_however_it_is_given(given: object, seconds: float) -> None:
    found = seconds_given("timeout", given)
    assert (found, type(found)) == (seconds, float)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("soon", "timeout: 'soon' is no duration: write 90, 45s, 30m, 1h30m or 250ms; or give seconds, or a timedelta"),
        ("20y", "timeout: '20y' is no duration"),
        ("99999d", "timeout: '99999d' is longer than ten years"),
        (True, "timeout: True is no duration: give seconds, a text such as '45s', '10m' or '1h30m', or a timedelta"),
        (None, "timeout: a value of type NoneType is no duration: give seconds"),
        ([10], "timeout: a value of type list is no duration: give seconds"),
        (-1, "timeout must be a finite duration, 0 or more, not -1: give seconds"),
        (float("nan"), "timeout must be a finite duration, 0 or more, not nan: give seconds"),
        (float("inf"), "timeout must be a finite duration, 0 or more, not inf: give seconds"),
        (timedelta(seconds=-1), r"timeout must be a finite duration, 0 or more, not datetime.timedelta(days=-1"),
    ],
)
def test_what_is_none_is_named_and_shown_with_what_may_be_given(given: object, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        seconds_given("timeout", given)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("given", [0, "0s", timedelta()])
def test_one_that_must_be_longer_than_nothing(given: object) -> None:
    with pytest.raises(ConfigError, match="keep must be a finite duration, above 0, not"):
        seconds_given("keep", given, above_zero=True)


def test_a_pace_is_made_of_durations_and_holds_seconds() -> None:
    pace = Pace(poll_cost="30ms", min_interval=timedelta(seconds=2), max_interval="2m")
    assert pace == Pace(poll_cost=0.03, min_interval=2, max_interval=120)
    assert (pace.poll_cost, pace.min_interval, pace.max_interval) == (0.03, 2.0, 120.0)
    with pytest.raises(ConfigError, match=r"min_interval \(120 s\) exceeds max_interval \(60 s\)"):
        Pace(min_interval="2m")
    with pytest.raises(ConfigError, match="poll_cost: 'cheap' is no duration"):
        Pace(poll_cost="cheap")


@pytest.mark.parametrize("name", ["unreachable_after", "appear_within", "stable_for", "request_timeout"])
def test_a_client_takes_them_and_names_the_one_that_is_wrong(name: str) -> None:
    make: Any = Client
    for given in ("1m", timedelta(minutes=1), 60):
        make(source=FakeSource(), **{name: given})
    with pytest.raises(ConfigError, match=f"{name}: 'never' is no duration"):
        make(source=FakeSource(), **{name: "never"})


def test_a_client_keeps_them_as_seconds() -> None:
    given: dict[str, Any] = {"unreachable_after": "1m", "appear_within": timedelta(seconds=3)}
    client = Client(source=FakeSource(), stable_for={"failed": "10s"}, **given)
    patience = client._policy.patience
    assert (patience.unreachable_after, patience.appear_within) == (60.0, 3.0)
    assert list(client._policy.stable_for.values()) == [10.0]
    assert client.wait_for("job_1", timeout="10m")._timeout == 600.0


@pytest.mark.parametrize("name", ["stale_after", "follow_interval", "keep", "callback_timeout"])
def test_a_watcher_takes_them_and_names_the_one_that_is_wrong(name: str) -> None:
    client = Client(source=FakeSource())
    for given in ("1m", timedelta(minutes=1), 60):
        watcher = Watcher(client, **{name: given})  # type: ignore[arg-type]
        assert getattr(watcher._settings, name) == 60.0
    with pytest.raises(ConfigError, match=f"{name}: 'never' is no duration"):
        Watcher(client, **{name: "never"})  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "text"), [("job_1", "job_1"), (30433642, "30433642"), (0, "0")])
def test_an_id_is_a_text_or_a_number(given: object, text: str) -> None:
    assert id_text("a job's id", given) == text


@pytest.mark.parametrize("given", [True, False, 1.0, None, b"job_1"])
def test_and_nothing_else(given: object) -> None:
    with pytest.raises(ConfigError, match="a job's id is a text or a whole number, and not of type"):
        id_text("a job's id", given)
