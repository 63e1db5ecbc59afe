"""What is asked of an API: the address, the headers, and the path, query and body of each request."""

from __future__ import annotations

import tomllib

import pytest

from jobwatch import ConfigError, Fault, FaultKind, JobAPI
from jobwatch._http.requests import Asked, Given, Requests, secrets_of
from jobwatch._table.compile import api_of
from jobwatch.apis import APIS, BEDROCK, CAPYDB


def requests(
    table: str | JobAPI, token: str | None = "a-token", base_url: str | None = None, **params: str
) -> Requests:
    """Return the requests of a client of a table or of an API."""
    api = api_of(tomllib.loads(table), "own") if isinstance(table, str) else table
    return Requests(api, Given(token, base_url, params), None)


TABLE = """
job = "https://api.test/v1/{queue}/jobs/{job_id}?expand=a,b"
status = "status"
id = "id"
list = { request = "/v1/{queue}/jobs?of={project_id}&most={limit}" }
batch = { request = "/v1/jobs?id={job_id}&n={limit}" }
events = { status = "s", request = "/v1/jobs/{job_id}/log" }
"""


def test_an_id_is_one_segment_and_a_parameter_too() -> None:
    asked = requests(TABLE, None, queue="a/b").job("../x?y#z")
    assert asked == Asked("/v1/a%2Fb/jobs/..%2Fx%3Fy%23z", "expand=a,b")
    assert "z" not in repr(asked).partition("#")[2]


def test_each_request_of_a_table() -> None:
    made = requests(TABLE, None, queue="q")
    assert made.jobs("p 1", 7) == Asked("/v1/q/jobs", "of=p%201&most=7")
    assert made.batch(["a", "b&c"]) == Asked("/v1/jobs", "id=a&id=b%26c&n=2")
    assert made.history("a/b") == Asked("/v1/jobs/a%2Fb/log")
    assert requests(BEDROCK).stream("j1") == Asked("/jobs/j1/stream")


@pytest.mark.parametrize("job_id", ["", ".", "..", "x" * 1025, "a\nb", "\u202e"])
def test_an_id_that_cannot_be_asked_for_is_refused(job_id: str) -> None:
    with pytest.raises(ConfigError, match="a job id cannot"):
        requests(CAPYDB).job(job_id)


def test_a_body_quotes_by_its_media_type() -> None:
    table = 'job = "https://api.test/jobs"\nstatus = "s"\nmethod = "POST"\nbody = "id={job_id}&q={{x}"\n'
    assert requests(table, None).job('a"b&c').body == b'id=a\\"b&c&q={{x}'
    form = 'headers = { Content-Type = "application/x-www-form-urlencoded" }\n'
    assert requests(table + form, None).job("a&b").body == b"id=a%26b&q={{x}"
    assert requests(table, None).headers()["Content-Type"] == "application/json"


def test_a_batch_by_post_takes_the_ids_as_a_list_and_the_limit_as_a_number() -> None:
    table = (
        'job = "https://api.test/jobs/{job_id}"\nid = "id"\nstatus = "s"\n'
        'batch = { request = "/search", body = { ids = "{job_ids}", most = "{limit}", all = "of {job_ids}" } }\n'
    )
    assert requests(table, None).batch(["a", 'b"']).body == b'{"ids":["a","b\\""],"most":2,"all":"of a,b\\""}'


@pytest.mark.parametrize(
    ("url", "job_id"),
    [
        ("https://api.bedrock.cv/jobs/a%2Fb", "a/b"),
        ("https://API.bedrock.cv:443/jobs/j1?x=1", "j1"),
        ("/jobs/j1", "j1"),
        ("https://api.bedrock.cv/other/j1", None),
        ("", None),
    ],
)
def test_the_id_in_a_url(url: str, job_id: str | None) -> None:
    assert requests(BEDROCK).id_in(url) == job_id


@pytest.mark.parametrize(
    ("url", "job_id"),
    [
        ("/queue/item/31/", "31"),
        ("/queue/item/31", "31"),
        ("/queue/item/31/api/json", "31"),
        ("/queue/31/", None),
        ("/queue/item/31/artifact", None),
        ("/queue/item/", None),
    ],
)
def test_a_start_may_name_the_job_itself_where_its_state_is_read_below_it(url: str, job_id: str | None) -> None:
    made = requests('job = "https://api.test/queue/item/{job_id}/api/json"\nstatus = "s"', None)
    assert made.id_in(url) == job_id
    assert requests('job = "https://api.test/{job_id}/state"\nstatus = "s"', None).id_in("/j1") is None


def test_a_parameter_whose_default_is_empty_may_be_left_out() -> None:
    table = 'job = "https://api.test/{+path}"\nparams = { path = "" }\nmethod = "POST"\nstatus = "s"\nbody = "{job_id}"'
    assert requests(table, None).job("j").path == "/"
    assert requests(table, None, path="").job("j").path == "/"
    assert requests(table, None, path="a/rpc").job("j").path == "/a/rpc"
    with pytest.raises(ConfigError, match="needs the parameters path="):
        requests(table.replace('path = ""', 'path = "x"'), None, path="")


@pytest.mark.parametrize("url", ["https://evil.test/jobs/j1", "http://api.bedrock.cv/jobs/j1", "https://[x/jobs/j1"])
def test_a_url_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="the job's URL"):
        requests(BEDROCK).id_in(url)


