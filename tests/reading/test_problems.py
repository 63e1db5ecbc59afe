"""What went wrong, wherever an API says it."""

from __future__ import annotations

import pytest

from jobwatch import Problem
from jobwatch._models import JSON
from jobwatch._reading.problems import problem_of


def within(value: JSON, lists: int) -> JSON:
    """Return a value within so many lists."""
    for _ in range(lists):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (within("disk full", 4), Problem("disk full")),
        (within("disk full", 5), None),
        (within("disk full", 400), None),
        ([None] * 9 + ["disk full"], Problem("disk full")),
        ([None] * 10 + ["disk full"], None),
        ({"error": {"error": {"error": {"error": {"message": "m"}}}}}, Problem("m")),
        ({"error": {"error": {"error": {"error": {"error": {"message": "m"}}}}}}, Problem('{"error":{"message":"m"}}')),
    ],
)
def test_a_message_is_on_the_outside_and_first_or_it_is_none(value: JSON, problem: Problem | None) -> None:
    assert problem_of(value) == problem
