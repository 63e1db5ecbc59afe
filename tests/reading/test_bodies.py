"""Bodies as plain values, and steps into them."""

from __future__ import annotations

import gc
import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Raw

from jobwatch._models import JSON
from jobwatch._reading.bodies import LARGE, NOTHING, Steps, at, decoder_of, inner, plain, plain_body
from jobwatch._reading.problems import read_problem, reported_error


@pytest.mark.parametrize("body", [b"", b"<", b'"\xff"', b"[" * 100_000, b"1" * 5000, b"1e999", b"{}x"])
def test_what_is_no_json_is_none_and_no_exception(body: bytes) -> None:
    assert plain_body(body) is None


def test_a_byte_order_mark_is_left_out() -> None:
    assert plain_body(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


def test_a_part_is_plain_whether_it_was_decoded_or_not() -> None:
    assert [plain(part) for part in (Raw(b"[1]"), Raw(b""), NOTHING, UNSET, None, False, [2])] == [
        [1],
        None,
        None,
        None,
        None,
        False,
        [2],
    ]


@pytest.mark.parametrize(
    ("value", "step", "found"),
    [({"a": 1}, "a", 1), ({"a": 1}, "b", UNSET), ([1, 2], -1, 2), ([1], 1, None), ([1], -2, None), ("ab", 0, UNSET)],
)
def test_one_step(value: JSON, step: str | int, found: object) -> None:
    assert inner(value, step) == found


@pytest.mark.parametrize(
    ("path", "found"), [((), {"a": [{"b": 1}]}), (("a", 0, "b"), 1), (("a", 1, "b"), None), (("x",), None)]
)
def test_the_end_of_a_path(path: Steps, found: JSON) -> None:
    assert at({"a": [{"b": 1}]}, path) == found


Timed = msgspec.defstruct("Timed", [("at", float, 0.0), ("more", Any, None)])
"""A type with a field for a number, and a field for anything, as a table's are made."""

HARD = b",".join([b"5e-324", b"1.5"] * 3000)


def test_hard_numbers_are_read_where_anything_may_stand_and_refused_where_a_number_is_wanted() -> None:
    body = b'{"at":1.5,"more":[%b]}' % HARD
    assert len(body) > LARGE
    assert decoder_of(Any, is_typed=False)(body) == json.loads(body)
    with pytest.raises(msgspec.ValidationError, match="no times, counts or words"):
        decoder_of(Timed, is_typed=True)(body)
    small = b'{"at":5e-324,"more":[5e-324]}'
    assert decoder_of(Timed, is_typed=True)(small) == Timed(5e-324, [5e-324])
    easy = b'{"at":1.5,"more":[%b]}' % b",".join([b"1.25"] * 5000)
    assert decoder_of(Timed, is_typed=True)(easy) == Timed(1.5, [1.25] * 5000)
    with pytest.raises(ValueError, match="out of range"):
        decoder_of(Any, is_typed=False)(b"[%b,1e999]" % HARD)


def test_what_is_left_out_is_no_work() -> None:
    closed = msgspec.defstruct("Closed", [("at", float, 0.0)])
    assert decoder_of(closed, is_typed=True)(b'{"at":1.5,"more":[%b]}' % b",".join([b"{}"] * 130_000)) == closed(1.5)


@pytest.mark.parametrize("typed", [True, False])
def test_more_parts_than_any_job_has_are_not_decoded(typed: bool) -> None:
    decode = decoder_of(Timed if typed else Any, is_typed=typed)
    with pytest.raises(ValueError, match="more parts"):
        decode(b'{"more":[%b]}' % b",".join([b"{}"] * 130_000))
    assert gc.isenabled()


@pytest.mark.parametrize("size", [10, 70_000])
def test_an_error_is_no_larger_than_what_is_read_of_one(size: int) -> None:
    body = msgspec.json.encode({"error": "no", "more": "x" * size})
    assert [found is None for found in (read_problem(body), reported_error(body))] == [size > 64 * 1024] * 2
