"""A token that an API refuses in words of its own: told as such, and read anew, whatever the HTTP status."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from jobwatch import AuthError, Client, FaultKind, Pace, Unreachable
from jobwatch._http import renewing
from jobwatch._http.answer import judged
from jobwatch._table.fields import TableError
from tests.table_server import TableServer, in_order

from .test_table import MINIMAL, table

QUICK = Pace(min_interval=0.005, max_interval=0.02)
REFUSED = "code == 'EXPIRED'"
PERHAPS = "code == 'ODD'"
API = table(MINIMAL + f'token = {{ variable = "OWN", refused_if = "{REFUSED}", renew_if = "{PERHAPS}" }}')
EXPIRED, ODD, RUNNING, PASSED = {"code": "EXPIRED"}, {"code": "ODD"}, {"status": "running"}, {"status": "passed"}


class Tokens:
    """A function that gives another token each time."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return f"token-{self.given}"


@pytest.mark.parametrize("http_status", [200, 400, 403, 500, 511])
async def test_a_token_that_was_refused_in_words_is_read_anew_and_the_look_is_made_once_more(http_status: int) -> None:
    tokens = Tokens()
    async with (
        TableServer(in_order(RUNNING, (http_status, EXPIRED, {}), PASSED)) as server,
        Client(API, base_url=server.url, token=tokens, pace=QUICK) as client,
    ):
        assert (await client.wait_for("j", 5)).status == "passed"
        sent = [headers["Authorization"] for _, _, headers, _ in server.requests]
    assert sent == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("http_status", [200, 400, 500, 511])
async def test_one_that_stays_the_same_is_told_to_be_refused(http_status: int) -> None:
    async with (
        TableServer(in_order((http_status, EXPIRED, {}))) as server,
        Client(API, base_url=server.url, token="t", pace=QUICK) as client,
    ):
        with pytest.raises(AuthError, match="the API refused the token: EXPIRED") as caught:
            await client.wait_for("j", 5)
    assert caught.value.fault is not None
    assert caught.value.fault.http_status == http_status


async def test_retry_after_makes_no_refusal_a_limit() -> None:
    async with (
        TableServer(in_order((403, EXPIRED, {"Retry-After": "1"}))) as server,
        Client(API, base_url=server.url, token="t", pace=QUICK) as client,
    ):
        with pytest.raises(AuthError):
            await client.wait_for("j", 5)


async def test_a_job_that_tells_a_state_is_no_refusal() -> None:
    async with (
        TableServer(in_order({"status": "passed", **EXPIRED})) as server,
        Client(API, base_url=server.url, token="t", pace=QUICK) as client,
    ):
        assert (await client.wait_for("j", 5)).status == "passed"


async def test_what_may_be_one_is_trouble_and_has_the_token_read_anew() -> None:
    tokens = Tokens()
    async with (
        TableServer(in_order(RUNNING, (500, ODD, {}), PASSED)) as server,
        Client(API, base_url=server.url, token=tokens, pace=QUICK) as client,
    ):
        assert (await client.wait_for("j", 5)).status == "passed"
        assert server.requests[-1][2]["Authorization"] == "Bearer token-2"


async def test_what_may_be_one_has_the_token_read_anew_now_and_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "_DOUBTED_EVERY", 3600.0)
    tokens = Tokens()
    async with (
        TableServer(in_order((500, ODD, {}))) as server,
        Client(API, base_url=server.url, token=tokens, pace=QUICK, unreachable_after=0.2) as client,
    ):
        with pytest.raises(Unreachable, match="in trouble: ODD; a token that it refuses is answered so, too"):
            await client.wait_for("j", 5)
        assert len(server.requests) > 3
    assert tokens.given == 2


async def test_what_may_be_one_says_nothing_of_a_job_that_is_not_there() -> None:
    tokens = Tokens()
    api = table(MINIMAL + f'missing_if = "{PERHAPS}"\ntoken = {{ variable = "OWN", renew_if = "{PERHAPS}" }}')
    async with (
        TableServer(in_order((500, ODD, {}))) as server,
        Client(api, base_url=server.url, token=tokens) as client,
    ):
        looked = await client.look(client.watched("j"))
    assert looked.watched.fault is not None
    assert (looked.watched.fault.kind, tokens.given) == (FaultKind.NOT_FOUND, 1)
    assert "refuses" not in looked.watched.fault.message


def test_a_login_of_the_network_is_not_the_apis() -> None:
    portal = judged(511, CIMultiDict({"Content-Type": "text/html"}), b"<html>")
    assert portal.kind is FaultKind.UNREACHABLE  # type: ignore[union-attr]
    assert portal.message == "the network on the way to the API wants a login"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("token", "trouble"),
    [
        ('{ variable = "OWN", refused_if = "!(status)" }', r"token\.refused_if: .*proves no end"),
        ('{ variable = "OWN", renew_if = "code == 1" }', r"token\.renew_if: "),
        ('{ variable = "s3cret!", refused_if = "code" }', "it is the name of an environment variable"),
        ('{ name = "OWN" }', "there is no such key"),
        ("7", "expected"),
    ],
)
def test_what_is_wrong_with_it_is_told(token: str, trouble: str) -> None:
    with pytest.raises(TableError, match=trouble) as caught:
        table(MINIMAL + f"token = {token}")
    assert "s3cret" not in str(caught.value)
