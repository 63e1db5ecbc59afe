"""Replies in pages: what leads on, what it costs, and what a page that cannot be read leaves untold."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
from aiohttp import web

from jobwatch import UNCHANGED, Client, Fault, FaultKind, Job, JobAPI
from jobwatch._core.source import Seen, SeenMany
from jobwatch._http.pages import TIME_LIMIT
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._http.target import Target
from jobwatch._http.transport import Transport
from jobwatch._reading.pages import next_link
from jobwatch._reading.reply import Reply
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from tests.table_server import TableServer
from tests.virtual import on_virtual_clock

BASE = "https://api.test"
MINIMAL = f'job = "{BASE}/jobs/{{job_id}}"\nid = "id"\nstatus = "status"\n'
LOG = 'events = { request = "/jobs/{job_id}/log", path = "log", status = "to", next_page = "next" }\n'


class Pages:
    """A transport that answers by path and query after a `delay`, and keeps what it was asked."""

    def __init__(
        self, answers: Mapping[str, object] | Callable[[str, bytes | None], object], delay: float = 0.0
    ) -> None:
        self._answers = answers
        self._real = Transport(BASE, {})
        self.delay = delay
        self.before: Callable[[str], Awaitable[None]] | None = None
        self.asked: list[str] = []
        self.bodies: list[bytes | None] = []

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> Target:
        return self._real.prepared(path, query, body)

    async def get(self, target: Target, *, etag: str | None = None, turn: object = None) -> Reply | Fault:
        assert etag is None
        name = target.url.raw_path_qs
        if self.before is not None:
            await self.before(name)
        self.asked.append(name)
        self.bodies.append(target.body)
        await asyncio.sleep(self.delay)
        told = self._answers(name, target.body) if callable(self._answers) else self._answers[name]
        body, headers = told if isinstance(told, tuple) else (told, {})
        if isinstance(body, Fault):
            return body
        return Reply(200, body if isinstance(body, bytes) else msgspec.json.encode(body), headers=headers)

    async def aclose(self) -> None:
        """There is nothing to close."""


def table(text: str) -> JobAPI:
    return api_of(tomllib.loads(text), "own")


def source(text: str, pages: Pages) -> HttpSource:
    return HttpSource(table(text), Given(None, None, None), transport=pages)  # type: ignore[arg-type]


async def seen(text: str, pages: Pages, **options: Any) -> Seen:
    return await source(text, pages).job("j1", **options)


def job(seen: Seen | SeenMany) -> Job:
    assert isinstance(seen.what, Job), seen.what
    return seen.what


def told(seen: Seen) -> list[str]:
    return [event.status for event in job(seen).events or ()]


def log(*states: str, **more: object) -> dict[str, object]:
    return {"log": [{"to": state} for state in states], **more}


HISTORY = {
    "/jobs/j1": {"id": "j1", "status": "running"},
    "/jobs/j1/log": log("created", "queued", next="/jobs/j1/log?page=2"),
    "/jobs/j1/log?page=2": log("preparing", next=f"{BASE}/jobs/j1/log?page=3"),
    "/jobs/j1/log?page=3": log("running", next=None),
}


async def test_a_history_is_read_to_its_last_page_and_each_page_waits_for_its_turn() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    pages = Pages(HISTORY)
    found = await seen(MINIMAL + LOG, pages, turn=turn)
    assert told(found) == ["created", "queued", "preparing", "running"]
    assert (job(found).has_more_events, found.aside, found.looks, turns) == (False, None, 1, 3)
    assert pages.asked == list(HISTORY)


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (Fault(FaultKind.NOT_FOUND, "no such page", 404), FaultKind.UNREACHABLE),
        (Fault(FaultKind.RATE_LIMITED, "slowly", 429), FaultKind.RATE_LIMITED),
        (b"<html>", None),
        (log("preparing", next="https://elsewhere.test/log"), FaultKind.REFUSED),
        (log("preparing", next="//elsewhere.test/log"), FaultKind.REFUSED),
        (log("preparing", next="page-3"), FaultKind.UNREADABLE),
        (log("preparing", next={"href": "/x"}), FaultKind.UNREADABLE),
        (log("preparing", next=True), FaultKind.UNREADABLE),
    ],
)
async def test_what_comes_before_a_page_that_cannot_be_read_is_told_and_the_rest_is_said_to_lack(
    page: object, kind: FaultKind | None
) -> None:
    found = await seen(MINIMAL + LOG, Pages(HISTORY | {"/jobs/j1/log?page=2": page}))
    assert told(found)[:2] == ["created", "queued"]
    assert "running" not in told(found)
    assert job(found).has_more_events
    assert (found.aside and found.aside.kind) == kind


async def test_a_page_without_its_turn_is_not_asked_for() -> None:
    left = [None, Fault(FaultKind.RATE_LIMITED, "enough")]

    async def turn() -> Fault | None:
        return left.pop(0)

    pages = Pages(HISTORY)
    found = await seen(MINIMAL + LOG, pages, turn=turn)
    assert (told(found), job(found).has_more_events, len(pages.asked)) == (["created", "queued"], True, 2)


@pytest.mark.parametrize("following", ["/jobs/j1/log?page=2", "/jobs/j1/log"])
async def test_a_page_that_leads_back_is_the_last(following: str) -> None:
    pages = Pages(HISTORY | {"/jobs/j1/log?page=2": log("running", next=following)})
    found = await seen(MINIMAL + LOG, pages)
    assert (told(found), job(found).has_more_events) == (["created", "queued", "running"], False)
    assert len(pages.asked) == 3


async def test_no_more_pages_are_read_than_the_table_says() -> None:
    pages = Pages(HISTORY)
    found = await seen(MINIMAL + LOG + "pages = 2", pages)
    assert (told(found), job(found).has_more_events) == (["created", "queued", "preparing"], True)
    endless = Pages(lambda name, _: log("x", next=f"?page={len(endless.asked)}", id="j1", status="running"))
    await seen(MINIMAL + LOG, endless)
    assert len(endless.asked) == 1 + 50


@on_virtual_clock
async def test_all_pages_together_have_as_long_as_a_look() -> None:
    pages = Pages(HISTORY, delay=TIME_LIMIT * 0.7)
    found = await seen(MINIMAL + LOG, pages)
    assert (told(found), job(found).has_more_events) == (["created", "queued", "preparing"], True)
    assert found.aside is not None
    assert "took more than 30 s" in found.aside.message
    assert asyncio.get_running_loop().time() == pytest.approx(TIME_LIMIT * (2 * 0.7 + 1))


async def test_a_token_goes_into_the_query_of_the_same_request() -> None:
    events = LOG.replace("/log", "/log?size=2").replace('"next"', '{ token = "next", query = "cursor" }')
    pages = Pages(
        {
            "/jobs/j1": {"id": "j1", "status": "running"},
            "/jobs/j1/log?size=2": log("queued", next="a b&c"),
            "/jobs/j1/log?size=2&cursor=a%20b%26c": log("running", next=7),
            "/jobs/j1/log?size=2&cursor=7": log("paused", next=""),
        }
    )
    assert told(await seen(MINIMAL + events, pages)) == ["queued", "running", "paused"]


async def test_what_goes_into_every_query_goes_into_that_of_a_page_too() -> None:
    text = MINIMAL + LOG + 'query = { v = "2" }'
    answers = {
        "/jobs/j1?v=2": {"id": "j1", "status": "running"},
        "/jobs/j1/log?v=2": log("queued", next="/jobs/j1/log?page=2"),
        "/jobs/j1/log?page=2&v=2": log("running", next="/jobs/j1/log?page=3&v=1"),
        "/jobs/j1/log?page=3&v=1": log("paused"),
    }
    assert told(await seen(text, Pages(answers))) == ["queued", "running", "paused"]


async def test_a_header_leads_on() -> None:
    events = 'events = { request = "/jobs/{job_id}/log", path = "log", status = "to", next_page = NEXT }'
    by_token = events.replace("NEXT", '{ header = "X-Next-Page", query = "page" }')
    first, second = log("queued"), log("running")
    answers: dict[str, object] = {
        "/jobs/j1": {"id": "j1", "status": "running"},
        "/jobs/j1/log": (first, {"x-next-page": "2", "link": '</jobs/j1/log?page=2>; rel="next"'}),
        "/jobs/j1/log?page=2": (second, {"x-next-page": ""}),
    }
    assert told(await seen(MINIMAL + by_token, Pages(answers))) == ["queued", "running"]
    by_link = events.replace(", next_page = NEXT", "")
    assert told(await seen(MINIMAL + by_link, Pages(answers))) == ["queued", "running"]


@pytest.mark.parametrize(
    ("header", "url"),
    [
        ('<https://a.test/x?page=2>; rel="next", <https://a.test/x?page=9>; rel="last"', "https://a.test/x?page=2"),
        ('<https://a.test/x?page=1>; rel="prev", </x?page=3>;title="a, b"; REL=next', "/x?page=3"),
        ('<?page=3>; rel="last next"', "?page=3"),
        ('<https://a.test/x>; rel="nextish", <y>; title="rel=next"', None),
        ('</other>; rel="next"; anchor="/elsewhere"', None),
        ("", None),
        ("<" * 5000, None),
    ],
)
def test_a_link_header_is_read(header: str, url: str | None) -> None:
    assert next_link(header) == url


async def test_http_in_a_link_behind_a_proxy_is_the_https_that_was_asked_for() -> None:
    page = log("created", "queued", next="http://api.test/jobs/j1/log?page=3")
    pages = Pages(HISTORY | {"/jobs/j1/log": page})
    assert told(await seen(MINIMAL + LOG, pages)) == ["created", "queued", "running"]
    assert isinstance(await pages.get(pages.prepared("/jobs/j1")), Reply)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ('events = { path = "log", status = "to", next_page = "next" }', "events.next_page", "request of its own"),
        (LOG.replace('"next"', '{ token = "next" }'), "events.next_page", '{ token = "next", query = "page_token" }'),
        (LOG.replace('"next"', '{ query = "page" }'), "events.next_page", "one of token, a place, and header"),
        (LOG.replace('"next"', '{ token = "a", query = "b", body = "c" }'), "events.next_page", "not both"),
        (LOG.replace('"next"', '{ token = "a", body = "c" }'), "events.next_page.body", "no body that is a table"),
        (LOG.replace('"next"', '{ token = "a", query = "b c" }'), "events.next_page.query", "name of a parameter"),
        (LOG.replace('"next"', '{ header = "b c" }'), "events.next_page.header", "name of a header"),
        (LOG.replace('"next"', '"next["'), "events.next_page", "next["),
        (LOG + "pages = 1", "pages", "from 2 to 1000"),
    ],
)
def test_what_leads_nowhere_is_refused_with_the_right_form(text: str, key: str, said: str) -> None:
    with pytest.raises(TableError) as refused:
        table(MINIMAL + text)
    assert ".".join(refused.value.keys) == key
    assert said in refused.value.trouble


# --- a job that is told by the items of a list ---------------------------------------------------------------------

CHECKS = f"""
job = "{BASE}/checks/{{job_id}}"
items = "checks"
next_page = "next"
running_if = "checks[?state != 'done']"
failed_if = "checks[?bad] && !(checks[?state != 'done'])"
succeeded_if = "checks && !(checks[?state != 'done'])"
"""


def checks(*letters: str, **more: object) -> dict[str, object]:
    """Return a page of checks: a letter each, with a - behind it while it runs, and a ! if it failed."""
    return {
        "checks": [{"id": each[0], "state": "run" if "-" in each else "done", "bad": "!" in each} for each in letters]
    } | more


def paged(*readings: list[Any]) -> Pages:
    """Return a server whose list is what one reading of its pages after the other shows, the last one for ever."""
    left = [list(each) for each in readings]

    def answer(name: str, _: bytes | None) -> object:
        number = int(name.partition("?page=")[2] or 1)
        if number == 1 and pages.asked.count("/checks/j1") > 1 and len(left) > 1:
            left.pop(0)
        page = left[0][number - 1]
        more = {"next": f"?page={number + 1}"} if number < len(left[0]) else {}
        return page | more if isinstance(page, dict) else page

    pages = Pages(answer)
    return pages


async def test_the_items_of_all_pages_are_one_list() -> None:
    pages = paged([checks("a", "b"), checks("c-")])
    assert job(await seen(CHECKS, pages)).status == "running"
    assert pages.asked == ["/checks/j1", "/checks/j1?page=2"], "what goes on is not read twice"
    pages = paged([checks("a", "b"), checks("c!"), checks("d")])
    assert job(await seen(CHECKS, pages)).status == "failed"
    assert pages.asked == ["/checks/j1", "/checks/j1?page=2", "/checks/j1?page=3"] * 2


async def test_each_page_of_both_readings_waits_for_its_turn() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    found = await seen(CHECKS, paged([checks("a"), checks("b")]), turn=turn)
    assert (job(found).status, turns, found.looks) == ("succeeded", 3, 1)


async def test_one_page_is_read_once() -> None:
    pages = paged([checks("a", "b", total_count=2)])
    assert job(await seen(CHECKS, pages)).status == "succeeded"
    assert pages.asked == ["/checks/j1"]


@pytest.mark.parametrize(
    ("readings", "told"),
    [
        ([[checks("a", "b"), checks("b", "c")]], "twice"),
        ([[checks("a", "b"), {"checks": [{"state": "done"}]}]], "without an id"),
        ([[checks("a", total_count=3), checks("b", total_count=3)]], "2 of its 3 items"),
        ([[checks("a", total=2)]], "1 of its 2 items"),
        ([[checks("a"), checks("b")], [checks("a"), checks("b!")]], "tell of two ends"),
        ([[checks("a"), checks("b")], [checks("a", "b"), checks("b")]], "twice"),
        ([[checks("a"), Fault(FaultKind.NOT_FOUND, "gone", 404)]], "page 2: gone"),
        ([[checks("a"), {"error": "overloaded"}]], "page 2 has no list"),
        ([[checks("a"), {"error": "overloaded", "checks": None}]], "page 2 has no list"),
        ([[checks("a"), b"<html>"]], "not JSON"),
        ([[checks("a"), checks("b")], [checks("a"), Fault(FaultKind.UNREACHABLE, "cut")]], "page 2: cut"),
    ],
)
async def test_an_end_that_several_pages_do_not_prove_is_a_fault(
    readings: list[list[dict[str, object]]], told: str
) -> None:
    found = await seen(CHECKS, paged(*readings))
    assert isinstance(found.what, Fault), found
    assert found.what.kind in (FaultKind.UNREADABLE, FaultKind.UNREACHABLE)
    assert told in found.what.message


async def test_what_the_second_reading_shows_to_go_on_goes_on() -> None:
    pages = paged([checks("a"), checks("b")], [checks("a", "c-"), checks("b")])
    assert job(await seen(CHECKS, pages)).status == "running"


async def test_an_item_that_moved_to_a_page_already_read_ends_nothing() -> None:
    pages = paged([checks("a", "b"), checks("d")], [checks("c!", "a"), checks("b", "d")])
    found = await seen(CHECKS, pages)
    assert isinstance(found.what, Fault), "the first reading lacks c"


async def test_the_same_pages_again_are_unchanged_and_no_validator_is_sent() -> None:
    pages = paged([checks("a-"), checks("b")])
    asked = source(CHECKS, pages)
    first = await asked.job("j1")
    assert (await asked.job("j1", "running", first.memo)).what is UNCHANGED
    assert not asked.is_conditional(first.memo)


async def test_ids_and_total_lie_where_the_table_says() -> None:
    named = CHECKS.replace('items = "checks"', 'items = { path = "checks", id = "me.name", total = "$.found" }')

    def page(*names: str) -> dict[str, object]:
        return {"checks": [{"id": 1, "me": {"name": name}, "state": "done"} for name in names], "found": 3}

    assert job(await seen(named, paged([page("a", "b"), page("c")]))).status == "succeeded"
    for second in (page(), page("b")):
        assert isinstance((await seen(named, paged([page("a", "b"), second]))).what, Fault)


async def test_a_list_may_be_the_whole_reply_or_lie_below_root() -> None:
    bare = f"""
