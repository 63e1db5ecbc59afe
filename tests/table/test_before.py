"""The reader of tables as it was, and the present one on the upgraded table: the same of every body in the tests."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobwatch import Fault, JobAPI
from jobwatch._reading.api import _read
from jobwatch._table.compile import api_of
from jobwatch._table.upgrade import upgraded
from tests.table.before.compile import api_of as api_before

RECORDS: list[dict[str, Any]] = msgspec.json.decode(Path(__file__).with_name("asked_before.json").read_bytes())
CHANGED = {
    '{"data":{"upid":"UPID:n:0:1:2:x:","status":"stopped","exitstatus":"no"}}': "the text no says no",
    "Not found, sorry!": "a line of text is a status, if one that no table knows",
}
"""Bodies of which the new language says something else, on purpose."""


def told(api: JobAPI, kind: str, body: bytes, *more: Any) -> object:
    reader: Any = api.verdict if kind == "verdict" else getattr(api, f"read_{kind}")
    if kind == "verdict":
        return reader(*more, body)
    read: Any = _read
    found: object = read(reader, body, *more)
    return found.kind if isinstance(found, Fault) else found


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_a_table_that_is_upgraded_reads_as_it_did(record: dict[str, Any]) -> None:
    after = upgraded(record["before"])
    assert after.remarks == ()
    before, now = api_before(tomllib.loads(record["before"]), "own"), api_of(tomllib.loads(after.text), "own")
    for kind, body, *more in record["asked"]:
        if body not in CHANGED:
            assert told(now, kind, body.encode(), *more) == told(before, kind, body.encode(), *more), (after.text, body)


def test_there_are_enough_of_them() -> None:
    assert sum(len(record["asked"]) for record in RECORDS) > 700
    assert {body for record in RECORDS for _, body, *_ in record["asked"]} >= set(CHANGED)
