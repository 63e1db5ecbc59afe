"""What is different by the header that named a job's URL, and what an answer says that tells nothing."""

from __future__ import annotations

from typing import Any

import pytest

from jobwatch import Fault, Job, Phase
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError

TABLE: dict[str, Any] = {
    "job": "{url}",
    "base_url": "https://a.test",
    "status": "state",
    "http": {"202": "running", "200": "succeeded", "204": "succeeded"},
}


@pytest.mark.parametrize("body", [b"{}", b" {\n} ", b""])
def test_a_200_that_tells_nothing_is_a_state_only_where_that_is_said(body: bytes) -> None:
    assert isinstance(api_of(TABLE, "a").job(body, "j"), Fault)
    job = api_of(TABLE | {"http_alone": True}, "a").job(body, "j")
    assert isinstance(job, Job)
    assert (job.status, job.phase) == ("HTTP 200", Phase.SUCCEEDED)


@pytest.mark.parametrize(("status", "phase"), [(202, Phase.RUNNING), (204, Phase.SUCCEEDED)])
@pytest.mark.parametrize("body", [b"{}", b""])
def test_another_http_status_says_it_by_itself(status: int, phase: Phase, body: bytes) -> None:
    job = api_of(TABLE, "a").job(body, "j", status)
    assert isinstance(job, Job)
    assert job.phase is phase


def test_a_state_in_the_body_goes_before_the_http_status() -> None:
    job = api_of(TABLE | {"http_alone": True}, "a").job(b'{"state": "failed"}', "j")
    assert isinstance(job, Job)
    assert job.phase is Phase.FAILED


def test_each_header_has_an_api_in_which_the_rest_is_the_same() -> None:
    api = api_of(TABLE | {"started_by": {"Monitor": {"http": {}}, "Location": {"status": "at.state"}}}, "a")
    assert api.by_header == {"monitor": "a by Monitor", "location": "a by Location"}
    monitor, location = (api.others[api.by_header[header]] for header in ("monitor", "location"))
    assert isinstance(monitor.job(b"{}", "j", 202), Fault)
    job = location.job(b'{"at": {"state": "failed"}}', "j")
    assert isinstance(job, Job)
    assert (job.api, job.phase) == ("a", Phase.FAILED)
    assert monitor.base_url == location.base_url == "https://a.test"


@pytest.mark.parametrize(
    ("keys", "trouble"),
    [
        ({"job": "https://a.test/{job_id}", "started_by": {"Location": {}}}, 'only where job = "{url}"'),
        ({"started_by": {"a b": {}}}, "started_by.a b: write the name of a header"),
        (
            {"started_by": {"Location": {"params": {}}}},
            "started_by.Location.params: it is the same whatever the response",
        ),
        ({"started_by": {"Location": {"started_by": {}}}}, "started_by.Location.started_by: it is the same"),
        ({"started_by": {"Location": {"stats": "s"}}}, "started_by.Location.stats: there is no such key"),
        ({"started_by": {"Location": {"status": "a[["}}}, "started_by.Location.status: "),
        ({"continues_as": {"header": "Location", "unless": "a[["}}, "continues_as.unless: "),
    ],
)
def test_a_table_that_says_it_wrongly_is_refused(keys: dict[str, Any], trouble: str) -> None:
    with pytest.raises(TableError) as raised:
        api_of({key: value for key, value in {**TABLE, **keys}.items() if key != "base_url" or "job" not in keys}, "a")
    assert trouble in f"{'.'.join(raised.value.keys)}: {raised.value.trouble}"
