"""Jobs and tables that could be asked for by no URL are refused before anything is sent or kept."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import pytest

from jobwatch import Client, ConfigError, JobAPI, Pace, Response, Watcher
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from tests.table_server import TableServer, in_order

QUICK = Pace(min_interval=0.01, max_interval=0.02)
TAILS = [
    "/api/../x",
    "/api/./x",
    "/api/a/..",
    "/api/%2e%2e/x",
    "/api/a/.%2E",
    "/api/x y",
    "/api/\u00e9",
    "/api/a%zzb",
    "/api/x?q=a b",
    "/api/x?q=\u00e9",
    "/api/a\\b",
    "/api/<x>",
    "/api/x\ty",
    "/api/x\r\n",
    "/api/x?q=1\n2",
]


def by_url(base_url: str) -> JobAPI:
    return api_of(tomllib.loads(f'job = "{{url}}"\nbase_url = "{base_url}/api"\nstatus = "status"\n'), "own")


@pytest.mark.parametrize("tail", TAILS)
async def test_a_url_that_cannot_be_asked_is_refused_and_nobody_else_is_stopped(tail: str) -> None:
    async with (
        TableServer(in_order({"status": "running"}, {"status": "completed"})) as server,
        Client(by_url(server.url), pace=QUICK) as client,
    ):
        good = client.wait_for(f"{server.url}/api/good", timeout=5)
        with pytest.raises(ConfigError, match="the job's URL"):
            client.wait_for(server.url + tail)
        with pytest.raises(ConfigError, match="the job's URL"):
            client.wait_for(Response(headers={"Operation-Location": server.url + tail}))
        assert (await good).status == "completed"
    assert {path for _, path, _, _ in server.requests} == {"/api/good"}


@pytest.mark.slow
@pytest.mark.parametrize("tail", TAILS)
async def test_a_watcher_keeps_no_url_that_cannot_be_asked(tail: str, tmp_path: Path) -> None:
    async with TableServer(in_order({"status": "running"})) as server:
        client = Client(by_url(server.url), pace=QUICK)
        async with client, Watcher(client, journal=tmp_path / "jobs.db") as watcher:
            await watcher.add(f"{server.url}/api/good")
            with pytest.raises(ConfigError, match="the job's URL"):
                await watcher.add(server.url + tail)
            await asyncio.sleep(0.1)
            health = watcher.health()
            assert (health.jobs, health.stopped) == (1, None)
    # The journal as the next start would find it holds no other either.
    client = Client(by_url(server.url), pace=QUICK)
    async with client, Watcher(client, journal=tmp_path / "jobs.db") as watcher:
        assert watcher.health().jobs == 1


@pytest.mark.parametrize(
    "url", ["https://me:pa55word@{host}/api/x", "https://pa55word@{host}/api/x", "//me:pa55word@{host}/api/x"]
)
def test_a_url_with_a_password_is_refused_and_not_shown(url: str) -> None:
    client = Client(by_url("https://api.test"))
    for job in (url.format(host="api.test"), Response(headers={"Location": url.format(host="api.test")})):
        with pytest.raises(ConfigError, match="holds a user or a password") as caught:
            client.wait_for(job)
        assert "pa55word" not in str(caught.value)


REST = '\nid = "id"\nstatus = "status"\n'


@pytest.mark.parametrize("path", ["/a/../b", "/..", "/a/./b", "/%2e%2E/b", "/a%zz", "/a/{x}/../b"])
@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('job = "https://api.test{path}/{{job_id}}"', "job"),
        ('job = "{path}/{{job_id}}"\nbase_url = "https://api.test"', "job"),
        ('job = "/{{job_id}}"\nbase_url = "https://api.test{path}"', "base_url"),
        (
            'job = "https://api.test/{{job_id}}"\nevents = {{ request = "{path}/{{job_id}}", status = "s" }}',
            "events.request",
        ),
        ('job = "https://api.test/{{job_id}}"\nlist = {{ request = "{path}?of={{project_id}}" }}', "list.request"),
        ('job = "https://api.test/{{job_id}}"\nbatch = {{ request = "{path}?id={{job_id}}" }}', "batch.request"),
    ],
)
def test_a_table_whose_requests_have_dot_segments_is_refused_at_its_key(table: str, key: str, path: str) -> None:
    with pytest.raises(TableError, match="dot segments") as caught:
        api_of(tomllib.loads(table.format(path=path) + REST), "own")
    assert ".".join(caught.value.keys) == key


def test_dots_that_are_no_segments_are_a_path_and_what_is_no_url_is_encoded() -> None:
    table = 'job = "https://api.test/v1.0/.well-known/a..b/{job_id}?q=a b|\u00e9#c"' + REST
    assert api_of(tomllib.loads(table), "own").job_path == "/v1.0/.well-known/a..b/{job_id}?q=a%20b%7C%C3%A9%23c"


@pytest.mark.parametrize("base_url", ["https://api.test/", "https://api.test/v1/", "https://api.test/v1"])
def test_an_address_may_end_with_a_slash(base_url: str) -> None:
    client = Client(by_url("https://other.test"), base_url=base_url)
    assert client.wait_for(f"{base_url.rstrip('/')}/x").job_id == f"{base_url.rstrip('/')}/x"
