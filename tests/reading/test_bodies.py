"""Bodies as plain values, and steps into them."""

from __future__ import annotations

import pytest
from msgspec import UNSET, Raw

from jobwatch._models import JSON
from jobwatch._reading.bodies import NOTHING, Steps, at, inner, plain, plain_body


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
