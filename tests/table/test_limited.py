"""What says that there are too many requests, though its HTTP status does not."""

from __future__ import annotations

import msgspec
import pytest
from multidict import CIMultiDict

from jobwatch import Fault, FaultKind, Job, Phase
from jobwatch._http.answer import judged
from jobwatch._table.fields import TableError
from jobwatch.apis import APIS
from tests.table_server import TableServer, in_order

from .test_table import MINIMAL, client, table

THROTTLED = {"data": None, "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
GRAPHQL = table(
    'job = "https://a.test/{job_id}"\nroot = "data.node"\nstatus = "status"\n'
    "limited_if = \"$.errors[?extensions.code == 'THROTTLED']\""
)


def test_githubs_secondary_limit_is_one() -> None:
    page = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
    body = msgspec.json.encode({"message": "You have exceeded a secondary rate limit.", "documentation_url": page})
    api = APIS["github"]
    told = judged(403, CIMultiDict[str](), body, problem=api.problem, verdict=api.verdict)
    assert isinstance(told, Fault)
    assert told.kind is FaultKind.RATE_LIMITED
    other = msgspec.json.encode({"message": "rate limit", "documentation_url": "https://docs.github.com/rest"})
    refused = judged(403, CIMultiDict[str](), other, problem=api.problem, verdict=api.verdict)
    assert isinstance(refused, Fault)
    assert refused.kind is FaultKind.AUTH, "free text says nothing"


def test_a_reply_without_a_status_may_say_so() -> None:
    told = GRAPHQL.job(msgspec.json.encode(THROTTLED), "j")
    assert isinstance(told, Fault)
    assert (told.kind, "Throttled" in told.message) == (FaultKind.RATE_LIMITED, True)
    other = GRAPHQL.job(b'{"data":null,"errors":[{"message":"Throttled"}]}', "j")
    assert isinstance(other, Fault)
    assert other.kind is FaultKind.UNREACHABLE
    bare = table(MINIMAL + 'limited_if = "wait"').job(b'{"wait":1}', "j")
    assert isinstance(bare, Fault)
    assert bare.kind is FaultKind.RATE_LIMITED


def test_a_job_that_failed_of_a_limit_has_failed() -> None:
    body = {"data": {"node": {"status": "failed", "error": "rate limit exceeded"}}, "errors": THROTTLED["errors"]}
    job = GRAPHQL.job(msgspec.json.encode(body), "j")
    assert isinstance(job, Job)
    assert job.phase is Phase.FAILED


async def test_it_ends_no_wait() -> None:
    answers = in_order(
        {"status": "running"}, (403, {"code": "SLOW"}, {}), (403, {"code": "SLOW"}, {}), {"status": "passed"}
    )
    api = table(MINIMAL + "limited_if = \"code == 'SLOW'\"")
    async with TableServer(answers) as server, client(server, api, unreachable_after=60) as own:
        assert (await own.wait_for("j", timeout=20)).phase is Phase.SUCCEEDED


def test_what_proves_nothing_is_refused() -> None:
    with pytest.raises(TableError, match="limited_if"):
        table(MINIMAL + 'limited_if = "!(quota)"')


@pytest.mark.parametrize(
    "keys",
    ['words = { succeeded = ["absent"] }', 'http = { 200 = "succeeded" }', ""],
)
@pytest.mark.parametrize("body", [b'{"wait":1}', b'{"wait":1,"status":null}', b'{"wait":1,"status":""}'])
def test_no_status_is_no_end_while_there_are_too_many_requests(keys: str, body: bytes) -> None:
    told = table(MINIMAL + f'limited_if = "wait"\n{keys}').job(body, "j")
    assert isinstance(told, Fault)
    assert told.kind is FaultKind.RATE_LIMITED


def test_in_a_table_without_a_status_a_condition_that_holds_comes_first() -> None:
    api = table('job = "https://a.test/{job_id}"\nfailed_if = "bad"\nlimited_if = "wait"\nrunning_if = "on"')
    failed = api.job(b'{"bad":1,"wait":1}', "j")
    assert isinstance(failed, Job)
    assert failed.phase is Phase.FAILED
    limited = api.job(b'{"wait":1}', "j")
    assert isinstance(limited, Fault)
    assert limited.kind is FaultKind.RATE_LIMITED


def test_githubs_secondary_limit_may_be_told_by_its_message_alone() -> None:
    body = b'{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}'
    told = judged(403, CIMultiDict[str](), body, problem=APIS["github"].problem, verdict=APIS["github"].verdict)
    assert isinstance(told, Fault)
    assert told.kind is FaultKind.RATE_LIMITED
