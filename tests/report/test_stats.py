"""What a history knows of each kind of job, and its picture."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from jobwatch._core.durations import LearnedDurations
from jobwatch._core.hazard import PRIOR
from jobwatch._core.pace import Pace, interval
from jobwatch._models import Phase
from jobwatch._report.stats import KindPicture, kinds_of
from jobwatch._report.stats_picture import MOST_KINDS, picture

TENTHS = [float(seconds) for seconds in range(10, 0, -1)]


def history(*kinds: tuple[str, str, Phase], seconds: list[float] = TENTHS) -> LearnedDurations:
    learned = LearnedDurations()
    for kind in kinds:
        for each in seconds:
            learned.add_duration(kind, each)
    return learned


def named(kinds: list[KindPicture]) -> list[tuple[str, str, Phase]]:
    return [(kind.stats.api, kind.stats.type, kind.stats.phase) for kind in kinds]


def test_the_figures_of_a_kind() -> None:
    (kind,) = kinds_of(history(("capydb", "dump", Phase.RUNNING)))
    stats = kind.stats
    assert (stats.jobs, stats.shortest, stats.median, stats.most, stats.longest) == (10, 1.0, 5.0, 9.0, 10.0)
    assert kind.seconds == tuple(sorted(TENTHS))


def test_looks_are_those_of_the_pace_and_each_job_is_known_by_the_first_after_its_end() -> None:
    pace = Pace(min_interval=3.0, max_interval=3.0)
    (kind,) = kinds_of(history(("capydb", "dump", Phase.RUNNING), seconds=[2.0, 4.0, 6.0]), pace)
    assert kind.looks_at == (0.0, 3.0, 6.0)
    assert kind.stats.looks == pytest.approx((2 + 3 + 3) / 3, abs=0.05)
    assert kind.stats.late == pytest.approx((1 + 2 + 0) / 3, abs=0.001)


def test_looks_gather_where_jobs_of_the_kind_have_ended() -> None:
    learned = history(("capydb", "dump", Phase.RUNNING), seconds=[300.0 + each for each in range(40)])
    (kind,) = kinds_of(learned)
    steps = [later - sooner for sooner, later in pairwise(kind.looks_at)]
    assert min(steps[-10:]) < interval(Pace(), 320.0, PRIOR) / 2


def test_kinds_are_in_order_and_all_types_together_only_where_there_are_several() -> None:
    dump, load = (("capydb", name, Phase.RUNNING) for name in ("dump", "load"))
    pending = ("capydb", "dump", Phase.PENDING)
    assert named(kinds_of(history(dump))) == [dump]
    assert named(kinds_of(history(load, dump, ("bedrock", "", Phase.RUNNING), pending))) == [
        *(("bedrock", "", Phase.RUNNING), pending, dump, load),
        *(("capydb", "*", Phase.PENDING), ("capydb", "*", Phase.RUNNING)),
    ]


def test_a_job_that_took_no_time_is_a_job_too() -> None:
    (kind,) = kinds_of(history(("a", "", Phase.RUNNING), seconds=[0.0]))
    assert (kind.looks_at, kind.stats.looks, kind.stats.late) == ((0.0,), 1.0, 0.0)


def test_an_empty_history() -> None:
    assert kinds_of(LearnedDurations()) == []


@pytest.mark.slow(in_sample=True)
def test_the_picture_is_the_same_each_time_names_its_kinds_and_obeys_no_formula() -> None:
    names = [("capydb", r"$x^2_{\$a"), ("capydb", "$x$"), ("bedrock", "<b>&")]
    kinds = kinds_of(history(*((api, name, Phase.RUNNING) for api, name in names)))
    text = picture(kinds)
    assert text == picture(kinds)
    shown = "".join(ET.fromstring(text).itertext())
    assert r"capydb $x^2_{\$a, from running" in shown
    assert "capydb $x$, from running" in shown
    assert "bedrock <b>&, from running" in shown


@pytest.mark.slow
def test_a_picture_of_more_kinds_than_there_is_room_for_has_those_of_which_most_is_known() -> None:
    learned = history(*(("a", f"kind-{number}", Phase.RUNNING) for number in range(MOST_KINDS + 10)), seconds=[1.0])
    for _ in range(3):
        learned.add_duration(("a", "kind-49", Phase.RUNNING), 2.0)
    text = picture(kinds_of(learned))
    assert text.count("from running") == MOST_KINDS
    assert "kind-49," in text
