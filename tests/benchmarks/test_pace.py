"""The benchmark of the pace: that it reckons right, says what it must, and refuses what it cannot use."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

import pytest

from benchmarks import clairvoyant, durations, pace, pace_report, policies
from jobwatch._core.pace import PRIOR

if TYPE_CHECKING:
    from pathlib import Path


def policy(name: str) -> policies.Policy:
    """The rival whose name starts so."""
    return next(one for one in policies.POLICIES if one.name.startswith(name))


class TestPolicies:
    def test_there_are_ten_with_versions_and_sources(self) -> None:
        assert len(policies.POLICIES) == len({one.name for one in policies.POLICIES}) == 10
        assert {one.kind for one in policies.POLICIES} == {"fixed", "linear", "backoff"}
        assert all(any(char.isdigit() for char in one.name) and "." in one.source for one in policies.POLICIES)

    @pytest.mark.parametrize(
        ("name", "seconds", "looks", "delay"),
        [
            ("azure", 0.0, 1, 0.0),
            ("azure", 20.0, 2, 10.1),
            ("openai", 2.0, 3, 0.2),
            ("replicate", 0.2, 1, 0.3),
            ("replicate", 0.6, 2, 0.5),
            ("fal", 0.31, 3, 0.09),
        ],
    )
    def test_fixed_intervals(self, name: str, seconds: float, looks: int, delay: float) -> None:
        [schedule] = policies.schedules(policy(name), seed=1)
        assert tuple(schedule.wait(seconds)) == pytest.approx((looks, delay))

    def test_reckoning_is_drawing(self) -> None:
        for name in ("gh", "replicate"):
            even, drawn = policies.EvenSchedule(policy(name)), policies.Schedule(policy(name), random.Random(1))
            for seconds in (0.0, 0.4, 7.77, 123.4, 5_000.1):
                assert tuple(even.wait(seconds)) == pytest.approx(tuple(drawn.wait(seconds)))

    @pytest.mark.parametrize(
        ("name", "bounds"),
        [
            (
                "databricks",
                [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9), (9, 10), (10, 11), (10, 11)],
            ),
            ("google", [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, 32), (0, 60), (0, 60)]),
            ("Smithy", [(2, 2), (2, 4), (2, 8), (2, 16), (2, 32), (2, 64), (2, 120), (2, 120)]),
            ("gcloud", [(1, 1), (2, 3), (2.8, 3.8), (3.92, 4.92)]),
        ],
    )
    def test_growing_intervals(self, name: str, bounds: list[tuple[float, float]]) -> None:
        runs = [policy(name).intervals(random.Random(seed)) for seed in range(300)]
        for low, high in bounds:
            drawn = [next(run) for run in runs]
            assert min(drawn) >= low
            assert max(drawn) <= high
            assert max(drawn) - min(drawn) >= 0.8 * (high - low)


class TestDurations:
    def test_drawn_jobs_are_as_long_as_the_measured_ones(self) -> None:
        trace = durations.drawn(20_000, seed=3)
        common = durations.IMAGE_JOBS[0]
        drawn = [job.seconds for job in trace if job.type == common.name]
        assert len(drawn) / len(trace) == pytest.approx(
            common.jobs / sum(k.jobs for k in durations.IMAGE_JOBS), rel=0.1
        )
        assert median(drawn) == pytest.approx(common.quantiles[4], rel=0.03)

    @pytest.mark.parametrize("kind", durations.IMAGE_JOBS, ids=lambda kind: kind.name)
    def test_quantiles_are_kept(self, kind: durations.Kind) -> None:
        assert [durations.duration(kind, level) for level in durations.LEVELS] == pytest.approx(list(kind.quantiles))
        ends = [durations.duration(kind, level) for level in (0.0, 0.005, 0.5, 0.995, 1.0)]
        assert ends == sorted(ends)

    def test_whole_seconds_are_spread(self, tmp_path: Path) -> None:
        file = tmp_path / "trace.csv"
        file.write_text("type,seconds\n" + "build,7\n" * 400)
        seconds = [job.seconds for job in durations.read(file, seed=1)]
        assert 6.5 <= min(seconds) < 6.6
        assert 7.4 < max(seconds) <= 7.5
        file.write_text("type,seconds\nbuild,7\nbuild,7.25\n")
        assert [job.seconds for job in durations.read(file, seed=1)] == [7.0, 7.25]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", ":1: no column type and no column seconds"),
            ("type,second\na,1\n", ":1: no column seconds"),
            ("type,seconds\n", ":2: no jobs"),
            ("type,seconds\na,1\nb,-2\n", ":3: seconds is '-2'"),
            ("type,seconds\na,nan\n", ":2: seconds is 'nan'"),
            ("type,seconds\na,inf\n", ":2: seconds is 'inf'"),
            ("type,seconds\na,1\n\nb,soon\n", ":4: seconds is 'soon', which is not a number"),
            ("type,seconds\na\n", ":2: seconds is ''"),
            ("type,seconds\n,4\n", ":2: type is empty"),
        ],
    )
    def test_a_trace_that_cannot_be_used_is_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
    ) -> None:
        file = tmp_path / "trace.csv"
        file.write_text(text)
        assert pace.main(["--trace", str(file)]) == 2
        told = capsys.readouterr()
        assert f"{file}{complaint}" in told.err
        assert not told.out

    def test_a_missing_file_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert pace.main(["--trace", str(tmp_path / "none.csv")]) == 2
        assert "none.csv" in capsys.readouterr().err


class TestClairvoyant:
    @pytest.mark.parametrize("seed", range(20))
    def test_finds_the_best_schedule(self, seed: int) -> None:
        rng = random.Random(seed)
        ages = sorted(rng.lognormvariate(1.0, 1.0) for _ in range(9))
        weights = [rng.random() for _ in ages]
        chances = [weight / sum(weights) for weight in weights]
        price = rng.choice([0.01, 0.1, 1.0, 10.0])
        every = ([age for place, age in enumerate(ages) if subset >> place & 1] for subset in range(256, 512))
        best = min(spent(schedule, ages, chances, price) for schedule in every)
        found = clairvoyant.best_schedule(ages, chances, price)
        assert spent(found, ages, chances, price) == pytest.approx(best)

    def test_smoothing_keeps_the_chances(self) -> None:
        jobs = [seconds for _, seconds in durations.drawn(3_000, seed=5)]
        ages = clairvoyant.candidates(PRIOR, 0.2, max(jobs))
        chances = clairvoyant.smoothed(jobs, ages)
        assert sum(chances) == pytest.approx(1.0)
        assert min(chances) >= 0.0
        mean = sum(age * chance for age, chance in zip(ages, chances, strict=True))
        assert mean == pytest.approx(fmean(jobs), rel=0.03)


def spent(schedule: list[float], ages: list[float], chances: list[float], price: float) -> float:
    """What a schedule costs, reckoned job by job."""
    places = [bisect_left(schedule, age) for age in ages]
    costs = [price * (place + 1) + schedule[place] - age for place, age in zip(places, ages, strict=True)]
    return sum(chance * cost for chance, cost in zip(chances, costs, strict=True))


class TestReport:
    def test_the_closed_form_is_what_the_looks_add_up_to(self) -> None:
        for seconds, phase, step in ((30.0, 0.3, 0.4), (500.0, 0.9, 2.0), (0.01, 0.0, 1.0)):
            waited = pace.Waited(durations.Finished("a", seconds), PRIOR, phase)
            ages = [0.0, PRIOR.advance(0.0, (0.5 + phase) * step)]
            while ages[-1] < seconds:
                ages.append(PRIOR.advance(ages[-1], step))
            assert tuple(pace.wait(waited, step)) == pytest.approx((len(ages), ages[-1] - seconds))

    def test_a_job_is_not_known_before_it_ends(self) -> None:
        first, second = [durations.Finished("a", 5.0)], [durations.Finished("a", 900.0)]
        tail = durations.drawn(5, seed=1)
        one, other = (list(pace.online(start + tail, seed=1)) for start in (first, second))
        assert one[0].curve is other[0].curve is PRIOR
        assert one[1].curve.at(50.0) != other[1].curve.at(50.0)

    def test_the_bound_learns_from_two_jobs_of_a_type_and_knows_the_later_ones(self) -> None:
        trace = [durations.Finished(kind, 10.0 + place) for place, kind in enumerate("abaabb")]
        told, learned, known = (
            [waited.curve.at(20.0) for waited in how(trace, 3)] for how in (pace.soon_known, pace.online, pace.known)
        )
        assert told == [*learned[:3], known[3], learned[4], known[5]]
        assert told not in (learned, known)

    def test_a_row_says_which_share_of_the_gain_is_had(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert pace.main(["--jobs", "200", "--seeds", "2", "--json"]) == 0
        for row in json.loads(capsys.readouterr().out)["rows"]:
            assert row["share"] == pytest.approx(pace_report.SHARE * row["goal"] / row["ratio"])
            assert (row["share"] >= pace_report.SHARE) == (row["ratio"] <= row["goal"])
            assert 0.5 < row["share"] <= row["bound"] * 1.2

    @pytest.mark.slow
    def test_says_what_was_asked_the_same_for_the_same_seed(self, capsys: pytest.CaptureFixture[str]) -> None:
        told: list[str] = []
        for seed in ("7", "7", "8"):
            assert pace.main(["--jobs", "1200", "--json", "--seed", seed]) == 0
            told.append(capsys.readouterr().out)
        assert told[0] == told[1] != told[2]
        (report,) = json.loads(told[0])["reports"]
        assert set(report["rivals"][0]) == {
            "name",
            "kind",
            "looks",
            "delay",
            "fewer_looks_at_same_delay",
            "less_delay_at_same_looks",
            "fewer_looks_if_known",
            "fewer_looks_if_soon_known",
        }
        for row in report["rivals"]:
            assert row["fewer_looks_at_same_delay"] > 0.85 * row["fewer_looks_if_known"]
            assert row["fewer_looks_at_same_delay"] > (1.0 if row["kind"] == "fixed" else 1.8)
            assert row["less_delay_at_same_looks"] > 1.0
        assert 1.0 < report["clairvoyant"]["cost_ratio"] < 1.3
        assert max(report["wrong_history"].values()) < 1.5

    @pytest.mark.slow
    def test_our_line_falls(self) -> None:
        points = pace.line(pace.online(durations.drawn(300, seed=2), seed=2)).points
        assert all(after.looks <= before.looks for before, after in pairwise(points))
        assert all(after.delay > before.delay * 0.9 for before, after in pairwise(points))

    def test_reads_its_line_between_points_and_not_beyond(self) -> None:
        line = pace_report.Line([pace_report.Point(100.0, 1.0), pace_report.Point(10.0, 100.0)])
        assert line.looks_at(10.0) == pytest.approx(10.0**1.5)
        assert line.delay_at(10.0**1.5) == pytest.approx(10.0)
        assert line.looks_at(0.5) is None
        assert line.delay_at(101.0) is None

    def test_prints_a_row_a_rival(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert pace.main(["--jobs", "30"]) == 0
        told = capsys.readouterr().out
        assert all(one.name in told for one in policies.POLICIES)
        assert "no type has enough jobs" in told

    def test_draws_a_picture(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        assert pace.main(["--jobs", "60", "--plot", str(tmp_path / "pace.png")]) == 0
        assert (tmp_path / "pace.png").read_bytes().startswith(b"\x89PNG")
