"""Jobs that go on at another URL, id or origin, asked over HTTP: what is sent to whom, and what comes out."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from jobwatch import Client, ConfigError, Job, JobFailed, JobNotFound, Pace, Phase, UnreadableReply, load_api
from jobwatch._http.tls import without_certificate
from jobwatch._http.urls import resolved
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from tests.table_server import TableServer, in_order

QUICK = Pace(min_interval=0.001, max_interval=0.002)
CANARY = "canary-token-1"
OTHER = "canary-token-2"

Answers = Callable[[web.BaseRequest], object]


@contextlib.asynccontextmanager
async def serving(**answers: Answers | Sequence[object]) -> AsyncIterator[dict[str, TableServer]]:
    """Serve each name's answers on an origin of its own; a list is given in order, by path where it holds dicts."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(TableServer(told if callable(told) else in_order(*told)))
            for name, told in answers.items()
        }


def by_path(**told: list[object]) -> Answers:
    """Answer each first part of a path in order."""
    series = {name: in_order(*answers) for name, answers in told.items()}
    return lambda request: series[request.path.split("/")[1]](request)


def table(server: TableServer, **keys: Any) -> dict[str, Any]:
    return {"job": f"{server.url}/jobs/{{job_id}}", "status": "s", "token": "MOVING_TOKEN"} | keys


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVING_TOKEN", CANARY)
    monkeypatch.setenv("MOVING_OTHER", OTHER)


async def waited(api: Any, job_id: str = "j", **options: Any) -> tuple[list[str], Job]:
    async with Client(api, pace=QUICK, unreachable_after=0.05, **options) as client:
        wait = client.wait_for(job_id, timeout=20.0, check=False)
        told = [each.status async for each in wait]
        return told, await wait


async def test_the_watch_goes_on_at_the_url_that_a_reply_names() -> None:
    answers = by_path(
        jobs=[{"s": "queued"}, {"s": "done-with-queue", "to": {"url": "/builds/9?x=1"}}],
        builds=[{"s": "running"}, {"s": "failed"}],
    )
    async with serving(home=answers) as servers:
        told, job = await waited(api_of(table(servers["home"], continues_as="to.url"), "a"))
        home = servers["home"]
        assert told == ["queued", "done-with-queue", "running", "failed"]
        assert (job.id, job.now, job.hops) == ("j", f"{home.url}/builds/9?x=1", 1)
        paths = [path for _, path, _, _ in home.requests]
        assert paths == ["/jobs/j", "/jobs/j", "/builds/9?x=1", "/builds/9?x=1"]
        assert {headers.get("Authorization") for _, _, headers, _ in home.requests} == {f"Bearer {CANARY}"}


async def test_a_move_beats_an_end_in_the_same_reply() -> None:
    answers = by_path(jobs=[{"s": "failed", "retry": "k"}, {"s": "running"}, {"s": "succeeded"}])
    async with serving(home=answers) as servers:
        api = api_of(table(servers["home"], continues_as={"id": "retry"}), "a")
        told, job = await waited(api)
        assert told == ["failed", "running", "succeeded"]
        assert (job.id, job.now, job.hops) == ("j", "k", 1)
        assert [path for _, path, _, _ in servers["home"].requests] == ["/jobs/j", "/jobs/k", "/jobs/k"]


async def test_the_error_by_a_request_of_its_own_is_asked_under_the_id_that_the_job_has_now() -> None:
    answers = by_path(
        jobs=[{"s": "failed", "retry": "k"}, {"s": "failed"}], errors=[{"text": "no memory"}, {"text": "another's"}]
    )
    async with serving(home=answers) as servers:
        error = {"request": "/errors/{job_id}", "path": "text"}
        api = api_of(table(servers["home"], continues_as={"id": "retry"}, error=error), "a")
        told, job = await waited(api)
        assert (told, job.id, str(job.error)) == (["failed"], "j", "no memory")
        assert [path for _, path, _, _ in servers["home"].requests] == ["/jobs/j", "/jobs/k", "/errors/k"]


async def test_one_read_follows_the_moves_and_tells_no_end_that_one_beats() -> None:
    answers = by_path(jobs=[{"s": "failed", "to": "/b"}], b=[{"s": "x", "to": "/c"}], c=[{"s": "running"}])
    async with (
        serving(home=answers) as servers,
        Client(api_of(table(servers["home"], continues_as="to"), "a"), pace=QUICK) as client,
    ):
        job = await client.job("j")
        assert (job.id, job.status, job.hops) == ("j", "running", 2)