job = "{BASE}/checks/{{job_id}}"
items = "@"
succeeded_if = "@ && !([?state != 'done'])"
running_if = "[?state != 'done']"
"""
    link = {"link": '</checks/j1?page=2>; rel="next"'}
    answers: dict[str, object] = {
        "/checks/j1": (checks("a")["checks"], link),
        "/checks/j1?page=2": checks("b-")["checks"],
    }
    assert job(await seen(bare, Pages(answers))).status == "running"
    below = CHECKS.replace('items = "checks"', 'root = "data"\nitems = "checks"').replace('"next"', '"$.next"')
    deep = Pages(
        {
            "/checks/j1": {"data": checks("a"), "next": "?page=2", "keep": 1},
            "/checks/j1?page=2": {"data": checks("b!")},
        }
    )
    assert job(await seen(below, deep)).status == "failed"


async def test_a_job_is_looked_for_on_all_pages() -> None:
    text = f"""
job = "{BASE}/queue"
root = "jobs[?id=={{job_id}}] | [0]"
id = "id"
status = "status"
"""
    answers: dict[str, object] = {
        "/queue": {"jobs": [{"id": "j0", "status": "running"}], "next": "?page=2"},
        "/queue?page=2": {"jobs": [{"id": "j1", "status": "failed"}]},
    }
    in_pages = text + 'items = "$.jobs"\nnext_page = "$.next"'
    assert job(await seen(in_pages, Pages(answers))).status == "failed"
    missing = (await seen(in_pages, Pages(answers | {"/queue?page=2": {"jobs": []}}))).what
    assert isinstance(missing, Fault)
    assert missing.kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize(
    "more",
    [
        {"next": "?page=2"},
        {"links": {"next": {"href": "/x"}}},
        {"total_count": 2},
        {"nextPageToken": "t"},
        {"has_more": True},
        {"pagination": {"next_cursor": "c"}},
        {"meta": {"total": 40}},
        {"@odata.nextLink": "https://x.test"},
        {"totalPages": 2, "last": False},
        {"page": {"total_pages": 3, "number": 0}},
        {"isLast": False},
        {"response_metadata": {"next_cursor": "c"}},
        {"metadata": {"continue": "t", "remainingItemCount": 4}},
    ],
)
@pytest.mark.parametrize("said", ["", 'words = { succeeded = ["absent"] }', "http = { 200 = 'succeeded' }"])
async def test_a_list_that_goes_on_is_no_proof_that_a_job_is_not_there(more: dict[str, object], said: str) -> None:
    text = f'''
job = "{BASE}/queue"
root = "jobs[?id=={{job_id}}] | [0]"
id = "id"
status = "status"
{said}
'''
    listed = {"jobs": [{"id": "j0", "status": "running"}]}
    found = (await seen(text, Pages({"/queue": listed | more}))).what
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.UNREADABLE
    end = {"next": None, "total": 1, "has_more": False, "last": True, "totalPages": 1, "metadata": {"continue": ""}}
    whole = (await seen(text, Pages({"/queue": listed | end}))).what
    assert isinstance(whole, Job) if said else isinstance(whole, Fault) and whole.kind is FaultKind.NOT_FOUND
    there = await seen(text, Pages({"/queue": {"jobs": [{"id": "j1", "status": "done"}]} | more}))
    assert job(there).id == "j1"


@pytest.mark.parametrize(
    ("headers", "is_more"),
    [
        ({"x-next-page": "2"}, True),
        ({"x-total": "2"}, True),
        ({"x-total-count": "40"}, True),
        ({"link": '</queue?page=9>; rel="prev"', "x-next-page": "", "x-total": "1"}, False),
        ({"x-total": "many"}, False),
    ],
)
async def test_a_header_may_say_that_a_list_goes_on(headers: dict[str, str], is_more: bool) -> None:
    text = f'job = "{BASE}/queue"\nroot = "[?id=={{job_id}}] | [0]"\nid = "id"\nstatus = "status"'
    assert table(text).wanted_headers == ("link", "x-next-page", "x-total", "x-total-count")
    found = (await seen(text, Pages({"/queue": ([{"id": "j0", "status": "running"}], headers)}))).what
    assert isinstance(found, Fault)
    assert found.kind is (FaultKind.UNREADABLE if is_more else FaultKind.NOT_FOUND)


QUEUE = f"""
job = "{BASE}/queue"
root = "jobs[?id=={{job_id}}] | [0]"
id = "id"
status = "status"
"""


def queue(*jobs: str, **more: object) -> dict[str, object]:
    return {"jobs": [{"id": each, "status": "running"} for each in jobs]} | more


async def test_a_job_that_is_not_on_the_first_page_is_looked_for_on_the_others() -> None:
    link = {"link": '</queue?page=2>; rel="next"'}
    answers: dict[str, object] = {"/queue": (queue("j0"), link), "/queue?page=2": queue("j1")}
    pages = Pages(answers)
    asked = source(QUEUE, pages)
    found = await asked.job("j1")
    assert (job(found).status, found.memo) == ("running", None), (
        "the first page may stay as it is while the other changes"
    )
    assert pages.asked == ["/queue", "/queue?page=2"]
    answers["/queue?page=2"] = queue("j2")
    gone = (await asked.job("j1")).what
    assert isinstance(gone, Fault)
    assert gone.kind is FaultKind.NOT_FOUND, "on none of all pages"
    answers["/queue?page=2"] = Fault(FaultKind.NOT_FOUND, "no such page", 404)
    broken = (await asked.job("j1")).what
    assert isinstance(broken, Fault)
    assert broken.kind is FaultKind.UNREACHABLE
    pages.asked.clear()
    assert job(await asked.job("j0")).id == "j0"
    assert pages.asked == ["/queue"], "where it is on the first page, no other is read"


async def test_the_page_after_is_where_the_table_says_for_a_search_too() -> None:
    answers = {"/queue": queue("j0", goes_on_at="t 2"), "/queue?after=t%202": queue("j1")}
    text = QUEUE + 'next_page = { token = "goes_on_at", query = "after" }'
    assert job(await seen(text, Pages(answers))).id == "j1"


async def test_absence_that_is_an_end_is_believed_of_all_pages_read_twice() -> None:
    text = QUEUE + 'next_page = "next"\nwords = { succeeded = ["absent"] }'
    shifting = Pages(lambda name, _: queue("j2") if "page" in name else queue("j0", next="?page=2"))
    ended = job(await seen(text, shifting))
    assert (ended.status, shifting.asked) == ("absent", ["/queue", "/queue?page=2"] * 2)

    def moved(name: str, _: bytes | None) -> object:
        if "page" in name:
            return queue("j2")
        return queue("j0", next="?page=2") if len(pages.asked) < 3 else queue("j1", next="?page=2")

    pages = Pages(moved)
    assert job(await seen(text, pages)).status == "running", "it went to a page that had been read"


async def test_a_project_is_listed_up_to_the_limit() -> None:
    text = MINIMAL + """list = { request = "/jobs?n={limit}", root = "jobs", next_page = "next" }"""

    def answer(name: str, _: bytes | None) -> object:
        number = int(name.partition("page=")[2] or 1)
        ids = [f"j{number}", f"j{number + 1}"]  # one moved on while the pages were read
        return {"jobs": [{"id": each, "status": "running"} for each in ids], "next": f"/jobs?page={number + 1}"}

    pages = Pages(answer)
    found = await source(text, pages).project("p", 4)
    assert isinstance(found.what, tuple)
    assert [each.id for each in found.what] == ["j1", "j2", "j3", "j4"]
    assert pages.asked == ["/jobs?n=4", "/jobs?page=2", "/jobs?page=3"]
    failing = Pages(lambda name, body: answer(name, body) if "page=3" not in name else b"<html>")
    assert isinstance((await source(text, failing).project("p", 4)).what, Fault), "never a shorter list"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("completed", "completed", "completed"),
        ("running", "completed", "running"),
        ("completed", "running", None),
        ("completed", "failed", None),
    ],
)
async def test_what_pages_show_to_go_on_after_its_end_has_not_ended(before: str, after: str, told: str | None) -> None:
    text = MINIMAL + """list = { request = "/jobs?n={limit}", root = "jobs", next_page = "next" }"""

    def answer(name: str, _: bytes | None) -> object:
        if "page=2" in name:
            return {"jobs": [{"id": "j1", "status": after}, {"id": "j2", "status": "running"}]}
        return {"jobs": [{"id": "j1", "status": before}], "next": "/jobs?page=2"}

    found = await source(text, Pages(answer)).project("p", 4)
    assert isinstance(found.what, tuple)
    states = {each.id: each.status for each in found.what}
    assert states == ({"j2": "running"} if told is None else {"j1": told, "j2": "running"})


async def test_a_batch_is_read_until_all_are_found() -> None:
    text = (
        MINIMAL
        + """
