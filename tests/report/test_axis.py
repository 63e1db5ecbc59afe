"""The marks of the time axis."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobwatch._report.axis import ticks

from .making import T


def texts(began: float, ended: float, most: int = 8) -> list[str]:
    return [tick.text for tick in ticks(T + began, T + ended, most)]


def test_marks_stand_at_round_times() -> None:
    assert texts(0.0, 0.05) == [f"08:00:00.{part}" for part in ("00", "01", "02", "03", "04", "05")]
    assert texts(0.3, 3.2) == ["08:00:00.5", "08:00:01.0", "08:00:01.5", "08:00:02.0", "08:00:02.5", "08:00:03.0"]
    assert texts(1.0, 88.0) == [f"08:0{each}" for each in ("0:15", "0:30", "0:45", "1:00", "1:15")]
    assert texts(0.0, 7200.0) == ["08:00", "08:15", "08:30", "08:45", "09:00", "09:15", "09:30", "09:45", "10:00"]
    assert texts(0.0, 172_800.0) == ["12:00", "18:00", "30 Nov", "06:00", "12:00", "18:00", "1 Dec", "06:00"]
    assert texts(0.0, 20 * 86_400.0) == ["4 Dec", "11 Dec", "18 Dec"]
    assert texts(0.0, 800 * 86_400.0) == ["Apr 2026", "Oct 2026", "Apr 2027", "Oct 2027"]


@given(st.floats(0.0, 2e9), st.floats(0.0, 1e9), st.integers(2, 12))
def test_marks_rise_lie_within_and_are_no_more_than_there_is_room_for(began: float, span: float, most: int) -> None:
    found = [tick.at for tick in ticks(began, began + span, most)]
    assert len(found) <= most + 1
    assert found == sorted(set(found))
    assert all(began <= at <= began + span for at in found)


@given(st.floats(1e9, 2e9), st.floats(0.01, 1e8))
def test_there_are_at_least_two_marks_wherever_there_is_time(began: float, span: float) -> None:
    assert len(ticks(began, began + span, 8)) >= 2
