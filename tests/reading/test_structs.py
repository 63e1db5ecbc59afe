"""What is left out of a body, and what makes it unreadable."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from jobwatch import Fault, Job, JobAPI, Phase
from jobwatch._reading.structs import MOST_ENTRIES, MOST_JOBS, decoded
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
    assert (job.phase, job.wire.last_stdout) == (Phase.SUCCEEDED, "done")
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


# --- what a large reply may cost ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_bare", [True, False])
@pytest.mark.parametrize("entry", [b'{"status":"RUNNING"}', b'{"status":"R","timestamp":5e-324}', b'"running"'])
def test_a_history_of_too_many_entries_is_left_out_and_the_job_is_known_by_its_status(
    entry: bytes, is_bare: bool
) -> None:
    body = b'{"id":"a","job_id":"a","status":"COMPLETED","events":[%s]}' % b",".join([entry] * (MOST_ENTRIES + 1))
    job = BEDROCK.job(body if is_bare else b'{"data":%s}' % body, "a")
    assert isinstance(job, Job)
    assert (job.phase, job.events) == (Phase.SUCCEEDED, None)


def test_a_long_history_is_read_as_a_short_one_is() -> None:
    entry = b'{"status":"RUNNING","timestamp":"2024-01-01T00:00:00Z","timestamp":1718614500.5}'
    body = b'{"data":{"id":"a","status":"RUNNING","events":[%s]}}'
    long, short = (BEDROCK.job(body % b",".join([entry] * length), "a") for length in (MOST_ENTRIES, 1))
    assert isinstance(long, Job)
    assert isinstance(short, Job)
    assert long.events is not None
    assert long.events == (short.events or ()) * MOST_ENTRIES
    assert long.events[0].at is not None


def test_of_a_list_as_many_jobs_are_read_as_a_list_is_asked_for() -> None:
    body = b'{"jobs":[%s]}' % b",".join(b'{"id":%d,"state":"running"}' % number for number in range(MOST_JOBS + 500))
    jobs = CAPYDB.jobs(body)
    assert isinstance(jobs, tuple)
    assert [job.id for job in jobs] == [str(number) for number in range(MOST_JOBS)]


HARD = b",".join([b"5e-324", b"1.5"] * 5000)


def test_a_large_reply_with_hard_numbers_is_read_all_the_same() -> None:
    times = b'"created_at":5e-324,"updated_at":"2024-01-01T00:00:00Z","attempts":1e300,"attempts":7'
    job = CAPYDB.job(b'{"job":{"id":"a","state":"completed",%s,"result":[%s]}}' % (times, HARD), "a")
    assert isinstance(job, Job)
    assert job.result == json.loads(b"[%s]" % HARD)
    assert (job.created_at, job.attempt, job.updated_at is None) == (None, 7, False)
    jobs = CAPYDB.jobs(b'{"jobs":[{"id":"a","state":"completed",%s,"result":[%s]}]}' % (times, HARD))
    assert isinstance(jobs, tuple)
    assert [(each.result, each.attempt) for each in jobs] == [(job.result, 7)]
    other = BEDROCK.job(b'{"id":"a","job_id":"a","status":"RUNNING","progress":5e-324,"x":[%s]}' % HARD, "a")
    assert isinstance(other, Job)
    assert other.progress is None, "a hard number is no share"


def test_row_71_a_number_out_of_range_is_unreadable_where_others_are_hard_too() -> None:
    seen = CAPYDB.job(b'{"job":{"id":"a","state":"completed","result":[%s,1e999]}}' % HARD, "a")
    assert isinstance(seen, Fault)


@pytest.mark.parametrize(
    "result",
    [
        b"[" + b"[],[]," * 150_000 + b"0]",
        b"[" + b'{"a":{}},' * 80_000 + b"0]",
        b"[" + (b"7" * 4000 + b",") * 200 + b"0]",
        b"[" + b"5e-324," * 100_000 + b"0]",
        b"[" + b"5e-324," * 1500 + b"1.5," * 130_000 + b"0]",
    ],
)
def test_a_result_of_more_parts_than_any_job_has_is_unreadable(result: bytes) -> None:
    seen = CAPYDB.job(b'{"job":{"id":"a","state":"completed","result":%s}}' % result, "a")
    assert isinstance(seen, Fault)
    assert "too many parts" in seen.message


def test_a_list_of_results_that_are_too_much_together_is_unreadable() -> None:
    job = b'{"id":"a","state":"completed","result":[%s0]}' % (b"[]," * 300)
    assert isinstance(CAPYDB.jobs(b'{"jobs":[%s]}' % job), tuple)
    assert isinstance(CAPYDB.jobs(b'{"jobs":[%s]}' % b",".join([job] * 1000)), Fault)


@pytest.mark.parametrize(
    "text", ["[{" * 400_000, "1,2,3,4," * 100_000, "1e-300 " * 100_000, "7" * 800_000, "\u00e9" * 300_000]
)
def test_a_long_text_is_read_whatever_it_looks_like(text: str) -> None:
    job = CAPYDB.job(b'{"job":{"id":"a","state":"completed","result":%s}}' % msgspec.json.encode(text), "a")
    assert isinstance(job, Job)
    assert job.result == text


def test_of_an_event_the_last_of_a_key_counts() -> None:
    repeated = b'"job_id":5e-324,"status":[1],' * 1000
    hint = BEDROCK.hint(b'{%s"job_id":"a","status":"RUNNING"}' % repeated, "status")
    assert hint is not None
    assert (hint.job_id, hint.status) == ("a", "RUNNING")


@pytest.mark.parametrize("entries", ["{0},{1}", "{1},{0}", "{0},{1},{1}", "{1},{0},{1}"])
@pytest.mark.parametrize("job_id", ['"a"', "7"])
def test_a_job_that_a_list_tells_twice_and_once_unreadably_is_left_out(entries: str, job_id: str) -> None:
    good, bad = (f'{{"id":{job_id},"state":{state}}}' for state in ('"completed"', "[]"))
    body = f'{{"jobs":[{entries.format(good, bad)},{{"id":"b","state":"running"}}]}}'.encode()
    jobs = CAPYDB.jobs(body)
    assert isinstance(jobs, tuple)
    assert [job.id for job in jobs] == ["b"]


def test_a_uuid_that_is_spelt_in_two_ways_is_one_job() -> None:
    uuid = "0190b6c4-7d2e-7f00-8000-00000000000a"
    bad = f'{{"id":"{uuid.replace("-", "").upper()}","state":[]}}'
    jobs = CAPYDB.jobs(
        f'{{"jobs":[{{"id":"{uuid}","state":"completed"}},{bad},{{"id":"b","state":"running"}}]}}'.encode()
    )
    assert isinstance(jobs, tuple)
    assert [job.id for job in jobs] == ["b"]
