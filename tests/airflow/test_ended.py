"""How a wait in the triggerer is told to its task."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from jobwatch import JSON, ConfigError, Job, Outcome, Phase
from jobwatch.airflow._ended import (
    RETRIED,
    Ended,
    Verdict,
    ended_of,
    event_of,
    params_of,
    record_of,
    retried,
    verdict_on,
)


def job(result: JSON = None) -> Job:
    ended_at = datetime(2026, 1, 2, tzinfo=UTC)
    return Job(id="j", api="capydb", status="completed", phase=Phase.SUCCEEDED, ended_at=ended_at, result=result)


def test_a_job_goes_into_xcom_as_json_values() -> None:
    record = record_of(job({"tables": [3]}), Outcome.SUCCEEDED, 1000)
    assert json.loads(json.dumps(record)) == record
    assert (record["id"], record["outcome"], record["result"]) == ("j", "succeeded", {"tables": [3]})
    assert record["ended_at"] == "2026-01-02T00:00:00Z"
    assert "wire" not in record
    assert "result_bytes" not in record


@pytest.mark.parametrize(("most", "left_out"), [(12, False), (11, True)])
def test_a_result_that_is_too_large_is_left_out_and_its_size_told(most: int, left_out: bool) -> None:
    record = record_of(job("x" * 10), Outcome.SUCCEEDED, most)
    assert (record["result"], record.get("result_bytes")) == ((None, 12) if left_out else ("x" * 10, None))


def test_an_event_is_read_back() -> None:
    ended = Ended(
        good=False, outcome=Outcome.FAILED, told="job j ended failed: disk full", job=record_of(job(), None, 9)
    )
    assert ended_of(json.loads(json.dumps(event_of(ended)))) == ended


@pytest.mark.parametrize("event", [None, "x", {}, {"good": True, "outcome": "splendid"}])
def test_an_event_of_something_else_is_told(event: object) -> None:
    with pytest.raises(ConfigError, match="the same version of jobwatch"):
        ended_of(event)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_by_default_airflow_tries_again_where_nothing_is_known_of_an_end(outcome: Outcome) -> None:
    says_nothing = not outcome.is_end_of_job and outcome is not Outcome.BLOCKED
    wanted = Verdict.RETRY if says_nothing else Verdict.FAIL
    assert verdict_on(Ended(good=False, outcome=outcome), RETRIED) is wanted
    assert verdict_on(Ended(good=True, outcome=outcome), RETRIED) is Verdict.SUCCESS


def test_what_could_not_begin_is_not_tried_again() -> None:
    assert verdict_on(Ended(good=False, outcome=None), RETRIED) is Verdict.FAIL


def test_which_outcomes_are_tried_again_is_for_the_user_to_say() -> None:
    assert retried({"failed", Outcome.TIMEOUT}) == {Outcome.FAILED, Outcome.TIMEOUT}
    with pytest.raises(ConfigError, match="retry_on: there is no 'succeeded'"):
        retried({"succeeded"})


def test_parameters_are_an_object_of_texts() -> None:
    assert params_of("") == {}
    assert params_of('{"owner": "octo"}') == {"owner": "octo"}
    with pytest.raises(ConfigError, match="api_params is an object of texts: Expected `str`, got `int`"):
        params_of('{"owner": 1}')
