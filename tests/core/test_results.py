"""A result as a type of one's own: what fits, what does not, and what cannot be asked for."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from msgspec import Meta, Struct

from jobwatch import JSON, ConfigError, Job, JobEnded, JobwatchError, LookError, Phase, ResultMismatch
from jobwatch._core.results import check_type, with_result


class Page(Struct, frozen=True):
    number: int
    seen: date | None = None


class Loose(Struct, frozen=True):
    more: JSON


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    pages: list[Page]


class Legacy(TypedDict):
    pages: int


@dataclasses.dataclass
class Plain:
    pages: int


class Foreign:
    def __init__(self, **given: object) -> None:
        self.given = given


def job(result: JSON) -> Job:
    return Job(id="job_1", api="x", status="COMPLETED", phase=Phase.SUCCEEDED, result=result)


@pytest.mark.parametrize(
    ("kind", "result", "read"),
    [
        (Report, {"pages": [{"number": 1, "seen": "2026-01-02"}]}, Report([Page(1, date(2026, 1, 2))])),
        (Plain, {"pages": 3}, Plain(3)),
        (Legacy, {"pages": 3, "more": 4}, {"pages": 3}),
        (list[datetime], ["2026-01-02T00:00:00Z"], [datetime(2026, 1, 2, tzinfo=UTC)]),
        (dict[int, str], {"7": "seven"}, {7: "seven"}),
        (Report | None, None, None),
        (Loose, {"more": [{"a": 1}]}, Loose([{"a": 1}])),
        (dict[str, JSON], {"a": [1]}, {"a": [1]}),
        (Annotated[int, Meta(gt=0, extra_json_schema={})], 3, 3),
        (Any, {"a": [1]}, {"a": [1]}),
    ],
)
def test_a_result_that_fits_is_read(kind: Any, result: JSON, read: object) -> None:
    check_type(kind)
    told = with_result(job(result), kind)
    assert told.result == read
    assert type(told.result) is type(read)
    assert msgspec.structs.replace(told, result=result) == job(result), "nothing else is changed"


def test_one_that_does_not_fit_says_whose_it_is_where_and_what_was_wanted() -> None:
    as_it_came = job({"pages": [{"number": 1}, {"number": "two"}]})
    with pytest.raises(ResultMismatch) as caught:
        with_result(as_it_came, Report)
    assert str(caught.value) == (
        "job job_1 succeeded, but its result is no Report: Expected `int`, got `str` - at `$.pages[1].number`"
    )
    assert caught.value.job is as_it_came
    assert not isinstance(caught.value, JobEnded | LookError), "the job is good, and was read"
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.job, again.expected, str(again)) == (as_it_came, "Report", str(caught.value))


@pytest.mark.parametrize(
    ("kind", "result", "told"),
    [
        (Report, None, "no Report: Expected `object`, got `null`"),
        (list[int], {}, "no list[int]: Expected `array`, got `object`"),
        (
            Report,
            {"pages": [], "a\x1b[2J\n::error::": 1},
            r"no Report: Object contains unknown field `a\x1b[2J\n::error::`",
        ),
    ],
)
def test_what_is_wrong_is_told_on_one_line_whatever_the_server_says(kind: Any, result: JSON, told: str) -> None:
    with pytest.raises(ResultMismatch) as caught:
        with_result(job(result), kind)
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Foreign, "result=Foreign is no type that msgspec reads"),
        ("Report", "result='Report' cannot be used"),
        (7, "result=7 cannot be used"),
        (Report | Page, "cannot be used: If a type union contains multiple Struct types"),
    ],
)
def test_a_type_that_nothing_could_fit_is_refused_beforehand(kind: object, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_type(kind)
    assert told in str(caught.value)
    assert isinstance(caught.value, JobwatchError)
