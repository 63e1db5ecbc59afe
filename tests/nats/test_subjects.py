"""Subjects: any id is one token, and no two ids are the same one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobwatch import ConfigError
from jobwatch.nats._subjects import Names, checked_prefix, place_token, shard_of, token

IDS = st.text(min_size=1, max_size=100)
LEGAL = re.compile(r"[A-Za-z0-9_=~-]+")


@given(IDS)
@example("a.b")
@example("*")
@example(">")
@example(" ")
@example("ü\n\0")
@example("\ud800")
@example("x" * 1000)
@example("*" * 1000)
def test_any_id_is_one_token_that_a_line_of_the_protocol_can_hold(job_id: str) -> None:
    assert LEGAL.fullmatch(token(job_id))
    assert len(token(job_id)) <= 180
    names = Names("jobwatch", 0, place_token("capydb", "https://api.capydb.dev"))
    assert names.due(job_id).count(".") == names.state("j").count(".") == names.all_due.count(".")
    assert len(names.event(job_id, 10**12, 10**6)) < 1000


@given(IDS, IDS)
@example("a.b", "a=2Eb")
@example("=", "")
@example("x" * 200, "x" * 201)
@example("x" * 120 + "~", "x" * 120)
def test_no_two_ids_are_the_same_token(one: str, other: str) -> None:
    assert (token(one) == token(other)) == (one == other)


def test_plain_ids_stay_as_they_are_so_that_people_can_read_them() -> None:
    names = Names("jobwatch", 3, "capydb-0123456789")
    assert names.waiting("job_01J-a") == "jobwatch.3.job.capydb-0123456789.job_01J-a.w"
    assert names.event("a.b", 7, 2) == "jobwatch.3.ev.capydb-0123456789.a=2Eb.7.2"


def test_the_same_id_elsewhere_is_another_place() -> None:
    assert place_token("capydb", "https://one.example") != place_token("capydb", "https://two.example")
    assert place_token("capydb", "https://one.example") == place_token("capydb", "https://one.example")


@pytest.mark.parametrize("prefix", ["", "a.b", "a b", "*", ">", "x" * 33, "ü"])
def test_a_prefix_that_cuts_subjects_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        checked_prefix(prefix)


def test_jobs_are_spread_over_the_streams() -> None:
    counts = [0, 0, 0, 0]
    for number in range(4000):
        counts[shard_of(f"job_{number}", 4)] += 1
    assert min(counts) > 900
    assert shard_of("job_1", 4) == shard_of("job_1", 4)
