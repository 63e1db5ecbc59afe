"""No hostile reply makes an end of a job that runs, raises what is not of the package, or hides the end that comes."""

from __future__ import annotations

import asyncio
import tomllib

import pytest

from jobwatch._http import fast
from jobwatch._table.compile import api_of

from .hostile import GROUPS, POST, TABLE, TABLES_OWN, wrong


def test_there_are_enough_cases() -> None:
    assert sum(map(len, GROUPS.values())) >= 150


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
async def test_a_job_that_runs_is_known_right_whatever_the_server_sends(group: str) -> None:
    cases = GROUPS[group]
    said = await asyncio.gather(*map(wrong, cases.values()))
    assert {name: each for name, each in zip(cases, said, strict=True) if each is not None} == {}


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
async def test_so_it_is_with_the_session_of_aiohttp(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "is_stock", lambda: False)
    cases = GROUPS[group]
    said = await asyncio.gather(*map(wrong, cases.values()))
    assert {name: each for name, each in zip(cases, said, strict=True) if each is not None} == {}


@pytest.mark.slow
@pytest.mark.parametrize("table", [TABLE, POST], ids=["GET", "POST"])
@pytest.mark.parametrize("group", GROUPS)
async def test_so_it_is_through_a_table(group: str, table: str) -> None:
    api = api_of(tomllib.loads(table), "own")
    cases = {name: answer for name, answer in GROUPS[group].items() if name not in TABLES_OWN}
    said = await asyncio.gather(*(wrong(answer, api) for answer in cases.values()))
    assert {name: each for name, each in zip(cases, said, strict=True) if each is not None} == {}
