"""No hostile reply makes an end of a job that runs, raises what is not of the package, or hides the end that comes."""

from __future__ import annotations

import asyncio

import pytest

from .hostile import GROUPS, wrong


def test_there_are_enough_cases() -> None:
    assert sum(map(len, GROUPS.values())) >= 150


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
async def test_a_job_that_runs_is_known_right_whatever_the_server_sends(group: str) -> None:
    cases = GROUPS[group]
    said = await asyncio.gather(*map(wrong, cases.values()))
    assert {name: each for name, each in zip(cases, said, strict=True) if each is not None} == {}
