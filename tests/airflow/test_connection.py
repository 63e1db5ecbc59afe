"""What an Airflow connection says of an API."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from jobwatch import Client, ConfigError, Pace
from jobwatch.airflow._connection import Extra, options_of, token_of
from jobwatch.testing import JobServer


class Connection(Struct):
    """The fields of one."""

    conn_id: str = "jobs"
    host: str | None = None
    schema: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = None
    extra: str | None = None


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        (Connection(), None),
        (Connection(host=" "), None),
        (Connection(host="jobs.example.com"), "https://jobs.example.com"),
        (Connection(host="jobs.example.com", schema="http", port=8080), "http://jobs.example.com:8080"),
        (Connection(host="jobs.example.com/api", schema="HTTPS", port=8080), "https://jobs.example.com:8080/api"),
        (Connection(host="http://jobs.example.com/api", schema="https"), "http://jobs.example.com/api"),
        (Connection(host="http://jobs.example.com:1/api", port=2), "http://jobs.example.com:1/api"),
        (Connection(host="[::1]", schema="http", port=8080), "http://[::1]:8080"),
    ],
)
def test_the_host_is_where_the_api_is_served(connection: Connection, url: str | None) -> None:
    assert options_of(connection, {}).get("base_url") == url


@pytest.mark.parametrize(
    ("connection", "why"),
    [
        (Connection(host="h", schema="ftp"), "the schema of connection jobs is http or https, and not 'ftp'"),
        (Connection(host="http://h:x"), "the host of connection jobs has a port that is none"),
        (Connection(extra="{"), "the extra field of connection jobs: .* it is a JSON object of params, headers"),
        (Connection(extra="[]"), "the extra field of connection jobs: Expected `object`"),
        (Connection(extra='{"max_rat": 1}'), "the extra field of connection jobs: .*`max_rat`"),
        (Connection(extra='{"max_rate": "s3cret"}'), "the extra field of connection jobs: Expected `float"),
    ],
)
def test_what_makes_no_sense_is_told_without_its_value(connection: Connection, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        options_of(connection, {})
    assert "s3cret" not in str(caught.value)


def test_the_token_is_the_password_and_with_a_login_what_basic_authentication_takes() -> None:
    assert token_of(Connection()) is None
    assert token_of(Connection(login="me")) is None
    assert token_of(Connection(password="sk_1")) == "sk_1"
    assert token_of(Connection(login="me", password="sk_1")) == "me:sk_1"


def test_the_tasks_own_parameters_go_before_those_of_the_connection() -> None:
    connection = Connection(extra='{"params": {"owner": "octo", "repo": "hello"}}')
    assert options_of(connection, {"repo": "other"})["params"] == {"owner": "octo", "repo": "other"}
    assert options_of(None, {"repo": "other"}) == {"params": {"repo": "other"}}


async def test_a_client_takes_each_option_that_an_extra_field_may_hold(job_server: JobServer) -> None:
    given = {
        "params": {},
        "headers": {"User-Agent": "x"},
        "api_version": "1",
        "proxy": False,
        "pace": {"min_interval": 0.01, "max_interval": 0.02},
        "history": "durations.json",
        "max_rate": 100,
        "max_in_flight": 4,
        "max_body": "2MiB",
        "request_timeout": "20s",
        "unreachable_after": 60,
        "appear_within": "5s",
        "stable_for": {"failed": 0.01},
        "streams": False,
    }
    assert set(given) == set(Extra.__struct_fields__)
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    extra = msgspec.json.encode({**given, "history": None}).decode()
    options = options_of(Connection(host=job_server.url_of("bedrock"), extra=extra), {})
    assert options["pace"] == Pace(min_interval=0.01, max_interval=0.02)
    options["token"] = str(job_server.token)
    async with Client("bedrock", **options) as client:
        assert (await client.wait_for("job_1")).status == "COMPLETED"
    assert job_server.requests[0].headers["User-Agent"] == "x"
