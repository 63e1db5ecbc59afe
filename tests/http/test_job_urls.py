"""A job's URL in place of its id."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, cast

import pytest

import jobwatch
from jobwatch import Client, ConfigError, Pace, Watcher
from jobwatch._http.job_urls import params_in_url, values_in_url
from jobwatch._table.compile import api_of
from jobwatch.apis import APIS
from jobwatch.cli import main
from jobwatch.testing import FakeSource, JobServer

GITHUB = "https://api.github.com/repos/o/r/actions/runs/123"
SHAPE = "https://api.github.com/repos/{owner}/{repo}/actions/runs/{job_id}"


def github(**params: str) -> Client[Any]:
    return Client("github", token="t", params=params or {"owner": "o", "repo": "r"})


def table(job: str, more: str = "") -> jobwatch.JobAPI:
    return api_of(tomllib.loads(f'job = "{job}"\nid = "id"\nstatus = "state"\n{more}'), "own")


@pytest.mark.parametrize("url", [GITHUB, f"{GITHUB}?per_page=1", f"{GITHUB}#summary", f"{GITHUB}/"])
def test_the_url_of_a_job_is_its_id(url: str) -> None:
    client = github()
    assert client.wait_for(url).job_id == "123"
    assert client.watched(url).job_id == "123"


@pytest.mark.parametrize("given", [30433642, "30433642"])
def test_a_number_is_an_id(given: int | str) -> None:
    assert github().wait_for(given).job_id == "30433642"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://evil.example/repos/o/r/actions/runs/123", r"the job's URL is not on https://api\.github\.com"),
        ("https://api.github.com.evil.example/repos/o/r/actions/runs/123", "is not on"),
        ("http://api.github.com/repos/o/r/actions/runs/123", "is not on"),
        ("https://user:secret@api.github.com/repos/o/r/actions/runs/123", "holds a user or a password"),
        ("https://api.github.com/repos/o/r/actions/123", "is no URL of a job of github"),
        ("https://api.github.com/repos/o/r/actions/runs/", "is no URL of a job of github"),
        ("https://api.github.com/repos/o/r/actions/runs/1/../2", "is no URL of a job of github|dot segments"),
        ("https://api.github.com/repos/other/r/actions/runs/123", "is of another owner than params= says"),
        ("https://api.github.com/repos/other/one/actions/runs/123", "is of another owner and repo than params= says"),
        ("https://github.com/o/r/actions/runs/1", "is not on"),
    ],
)
def test_any_other_url_is_refused_and_what_one_looks_like_is_shown(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        github().wait_for(url)
    assert SHAPE in str(caught.value) or "dot segments" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_has_no_urls_with_ids_in_them_takes_any_id_as_it_is() -> None:
    url = "https://a.test/x/1"
    assert Client(source=FakeSource()).wait_for(url).job_id == url
    by_body = table("https://a.test/rpc", 'method = "POST"\nbody = { id = "{job_id}" }')
    assert Client(by_body, token="t").wait_for(url).job_id == url


def test_below_a_base_url_of_ones_own() -> None:
    client = Client("gitlab", token="t", params={"project": "7"}, base_url="https://git.example.test/api/v4/")
    assert client.wait_for("https://git.example.test/api/v4/projects/7/pipelines/42").job_id == "42"
    with pytest.raises(ConfigError, match=r"looks like https://git\.example\.test/api/v4/projects/\{project\}/pipeli"):
        client.wait_for("https://git.example.test/projects/7/pipelines/42")


@pytest.mark.parametrize(
    ("api", "base_url", "url", "values"),
    [
        ("github", None, GITHUB, {"owner": "o", "repo": "r", "job_id": "123"}),
        (
            "snowflake",
            None,
            "https://ab1.snowflakecomputing.com/api/v2/statements/01b",
            {"account": "ab1", "job_id": "01b"},
        ),
        ("gitlab", "https://git.test/api/v4", "https://git.test/api/v4/projects/a%2Fb/pipelines/4", {"project": "a/b"}),
        ("databricks", "https://d.test", "https://d.test/api/2.2/jobs/runs/get?run_id=5", {"job_id": "5"}),
        ("jenkins", "https://ci.test/x", "https://ci.test/x/queue/item/9/", {"job_id": "9"}),
        ("fal", None, "https://queue.fal.run/fal-ai/flux/requests/r1/status", {"model": "fal-ai/flux", "job_id": "r1"}),
    ],
)
def test_a_url_shows_the_parameters_of_its_table(
    api: str, base_url: str | None, url: str, values: Mapping[str, str]
) -> None:
    found = values_in_url(APIS[api], base_url, url)
    assert {name: found.get(name) for name in values} == values
    assert "job_id" not in params_in_url(APIS[api], base_url, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://x@ab1.snowflakecomputing.com/api/v2/statements/1",
        "https://evil.example/?.snowflakecomputing.com/api/v2/statements/1",
        "https://evil.example/.snowflakecomputing.com/api/v2/statements/1",
        "https://evil.example\\.snowflakecomputing.com/api/v2/statements/1",
        "https://evil.example#.snowflakecomputing.com/api/v2/statements/1",
    ],
)
def test_no_url_leads_a_token_to_a_host_that_the_table_does_not_name(url: str) -> None:
    with pytest.raises(ConfigError, match="is no URL of a job of snowflake"):
        values_in_url(APIS["snowflake"], None, url)


def test_a_function_for_scripts_takes_the_parameters_from_the_url(job_server: JobServer) -> None:
    job_server.add("neutral", "j1", ["succeeded"])
    base = job_server.url_of("neutral")
    api = table(f"{base}/{{what}}/{{job_id}}")
    assert jobwatch.wait(f"{base}/jobs/j1", api, token="sk_test").id == "j1"
    assert jobwatch.wait(f"{base}/jobs/j1", api, token="sk_test", params={"what": "jobs"}).id == "j1"
    with pytest.raises(ConfigError, match="is of another what than params= says"):
        jobwatch.wait(f"{base}/jobs/j1", api, token="sk_test", params={"what": "tasks"})
    with pytest.raises(ConfigError, match="own needs the parameters what="):
        jobwatch.wait("j1", api, token="sk_test")


async def test_a_watcher_takes_numbers_and_urls(job_server: JobServer) -> None:
    base = job_server.url_of("bedrock")
    job_server.add("bedrock", "7", ["RUNNING"])
    pace = Pace(min_interval="10ms", max_interval="20ms")
    async with Client("bedrock", base_url=base, token="sk_test", pace=pace) as client, Watcher(client) as watcher:
        assert await watcher.add(7) == ("7",)
        assert await watcher.add(f"{base}/jobs/7") == ()
        assert await watcher.drop(cast("Any", 7)) is True


@pytest.mark.parametrize("command", ["wait", "get"])
def test_the_command_line_takes_a_url_and_its_parameters(
    command: str,
    job_server: JobServer,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job_server.add("neutral", "j1", ["succeeded"])
    base = job_server.url_of("neutral")
    monkeypatch.setenv("OWN_TOKEN", "sk_test")
    monkeypatch.chdir(tmp_path)
    text = f'job = "{base}/{{what}}/{{job_id}}"\nid = "id"\nstatus = "state"\ntoken = "OWN_TOKEN"\n'
    (tmp_path / "own.toml").write_text(text)
    history = ["--no-history"] if command == "wait" else []
    assert main([command, f"{base}/jobs/j1", "--api", "./own.toml", *history]) == 0
    assert "j1" in capsys.readouterr().out
    assert main([command, "http://127.0.0.1:9/jobs/j1", "--api", "./own.toml", *history]) == 2
    assert f"looks like {base}/{{what}}/{{job_id}}" in capsys.readouterr().err