async def test_a_header_may_name_the_next_url_while_the_body_stays_the_same() -> None:
    def answer(request: web.BaseRequest) -> object:
        number = int(request.path.rpartition("/")[2])
        return (202, b"", {"Location": f"{number + 1}"}) if number < 4 else (200, {"id": 7}, {})

    async with serving(home=answer) as servers:
        home = servers["home"]
        keys = {"http": {"202": "running", "200": "succeeded"}, "continues_as": {"header": "Location"}}
        told, job = await waited(api_of({"job": "{url}", "base_url": home.url, "status": "s", **keys}, "a"), "/r/1")
        assert (told, job.now) == (["HTTP 202", "HTTP 200"], f"{home.url}/r/4")
        assert [path for _, path, _, _ in home.requests] == ["/r/1", "/r/2", "/r/3", "/r/4"]


async def test_only_replies_of_some_statuses_may_name_the_next_url_where_the_table_says_so() -> None:
    answers = [(202, {"s": "running"}, {"Location": "/2"}), (200, {"s": "failed"}, {"Location": "/3"})]
    async with serving(home=answers) as servers:
        keys = {"continues_as": {"header": "Location", "http": 202}, "http": {"202": "running"}}
        told, _ = await waited(api_of(table(servers["home"], **keys), "a"))
        assert told == ["running", "failed"]
        assert [path for _, path, _, _ in servers["home"].requests] == ["/jobs/j", "/2"]


async def test_places_in_a_circle_are_an_error_and_staying_is_none() -> None:
    answers = by_path(
        jobs=[{"s": "running", "to": "/jobs/j"}, {"s": "running", "to": "/b"}], b=[{"s": "r", "to": "/jobs/j"}]
    )
    async with serving(home=answers) as servers:
        with pytest.raises(UnreadableReply, match="lead in a circle"):
            await waited(api_of(table(servers["home"], continues_as="to"), "a"))
        assert [path for _, path, _, _ in servers["home"].requests] == ["/jobs/j", "/jobs/j", "/b"]


async def test_nothing_from_a_variable_goes_to_another_origin_and_that_must_be_allowed() -> None:
    there = by_path(build=[{"s": "succeeded"}])
    async with serving(history=there) as more:
        url = more["history"].url
        async with serving(home=[{"s": "running", "to": f"{url}/build/1"}]) as servers:
            keys: dict[str, Any] = {
                "continues_as": "to",
                "headers": {"X-Key": "${MOVING_OTHER}", "X-Plain": "yes"},
                "allowed_origins": [url],
            }
            told, _ = await waited(api_of(table(servers["home"], **keys), "a"))
            assert told == ["running", "succeeded"]
            (sent,) = [headers for _, _, headers, _ in more["history"].requests]
            assert "Authorization" not in sent
            assert "X-Key" not in sent
            assert sent["X-Plain"] == "yes"
            keys["allowed_origins"] = [{"origin": url, "token": "MOVING_OTHER"}]
            await waited(api_of(table(servers["home"], **keys), "a"))
            assert more["history"].requests[-1][2]["Authorization"] == f"Bearer {OTHER}"
            before = len(more["history"].requests)
            del keys["allowed_origins"]
            with pytest.raises(
                UnreadableReply, match=r"goes on at another origin, .*not followed; if that is right: allowed"
            ):
                await waited(api_of(table(servers["home"], **keys), "a"))
            assert len(more["history"].requests) == before


async def test_a_token_in_the_query_stays_at_home() -> None:
    async with serving(history=[{"s": "succeeded"}]) as more:
        url = more["history"].url
        async with serving(home=[{"s": "running", "to": f"{url}/b?k={CANARY}&x=1"}]) as servers:
            keys = {"continues_as": "to", "auth": "?k={token}", "allowed_origins": [url]}
            told, job = await waited(api_of(table(servers["home"], **keys), "a"))
            assert told == ["running", "succeeded"]
            assert job.now == f"{url}/b?x=1"
            assert [path for _, path, _, _ in more["history"].requests] == ["/b?x=1"]


async def test_a_url_that_quotes_a_secret_is_not_asked() -> None:
    async with serving(history=[{"s": "succeeded"}]) as more:
        url = more["history"].url
        async with serving(home=[{"s": "running", "to": f"{url}/b?quoted={CANARY}"}]) as servers:
            keys = {"continues_as": "to", "allowed_origins": [url]}
            with pytest.raises(UnreadableReply, match="a URL that holds a secret") as raised:
                await waited(api_of(table(servers["home"], **keys), "a"))
            assert CANARY not in str(raised.value)
            assert not more["history"].requests


