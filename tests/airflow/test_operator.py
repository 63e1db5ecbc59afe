"""The operator and its trigger as Airflow calls them; run where Airflow is, as by tests/real_servers."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

if importlib.util.find_spec("airflow") is None:
    pytest.skip("needs Airflow", allow_module_level=True)

from jobwatch import ConfigError, Outcome
from jobwatch.airflow import JobwatchLink, JobwatchOperator, JobwatchTrigger
from jobwatch.airflow import _operator as module
from jobwatch.airflow import _trigger as trigger_module
from jobwatch.airflow._ended import Ended, event_of
from jobwatch.airflow._exceptions import AirflowException, AirflowFailException


def deferral(monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """Return what the operator defers with."""
    given: dict[str, Any] = {}
    operator = JobwatchOperator(task_id="wait", **{"job_id": "job_1", "api": "capydb", **options})
    monkeypatch.setattr(operator, "defer", given.update)
    monkeypatch.setattr(module, "begin_cursor", lambda task, wait: given.update(begun=(task, wait)))
    context: Any = {"ti": "the task"}
    operator.execute(context)
    return given


def test_a_trigger_has_texts_and_floats_for_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "accept": {"partial", "cancelled"},
        "fail_on": {"blocked"},
        "timeout": "5m",
        "api_params": {"owner": "o"},
    }
    path, arguments = deferral(monkeypatch, conn_id="jobs", **options)["trigger"].serialize()
    assert path == "jobwatch.airflow.JobwatchTrigger"
    assert {type(each) for each in arguments.values()} == {str, float}
    assert arguments["accept"] == "cancelled,partial"
    assert arguments["api_params"] == '{"owner":"o"}'
    assert 290 < arguments["deadline"] - time.time() <= 300
    assert JobwatchTrigger(**arguments).serialize() == (path, arguments)


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({}, None),
        ({"timeout": 60}, 60),
        ({"execution_timeout": timedelta(seconds=60)}, 60),
        ({"timeout": "2m", "execution_timeout": timedelta(seconds=60)}, 60),
        ({"timeout": timedelta(seconds=30), "execution_timeout": timedelta(seconds=60)}, 30),
    ],
)
def test_the_time_limit_bounds_the_deferral(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], limit: float | None
) -> None:
    found = deferral(monkeypatch, **options)
    assert found["timeout"] == (None if limit is None else timedelta(seconds=limit + 60))
    assert found["trigger"].timeout == (limit or 0.0)
    assert bool(found["trigger"].deadline) is (limit is not None)


@pytest.mark.usefixtures("idle_clock")
async def test_no_event_comes_before_airflow_has_let_go_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, now = asyncio.get_running_loop(), time.time()
    monkeypatch.setattr(trigger_module, "time", SimpleNamespace(time=lambda: now))
    soonest = trigger_module.SOONEST
    for deferred_at, pause in ((now, soonest), (now - 2.0, 3.0), (now + 60, soonest), (now - 60, 0.0), (0.0, 0.0)):
        trigger = JobwatchTrigger("job_1", "capydb", deferred_at=deferred_at, api_params="[]")
        began = loop.time()
        events = [event.payload async for event in trigger.run()]
        assert [event["outcome"] for event in events] == [None]
        assert loop.time() - began == pytest.approx(pause)


@pytest.mark.parametrize("job_id", ["", " ", "None"])
def test_an_id_that_no_task_has_told_fails_at_once(monkeypatch: pytest.MonkeyPatch, job_id: str) -> None:
    with pytest.raises(AirflowFailException, match="job_id is empty"):
        deferral(monkeypatch, job_id=job_id)


def test_a_cursor_is_kept_as_xcoms_are(monkeypatch: pytest.MonkeyPatch) -> None:
    found = deferral(monkeypatch)
    assert found["begun"] == ("the task", found["trigger"].wait)
    assert found["trigger"].wait != deferral(monkeypatch)["trigger"].wait
    without = deferral(monkeypatch, do_xcom_push=False)
    assert without["trigger"].wait == ""
    assert "begun" not in without
    assert deferral(monkeypatch, do_xcom_push=False, keep_cursor=True)["trigger"].wait != ""
    assert deferral(monkeypatch, keep_cursor=False)["trigger"].wait == ""


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"accept": {"nonsense"}}, "accept: there is no 'nonsense'"),
        ({"fail_on": "blocked"}, "fail_on is a set of names"),
        ({"retry_on": {"succeeded"}}, "retry_on: there is no 'succeeded'"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": 0}, "timeout"),
        ({"max_result": "much"}, "max_result: 'much' is no size"),
    ],
)
def test_what_makes_no_sense_is_told_when_the_dag_is_read(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        JobwatchOperator(task_id="wait", job_id="job_1", api="capydb", **options)


@pytest.mark.parametrize(
    ("ended", "retry_on", "error"),
    [
        (Ended(good=True, outcome=Outcome.SUCCEEDED, job={"id": "job_1", "url": "http://x/1"}), None, None),
        (Ended(good=False, outcome=Outcome.FAILED, told="job job_1 ended failed"), None, "AirflowFailException"),
        (Ended(good=False, outcome=Outcome.FAILED, told="job job_1 ended failed"), {"failed"}, "AirflowException"),
        (Ended(good=False, outcome=Outcome.TIMEOUT, told="job job_1 did not end"), None, "AirflowException"),
        (Ended(good=False, outcome=Outcome.TIMEOUT, told="job job_1 did not end"), (), "AirflowFailException"),
        (Ended(good=False, outcome=None, told="no API is called x"), None, "AirflowFailException"),
    ],
)
def test_the_jobs_error_is_the_tasks(
    monkeypatch: pytest.MonkeyPatch, ended: Ended, retry_on: Any, error: str | None
) -> None:
    dropped: list[object] = []
    monkeypatch.setattr(module, "drop_cursor", dropped.append)
    options = {} if retry_on is None else {"retry_on": retry_on}
    operator = JobwatchOperator(task_id="wait", job_id="job_1", api="capydb", **options)
    context: Any = {"ti": "the task"}
    if error is None:
        assert operator.execute_complete(context, event_of(ended)) == {"id": "job_1", "url": "http://x/1"}
        assert JobwatchLink().get_link(operator, ti_key=context["ti"]) == "http://x/1"
    else:
        with pytest.raises(AirflowException, match=ended.told) as caught:
            operator.execute_complete(context, event_of(ended))
        assert type(caught.value).__name__ == error
    assert dropped == ["the task"]
