"""What is left out of a body, and what makes it unreadable."""

from __future__ import annotations

import time

import msgspec
import pytest

from jobwatch import Fault, Job, JobAPI, Phase
from jobwatch._reading.structs import decoded
from jobwatch.apis import BEDROCK, CAPYDB


@pytest.mark.parametrize(
    "field",
    [
        b'"attempts":2.5',
        b'"attempts":"two"',
        b'"project_id":5',
        b'"error":{"message":"x"}',
        b'"created_at":{"seconds":1}',
        b'"created_at":%s' % (b"9" * 5000),
        b'"last_exit_code":"0","type":["x"],"cluster_id":false',
    ],
)
def test_an_optional_field_of_another_type_is_left_out(field: bytes) -> None:
    job = CAPYDB.job(b'{"job":{"id":"a","state":"completed","last_stdout":"done",%s}}' % field, "a")
    assert isinstance(job, Job)
    assert (job.phase, job.wire.last_stdout) == (Phase.SUCCEEDED, "done")  # type: ignore[union-attr]
    assert (job.attempt, job.project_id, job.error, job.type) == (None, None, None, None)


def test_deep_inside_too() -> None:
    body = b'{"data":{"id":"a","status":"RUNNING","events":[{"status":"PENDING","timestamp":{}}],"target_id":1}}'
    job = BEDROCK.job(body, "a")
    assert isinstance(job, Job)
    assert [(event.status, event.at) for event in job.events or ()] == [("PENDING", None)]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"job":{"id":"a","state":5,"attempts":"x"}}', "$.job"),
        (b'{"job":{"id":null,"state":"running"}}', "$.job.id"),
        (b'{"job":{"id":"a"}}', "missing required field `state` - at `$.job`"),
        (b'{"job":3}', "$.job"),
    ],
)
def test_id_and_status_cannot_be_done_without(body: bytes, place: str) -> None:
    seen = CAPYDB.job(body, "a")
    assert isinstance(seen, Fault)
    assert place in seen.message


def test_an_entry_of_the_history_is_not_left_out() -> None:
    seen = BEDROCK.job(b'{"data":{"id":"a","status":"RUNNING","events":[{"status":5}]}}', "a")
    assert isinstance(seen, Fault)
    assert "$.data.events[0].status" in seen.message


def test_row_93_one_bad_job_of_a_list_leaves_the_others() -> None:
    body = (
        b'{"jobs":[{"id":"a","state":"running"},{"id":null,"state":"q"},{"state":"q"},3,{"id":"b","state":"failed"}]}'
    )
    jobs = CAPYDB.jobs(body)
    assert isinstance(jobs, tuple)
    assert [job.id for job in jobs] == ["a", "b"]


@pytest.mark.parametrize("body", [b'{"jobs":[null]}', b'{"jobs":[{"id":"a"}]}', b'{"jobs":7}'])
def test_a_list_of_nothing_that_can_be_read_is_not_an_empty_list(body: bytes) -> None:
    assert isinstance(CAPYDB.jobs(body), Fault)


def test_more_than_64_bad_jobs_leave_the_others() -> None:
    body = b'{"jobs":[%s{"id":"good","state":"running","attempts":"x"}]}' % (b'{"id":1},' * 500)
    jobs = CAPYDB.jobs(body)
    assert isinstance(jobs, tuple)
    assert [(job.id, job.attempt) for job in jobs] == [("good", None)]


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("api", "start", "item", "end"),
    [
        (CAPYDB, b'{"jobs":[', b'{"id":7}', b"]}"),
        (CAPYDB, b'{"jobs":[', b'{"id":7,"state":"running","attempts":"x"}', b"]}"),
        (CAPYDB, b'{"jobs":[', b'{"id":7,"state":[]}', b',{"id":8,"state":"running"}]}'),
        (BEDROCK, b'{"data":{"id":"a","status":"R","events":[', b'{"status":"R","timestamp":{}}', b"]}}"),
        (BEDROCK, b'{"data":{"id":"a","status":"R","events":[', b'{"status":5}', b"]}}"),
        (BEDROCK, b'{"data":{"id":"a","status":"R","created_at":{},"results":[', b"[]", b"]}}"),
    ],
)
def test_a_reply_of_a_mebibyte_that_does_not_fit_is_read_in_time(
    api: JobAPI, start: bytes, item: bytes, end: bytes
) -> None:
    body = start + b",".join([item] * ((MIB - 1000) // (len(item) + 1))) + end
    began = time.process_time()
    _ = api.jobs(body) if api is CAPYDB else api.job(body, "a")
    assert time.process_time() - began < 0.25


def test_the_first_complaint_is_the_one_that_is_raised() -> None:
    class Thing(msgspec.Struct, kw_only=True):
        number: int = 0
        must: int

    with pytest.raises(msgspec.ValidationError, match=r"\$\.number"):
        decoded(msgspec.json.Decoder(Thing), b'{"number":"x"}')
