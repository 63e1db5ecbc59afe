"""A start that leaves nothing to wait for: only the HTTP status of a response that names no job may say so."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from jobwatch import Client, ConfigError, JobFailed, Outcome, Phase, Response
from jobwatch._table.fields import TableError
from jobwatch.cli import main
from tests.table.test_table import table

AZURE = table(
    'job = "{url}"\nbase_url = "https://a.test"\nstatus = "status"\n'
    'at_start = { 200 = "succeeded", 204 = "succeeded", 299 = "failed" }'
)


async def test_work_that_is_over_at_its_start_takes_no_look() -> None:
    async with Client(AZURE) as client:
        wait = client.wait_for(Response(b'{"id":"/subscriptions/s/thing"}', 200, {"Date": "now"}))
        told = [(change.status, change.phase) async for change in wait]
        job = await wait
    assert told == [("over at its start", Phase.SUCCEEDED)]
    assert (job.id, job.phase) == ("-", Phase.SUCCEEDED)
    assert wait.watched is not None
    assert wait.watched.looks == 0


async def test_two_of_them_do_not_mix_and_a_bad_one_is_raised() -> None:
    async with Client(AZURE) as client:
        good = client.wait_for(Response(b"", 204))
        bad = client.wait_for(Response(b"", 299))
        with pytest.raises(JobFailed, match="job - ended over at its start"):
            await bad
        assert (await good).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    "response",
    [
        b'{"id":"/subscriptions/s/thing"}',
        {"id": "/subscriptions/s/thing"},
        Response(b"{}", 201),
        Response(b'{"errors":[{"message":"no"}]}', 200),
        Response(b"", 200, {"Location": "https://elsewhere.test/op/1"}),
    ],
)
async def test_nothing_else_says_that_it_is_over(response: Response | bytes | dict[str, object]) -> None:
    async with Client(AZURE) as client:
        with pytest.raises(ConfigError):
            client.wait_for(response)


async def test_a_response_that_names_a_job_is_waited_for_whatever_its_status() -> None:
    async with Client(AZURE) as client:
        started = Response(b"{}", 200, {"Operation-Location": "https://a.test/op/1"})
        assert client.wait_for(started).job_id == "https://a.test/op/1"


def test_the_command_line_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'job = "{url}"\nbase_url = "http://127.0.0.1:9"\nstatus = "status"\nat_start = { 204 = "succeeded" }\n'
    )
    for text, code in ((b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 0), (b"{}", 2)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert main(["wait", "-", "--api", str(file), "--json"]) == code
    assert '"status":"over at its start"' in capsys.readouterr().out


@pytest.mark.parametrize("text", ['{ 404 = "failed" }', '{ 200 = "running" }', '{ 200 = "missing" }'])
def test_only_ends_by_good_statuses_may_be_said(text: str) -> None:
    with pytest.raises(TableError, match="at_start"):
        table(f'job = "{{url}}"\nbase_url = "https://a.test"\nstatus = "status"\nat_start = {text}')


def test_the_outcome_is_the_jobs_own() -> None:
    assert AZURE.at_start == {200: Phase.SUCCEEDED, 204: Phase.SUCCEEDED, 299: Phase.FAILED}
    assert Outcome.SUCCEEDED.value == Phase.SUCCEEDED.value