def test_a_url_is_an_id_without_the_token_in_it() -> None:
    table = (
        'job = "{url}"\nbase_url = "https://api.test/v1"\nstatus = "s"\nauth = "?api_key={token}"\ntoken = "OWN_TOKEN"'
    )
    made = requests(table)
    assert made.id_in("https://api.test/v1/op/1?api_key=a-token&x=1") == "https://api.test/v1/op/1?x=1"
    assert made.job("https://api.test/v1/op/1?x=1") == Asked("/op/1", "x=1")
    assert made.secret_query() == ("api_key", "a-token")
    assert "Authorization" not in made.headers()
    with pytest.raises(ConfigError, match="not below the base URL"):
        made.job("https://api.test/v2/op/1")


def test_the_token_goes_where_the_api_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPYDB_API_KEY", "from-the-variable")
    assert requests(CAPYDB, None).headers()["Authorization"] == "Bearer from-the-variable"
    assert requests(CAPYDB).headers()["Authorization"] == "Bearer a-token"
    monkeypatch.delenv("CAPYDB_API_KEY")
    with pytest.raises(ConfigError, match="no token for capydb: set CAPYDB_API_KEY"):
        requests(CAPYDB, None)
    basic = 'job = "https://api.test/{job_id}"\nstatus = "s"\nauth = "basic"\ntoken = "T"'
    assert requests(basic, "me:secret").headers()["Authorization"] == "Basic bWU6c2VjcmV0"
    assert requests(APIS["replicate"], "t").headers()["Authorization"] == "Bearer t"


def test_a_value_is_never_searched_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_SECRET", "the-secret")
    table = (
        'job = "https://api.test/{job_id}"\nstatus = "s"\n'
        'headers = { X-Q = "{queue} {other}", X-S = "${OWN_SECRET}" }\nparams = { other = "{queue}" }\n'
    )
    headers = requests(table, None, queue="${OWN_SECRET}").headers()
    assert (headers["X-Q"], headers["X-S"]) == ("${OWN_SECRET} {queue}", "the-secret")
    assert secrets_of(api_of(tomllib.loads(table), "own")) == ["the-secret"]
    monkeypatch.setenv("OWN_SECRET", " ")
    with pytest.raises(ConfigError, match="the header X-S needs the environment variable OWN_SECRET"):
        requests(table, None, queue="q")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "needs the parameters owner=..., repo=...: --param owner="),
        ({"owner": "o", "repo": "r", "x": "1"}, "has no parameter x; there are: owner, repo"),
        ({"owner": "o", "repo": ".."}, "the parameter repo cannot be a part of a path"),
    ],
)
def test_parameters_are_all_there_and_no_other(params: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        requests(APIS["github"], **params)


def test_the_host_of_an_address_takes_host_names_alone() -> None:
    table = 'job = "https://{region}.api.test/{job_id}"\nstatus = "s"\n'
    assert requests(table, None, region="eu-1").base_url() == "https://eu-1.api.test"
    with pytest.raises(ConfigError, match="the parameter region is to be a host name"):
        requests(table, None, region="evil.test/")
    assert requests(table, None, base_url="https://here.test").base_url() == "https://here.test"


def test_the_place_of_jobs_tells_apart_what_is_no_secret() -> None:
    made = requests(TABLE, None, base_url="https://API.test:443/v0/", queue="q&1")
    assert made.place() == "https://api.test/v0?queue=q%261"
    secret = 'job = "https://api.test/{job_id}?api_key={key}"\nstatus = "s"\n'
    assert requests(secret, None, key="sk-12345678").place() == "https://api.test"


def test_a_fault_is_quiet_about_what_is_sent_with_every_request() -> None:
    made = requests(
        'job = "https://api.test/{job_id}?api_key={key}"\nstatus = "s"\ntoken = "T"', "tok-1234", key="k/4567"
    )
    fault = made.quiet(Fault(FaultKind.REFUSED, "no: tok-1234 k/4567 k%2F4567", code="tok-1234"))
    assert (fault.message, fault.code) == ("no: *** *** ***", "***")
    assert "tok-1234" not in repr(made) + str(vars(made)["_params"])


@pytest.mark.parametrize(
    ("header", "media_type", "written"),
    [
        ("content-type", "Application/X-WWW-Form-Urlencoded; charset=utf-8", "a%26b%3D%22"),
        ("CONTENT-TYPE", "application/x-www-form-urlencoded", "a%26b%3D%22"),
        ("Content-Type", "TEXT/XML", "a&amp;b=&quot;"),
        ("Content-Type", "application/soap+xml;charset=utf-8", "a&amp;b=&quot;"),
        ("Content-Type", "application/json", 'a&b=\\"'),
        ("Content-Type", "application/graphql", 'a&b=\\"'),
    ],
)
def test_a_value_is_quoted_as_the_bodys_media_type_wants_it(header: str, media_type: str, written: str) -> None:
    table = f'''
job = "https://api.test/jobs"
id = "id"
status = "s"
method = "POST"
body = "[{{job_id}}|{{own}}]"
params = {{ own = 'a&b="' }}
headers = {{ {header} = "{media_type}" }}
batch = {{ request = "/many", body = "({{job_ids}}|{{own}}|{{limit}})" }}
'''
    made = requests(table, None)
    assert made.job('a&b="').body == f"[{written}|{written}]".encode()
    comma = "%2C" if "%" in written else ","
    assert made.batch(['a&b="', "c"]).body == f"({written}{comma}c|{written}|2)".encode()
