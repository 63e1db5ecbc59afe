"""A few of the tables and replies of `fuzz`, and that it would notice."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from jobwatch import Job, Phase
from tests.table.fuzz import check_reply, check_table, fuzzed, reply, table_text, texts_of_tables

TEXTS = texts_of_tables()


@pytest.mark.parametrize("seed", range(4))
def test_tables_at_random_load_or_are_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    loaded = [check_table(table_text(rng, TEXTS), tmp_path / "own.toml", math.inf) for _ in range(60)]
    assert 0 < sum(loaded) < 60


@pytest.mark.parametrize("seed", range(4))
def test_replies_at_random_are_jobs_or_faults_and_no_end_is_made_up(seed: int) -> None:
    rng = random.Random(seed)
    for of in itertools.islice(itertools.cycle([fuzzed(text) for text in TEXTS]), 600):
        check_reply(of, reply(of, rng), rng.choice([200, 422, 500]))


def test_an_end_that_is_made_up_is_noticed() -> None:
    (of,) = [fuzzed(text) for text in TEXTS if "replicate" in text]

    def read(_body: bytes, _status: int, job_id: str, _headers: object) -> Job:
        return Job(id=job_id, api="own", status="starting", phase=Phase.SUCCEEDED)

    with pytest.raises(AssertionError):
        check_reply(replace(of, api=replace(of.api, read_reply=read)), {"status": "starting"}, 200)