async def test_the_name_of_a_user_may_stand_in_a_url_and_the_password_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVING_TOKEN", "jenkins:canary-password")
    answers = by_path(jobs=[{"s": "running", "to": "/jenkins/9"}], jenkins=[{"s": "succeeded"}])
    async with serving(home=answers) as servers:
        told, _ = await waited(api_of(table(servers["home"], auth="basic", continues_as="to"), "a"))
        assert told == ["running", "succeeded"]
    async with serving(home=[{"s": "running", "to": "/b?p=canary-password"}]) as servers:
        with pytest.raises(UnreadableReply, match="a URL that holds a secret"):
            await waited(api_of(table(servers["home"], auth="basic", continues_as="to"), "a"))


async def test_a_redirect_may_lead_to_an_allowed_origin_without_the_token() -> None:
    async with serving(history=[{"s": "failed"}]) as more:
        url = more["history"].url
        home = [{"s": "running"}, (302, b"", {"Location": f"{url}/archive/j"})]
        async with serving(home=home) as servers:
            told, _ = await waited(api_of(table(servers["home"], allowed_origins=[url]), "a"))
            assert told == ["running", "failed"]
            assert all("Authorization" not in headers for _, _, headers, _ in more["history"].requests)
            assert all("If-None-Match" not in headers for _, _, headers, _ in more["history"].requests)


async def test_redirects_between_allowed_origins_end() -> None:
    urls: dict[str, str] = {}
    there = lambda _: (302, b"", {"Location": f"{urls['home']}/jobs/j"})  # noqa: E731
    async with serving(history=there) as more:
        url = more["history"].url
        async with serving(home=lambda _: (302, b"", {"Location": f"{url}/a"})) as servers:
            urls["home"] = servers["home"].url
            with pytest.raises(UnreadableReply, match="more than 3 redirects"):
                await waited(api_of(table(servers["home"], allowed_origins=[url]), "a"))


async def test_another_table_reads_the_job_where_it_goes_on(tmp_path: Path) -> None:
    answers = by_path(
        queue=[{"why": "busy"}, {"why": "", "executable": {"url": "/build/9/"}}],
        build=[{"building": True}, {"building": False, "result": "FAILURE"}],
    )
    async with serving(home=answers) as servers:
        (tmp_path / "queue.toml").write_text(f"""
job = "{servers["home"].url}/queue/{{job_id}}"
status = "why"
words = {{ pending = ["busy", "absent"] }}
continues_as = {{ url = "join('', [executable.url, 'api/json'])", api = "build" }}
token = "MOVING_TOKEN"
""")
        (tmp_path / "build.toml").write_text("""
job = "{url}"
base_url_variable = "NOT_SET_HERE"
status = ["result", "building"]
words = { running = [true], failed = ["FAILURE"] }
""")
        told, job = await waited(load_api(tmp_path / "queue.toml"), "25")
        assert told[-1] == "FAILURE"
        assert job.phase is Phase.FAILED
        assert servers["home"].requests[-1][1] == "/build/9/api/json"
        (tmp_path / "queue.toml").write_text((tmp_path / "queue.toml").read_text().replace('"build"', '"none"'))
        with pytest.raises(ConfigError, match=r"queue.toml:5: continues_as.api: no API is called none"):
            load_api(tmp_path / "queue.toml")


async def test_another_tables_token_does_not_go_to_this_ones_origin() -> None:
    from msgspec.structs import replace

    answers = by_path(jobs=[{"s": "running", "to": "/b"}], b=[{"s": "succeeded"}])
    async with serving(home=answers) as servers:
        keys = {"continues_as": {"url": "to", "api": "other"}}
        foreign = {"job": "https://other.test/{job_id}", "status": "s", "token": "MOVING_OTHER"}
        api = replace(api_of(table(servers["home"], **keys), "a"), others={"other": api_of(foreign, "other")})
        await waited(api)
        assert "Authorization" not in servers["home"].requests[-1][2]


async def test_a_job_that_never_appears_where_it_moved_to_is_not_found() -> None:
    answers = by_path(jobs=[{"s": "failed", "to": "/b"}], b=[(410, b"", {})])
    async with serving(home=answers) as servers:
        with pytest.raises(JobNotFound):
            await waited(api_of(table(servers["home"], continues_as="to"), "a"))


async def test_an_expression_that_cannot_be_evaluated_lets_no_end_be_believed() -> None:
    async with serving(home=[{"s": "succeeded", "to": [1]}]) as servers:
        with pytest.raises(UnreadableReply):
            await waited(api_of(table(servers["home"], continues_as="starts_with(to, 'x') && to"), "a"))