[batch]
request = "/batch"
body = { ids = "{job_ids}", page = { size = 2 } }
root = "jobs"
next_page = { token = "next", body = "page.token" }
"""
    )
    sent: list[object] = []

    def answer(_: str, body: bytes | None) -> object:
        sent.append(msgspec.json.decode(body or b"null"))
        number = len(sent)
        return {"jobs": [{"id": f"j{number}", "status": "running"}], "next": f"t{number}"}

    found = await source(text, Pages(answer)).batch({"j1": None, "j2": None})
    assert isinstance(found.what, tuple)
    assert [each.id for each in found.what] == ["j1", "j2"]
    ids = {"ids": ["j1", "j2"]}
    assert sent == [ids | {"page": {"size": 2}}, ids | {"page": {"size": 2, "token": "t1"}}]


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ('next_page = "next"', "next_page", 'add items = "..."'),
        ('items = "a[0]"', "items", "a place of keys alone"),
        ('items = "a[?b]"', "items", "a place of keys alone"),
        ('items = { path = "a", id = "b[0]" }', "items.id", "a place of keys alone"),
        ('items = "jobs"\nroot = "jobs[?id=={job_id}] | [0]"', "items", "write $.jobs"),
        ('items = "a"\nlist = { request = "/x" }', "list", "leave it out"),
        ('items = "a"\nbatch = { request = "/x?id={job_id}" }', "batch", "leave it out"),
        ('items = { path = "a", ids = "b" }', "items.ids", "no such key"),
        ('next_page = { tokens = "b" }', "next_page.tokens", "no such key"),
        ('list = { request = "/x", next_page = { tokens = "b" } }', "list.next_page.tokens", "no such key"),
    ],
)
def test_a_list_that_cannot_be_joined_is_refused(text: str, key: str, said: str) -> None:
    with pytest.raises(TableError) as refused:
        table(MINIMAL + text)
    assert ".".join(refused.value.keys) == key
    assert said in refused.value.trouble


async def test_link_headers_lead_on_through_the_network() -> None:
    text = """
