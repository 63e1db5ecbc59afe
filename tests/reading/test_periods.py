"""Periods of time written as text."""

from __future__ import annotations

import pytest

from jobwatch._reading.periods import seconds_in


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("250ms", 0.25),
        ("45s", 45.0),
        ("1h30m", 5400.0),
        ("2d", 172_800.0),
        ("3.5s", 3.5),
        ("PT5S", 5.0),
        ("PT1H30M", 5400.0),
        ("PT0.5S", 0.5),
        ("P1DT1S", 86_401.0),
        ("P1D", 86_400.0),
    ],
)
def test_a_period_is_read(text: str, seconds: float) -> None:
    assert seconds_in(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5 s",
        "s",
        "-5",
        "+5",
        "5S",
        "1e3",
        "nan",
        "inf",
        "30m1h",
        "P",
        "PT",
        "P5",
        "T5S",
        "P1Y",
        "5s5s",
        "9" * 5000,
        "\u0665s",
    ],
)
def test_what_is_none_is_not(text: str) -> None:
    assert seconds_in(text) is None


def test_a_number_alone_counts_what_is_said() -> None:
    assert seconds_in("1500", "ms") == 1.5
    assert seconds_in("2", "h") == 7200.0
    assert seconds_in("2s", "h") == 2.0