async def test_a_reply_that_holds_what_is_said_names_no_place() -> None:
    answers = by_path(jobs=[(200, {"s": "running", "done": 0}, {"Location": "/builds/9"}), {"s": "succeeded"}])
    async with serving(home=answers) as servers:
        onward = {"header": "Location", "unless": ["done", "missing"]}
        told, job = await waited(api_of(table(servers["home"], continues_as=onward), "a"))
        assert (told, job.now) == (["running", "succeeded"], None)


async def test_azures_other_half_is_waited_for() -> None:
    answers = [(202, b"", {"Location": "/results/2"}), (202, b"", {}), (200, {"id": "/thing"}, {})]
    async with serving(home=answers) as servers:
        told, job = await waited(
            "azure", f"{servers['home'].url}/results/1", token=CANARY, base_url=servers["home"].url
        )
        assert (told, job.phase) == (["HTTP 202", "HTTP 200"], Phase.SUCCEEDED)
        assert [path for _, path, _, _ in servers["home"].requests] == ["/results/1", "/results/2", "/results/2"]


async def test_an_azure_monitor_that_has_failed_is_not_left_for_its_result() -> None:
    async with serving(home=[(200, {"status": "Failed"}, {"Location": "/result"})]) as servers:
        with pytest.raises(JobFailed):
            async with Client("azure", token=CANARY, base_url=servers["home"].url, pace=QUICK) as client:
                await client.wait_for(f"{servers['home'].url}/monitor")


@pytest.mark.parametrize(
    ("keys", "trouble"),
    [
        ({"continues_as": {"api": "x"}}, "it takes one of url, id and header"),
        ({"continues_as": {"url": "a", "id": "b"}}, "it takes one of url, id and header"),
        ({"continues_as": {"header": "a b"}}, 'write the name of a header, such as "Location"'),
        ({"continues_as": {"url": "a", "http": 99}}, "a number from 200 to 599"),
        ({"continues_as": "to[", "allowed_origins": []}, "continues_as: "),
        ({"allowed_origins": ["https://a.test/path"]}, 'is no origin: write "https://history.example.com"'),
        ({"continues_as": "to", "items": "runs"}, "goes on nowhere else: leave out continues_as"),
        ({"allowed_origins": ["ftp://a.test"]}, "is no origin"),
        ({"allowed_origins": ["https://user@a.test"]}, "is no origin"),
        ({"allowed_origins": [{"origin": "https://a.test", "token": "sk-1"}]}, "the name of the environment variable"),
    ],
)
def test_a_table_that_says_it_wrongly_is_refused(keys: dict[str, Any], trouble: str) -> None:
    with pytest.raises(TableError) as raised:
        api_of({"job": "https://a.test/{job_id}", "status": "s", **keys}, "a")
    assert trouble in str(raised.value)


def test_a_missing_variable_of_another_origin_is_told_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOVING_OTHER")
    origins = [{"origin": "https://h.test", "token": "MOVING_OTHER"}]
    api = api_of({"job": "https://a.test/{job_id}", "status": "s", "allowed_origins": origins}, "a")
    with pytest.raises(ConfigError, match=r"https://h.test needs the environment variable MOVING_OTHER"):
        Client(api)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("/b?x=1#y", "https://a.test/b?x=1"),
        ("b", "https://a.test/jobs/b"),
        ("https://A.test:443/b", "https://a.test/b"),
        ("//b.test/x", "https://b.test/x"),
        ("http://a.test/b", "http://a.test/b"),
        ("https://u:p@a.test/", None),
        ("ftp://a.test/", None),
        ("javascript:alert(1)", None),
        ("https://a.test/ b", None),
        ("https://a.test:x/", None),
        ("https:///b", None),
        ("", None),
        ("x" * 9000, None),
    ],
)
def test_a_url_that_a_reply_names_is_read_or_refused(url: str, found: str | None) -> None:
    assert resolved("https://a.test/jobs/j", url) == found


def test_another_origin_is_trusted_as_the_first_is_and_shown_no_certificate() -> None:
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("me").configure_cert(context)
    bare = without_certificate(context)
    assert sorted(bare.get_ca_certs(binary_form=True)) == sorted(context.get_ca_certs(binary_form=True))
    assert (bare.verify_mode, bare.check_hostname) == (ssl.CERT_REQUIRED, True)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert without_certificate(context).verify_mode is ssl.CERT_NONE