job = "/commits/{job_id}/check-runs"
base_url = "http://127.0.0.1:1"
items = "check_runs"
running_if = "check_runs[?status != 'completed']"
failed_if = "check_runs[?conclusion == 'failure'] && !(check_runs[?status != 'completed'])"
succeeded_if = "check_runs && length(check_runs) == total_count && !(check_runs[?conclusion != 'success'])"
"""

    def answer(request: web.BaseRequest) -> object:
        ends = enumerate(["success", "success", "failure"])
        runs = [{"id": number, "status": "completed", "conclusion": end} for number, end in ends]
        if request.query.get("page") == "2":
            return {"total_count": 3, "check_runs": runs[2:]}
        link = f'<http://{request.host}/commits/abc/check-runs?page=2>; rel="next"'
        return 200, {"total_count": 3, "check_runs": runs[:2]}, {"Link": link, "ETag": '"1"'}

    async with TableServer(answer) as server, Client(table(text), base_url=server.url) as client:
        assert (await client.wait_for("abc", check=False)).status == "failed"
    both = ["/commits/abc/check-runs", "/commits/abc/check-runs?page=2"]
    assert [path for _, path, _, _ in server.requests] == both * 2
    assert not any("If-None-Match" in headers for _, _, headers, _ in server.requests)
