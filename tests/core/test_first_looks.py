"""How fast first looks may go: all at once where jobs have ended, and no herd where they go on."""

from __future__ import annotations

import pytest

from jobwatch._core.first_looks import FirstLooks


def looked(jobs: int, *, going_on: float, wish: float, for_seconds: float, places: int = 64) -> list[float]:
    """Return when the first looks at jobs were made that answer after 50 ms, of which every so many goes on."""
    pace, now = FirstLooks(), 1000.0
    times: list[float] = []
    answers: list[tuple[float, bool]] = []
    known, share = 0, 0.0
    while now < 1000.0 + for_seconds and len(times) < jobs:
        while answers and answers[0][0] <= now:
            _, goes_on = answers.pop(0)
            known += goes_on
            pace.answered(goes_on=goes_on)
        if len(answers) < places and pace.next_at <= now:
            share += going_on
            answers.append((now + 0.05, share >= 1.0))
            share -= share >= 1.0
            times.append(now - 1000.0)
            pace.made(now, jobs - len(times), known, known * wish)
        else:
            now = round(now + 0.001, 3)
    return times


def most_in_a_second(times: list[float]) -> int:
    return max(sum(begin <= time < begin + 1.0 for time in times) for begin in times[::50])


def test_jobs_that_have_ended_wait_for_places_only() -> None:
    assert looked(10_000, going_on=0.0, wish=0.0, for_seconds=60.0)[-1] == pytest.approx(10_000 / 64 * 0.05, abs=0.1)


@pytest.mark.parametrize(("jobs", "wish"), [(10_000, 1 / 20.0), (5_000, 1 / 10.0), (20_000, 1 / 60.0)])
def test_a_herd_makes_not_half_as_many_requests_again_as_it_will_want(jobs: int, wish: float) -> None:
    times = looked(jobs, going_on=1.0, wish=wish, for_seconds=600.0)
    assert len(times) == jobs
    assert most_in_a_second(times) <= 1.4 * jobs * wish


def test_what_is_wanted_by_jobs_that_are_known_already_is_left_to_them() -> None:
    times = looked(10_000, going_on=1.0, wish=1 / 20.0, for_seconds=600.0)
    tenth = [time for time in times if 9.0 <= time < 10.0]
    known = sum(time < 9.0 for time in times)
    assert len(tenth) + known / 20.0 <= 1.4 * 10_000 / 20.0


@pytest.mark.parametrize(("going_on", "seconds"), [(0.1, 8.0), (0.5, 9.0), (0.8, 17.0)])
def test_the_fewer_go_on_the_sooner_all_are_seen(going_on: float, seconds: float) -> None:
    assert looked(10_000, going_on=going_on, wish=1 / 20.0, for_seconds=600.0)[-1] <= seconds


def test_a_thousand_jobs_that_are_seldom_looked_at_are_all_seen_within_five_seconds() -> None:
    assert looked(1_000, going_on=1.0, wish=1 / 600.0, for_seconds=600.0)[-1] == pytest.approx(5.0, abs=0.1)


def test_how_many_may_go_now_is_how_many_go() -> None:
    pace = FirstLooks()
    assert pace.due(1000.0, 64) == 64, "as many as there is place for, before anything is known"
    for number in range(64):
        pace.made(1000.0, 9_999 - number, 0, 0.0)
    for _ in range(64):
        pace.answered(goes_on=True)
    pace.made(1000.05, 9_935, 64, 64 / 20.0)
    for now in (1000.05, 1000.2, 1000.21, 1003.0):
        due, made = pace.due(now, 1000), 0
        while pace.next_at <= now:
            made += 1
            pace.made(now, 9_900, 64 + made, (64 + made) / 20.0)
        assert due == pytest.approx(made, abs=0.1 * made + 1.0), now
    assert pace.due(1003.0, 64) == 0


def test_few_jobs_are_no_herd() -> None:
    assert looked(64, going_on=1.0, wish=1 / 600.0, for_seconds=600.0, places=8)[-1] == pytest.approx(0.35, abs=0.01)


def test_what_could_not_go_in_time_is_not_made_up_for_all_at_once() -> None:
    pace = FirstLooks()
    pace.made(0.0, 999, 0, 0.0)
    pace.answered(goes_on=True)
    pace.made(0.1, 998, 1, 0.01)
    pace.made(50.0, 997, 1, 0.01)
    assert pace.next_at >= 49.9
