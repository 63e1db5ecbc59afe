"""The page in a real Chromium: what is seen, done by keys alone, and kept from those who would bend it."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from jobwatch import FaultKind, Health, Phase
from jobwatch._core.stats import Lag, Stats
from jobwatch._serving.page import feed as feeds
from jobwatch._serving.page import rows
from jobwatch._watching.records import JobRecord
from jobwatch._watching.viewing import Watching
from jobwatch.cli._render import human_duration
from tests.page.chromium import ARGUMENTS, Tabs, needed
from tests.page.staged import ORIGIN, Stage, end_of, failure, record, told_of

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from jobwatch._report.overview import Delta

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
ROW = ".rows .row"
COST = Stats(requests=90, looks=120, faults={FaultKind.UNREACHABLE: 3}, lag=Lag(2, 0.5, 0.9), rate=5.0, demand=7.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    path = needed()
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


def running(job_id: str, ago: float = 60.0, **more: Any) -> JobRecord:
    began = time.time() - ago
    return record(job_id, [("PENDING", Phase.PENDING, began), ("RUNNING", Phase.RUNNING, began + 5.0)], **more)


def blocked(job_id: str = "deploy", **more: Any) -> JobRecord:
    began = time.time() - 300.0
    states = [("RUNNING", Phase.RUNNING, began), ("WAITING_FOR_APPROVAL", Phase.BLOCKED, began + 100.0)]
    told = {"asked": "Deploy 4.2.1 to production?", "url": "https://ci.example.test/jobs/3?tab=approve"}
    return record(job_id, states, **(told | more))


def failed(job_id: str = "nightly") -> JobRecord:
    began = time.time() - 400.0
    return record(job_id, [("RUNNING", Phase.RUNNING, began), ("FAILED", Phase.FAILED, began + 90.0)])


def one_of_each(stage: Stage) -> None:
    """Show a job of each kind."""
    now = time.time()
    bad = failed()
    done = record("build-0", [("RUNNING", Phase.RUNNING, now - 200.0), ("DONE", Phase.SUCCEEDED, now - 20.0)])
    lost = running("etl", fault="no answer within 30 s", health=Health.UNREACHABLE)
    queued = record("queued", [("PENDING", Phase.PENDING, now - 9.0)])
    stage.put(
        running("render", progress=0.4), bad, done, lost, queued, blocked(), record("new", []),
        changes=[failure(bad, "E: no space left on device")],
    )  # fmt: skip
    stage.take(stats=COST)


@asynccontextmanager
async def opened(browser: Browser, stage: Stage, **options: Any) -> AsyncIterator[Page]:
    """Open the page; whatever the browser complains of fails the test."""
    context = await browser.new_context(**{"viewport": WIDE, **options})
    try:
        page = await context.new_page()
        page.set_default_timeout(20_000)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type != "info" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        await page.goto(stage.url)
        await page.wait_for_selector(f"{ROW}, #empty:not([hidden])")
        yield page
        assert complaints == []
    finally:
        await context.close()


@asynccontextmanager
async def one_of_each_shown(browser: Browser, **options: Any) -> AsyncIterator[tuple[Stage, Page]]:
    """Open the page of a stage with a job of each kind."""
    async with Stage() as stage:
        one_of_each(stage)
        async with opened(browser, stage, **options) as page:
            yield stage, page


async def until(page: Page, expression: str) -> None:
    """Wait until an expression is true; Playwright's own way would need `eval`, which the page's policy forbids."""
    async with asyncio.timeout(20):
        while not await page.evaluate(expression):  # noqa: ASYNC110 - nothing rings a bell here
            await asyncio.sleep(0.02)


IDS = """[...document.querySelectorAll('.rows .row')]
    .sort((one, other) => one.ariaRowIndex - other.ariaRowIndex).map((row) => row.job)"""


async def ids(page: Page) -> list[str]:
    """Return the ids of the rows in the page, from the top to the bottom."""
    found: list[str] = await page.evaluate(IDS)
    return found


async def focused(page: Page) -> str:
    """Return the id of the element that has the focus."""
    named: str = await page.evaluate(
        "document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.textContent"
    )
    return named


# --- what is seen ------------------------------------------------------------------------------------------


async def test_every_job_has_a_row_and_what_needs_somebody_stands_first(browser: Browser) -> None:
    async with one_of_each_shown(browser) as (_, page):
        assert await ids(page) == ["deploy", "nightly", "etl", "render", "queued", "new", "build-0"]
        assert "Deploy 4.2.1 to production?" in await page.locator(ROW).first.inner_text()
        assert await page.title() == "(1 ask, 1 failed) jobwatch"
        assert await page.locator(".row .note a").get_attribute("href") == "https://ci.example.test/jobs/3?tab=approve"
        told = await page.locator(".rows").inner_text()
        for words in ("E: no space left on device", "no answer within 30 s", "40\u202f%"):
            assert words in told
        figures = await page.locator("#figures").inner_text()
        assert "of 5.0/s" in figures
        assert "7.0 wanted" in figures
        assert "3 unreachable" in figures


async def test_a_change_is_seen_within_three_tenths_of_a_second(browser: Browser) -> None:
    async with Stage() as stage:
        stage.put(running("render", progress=0.1))
        async with opened(browser, stage) as page:
            late = [await seen_after(stage, page, running("render", progress=step / 10)) for step in range(2, 7)]
            assert statistics.median(late) < 0.3


async def seen_after(stage: Stage, page: Page, changed: JobRecord) -> float:
    """Return how many seconds it takes until a job's new progress is in the page, as the page's own clock has it."""
    words = f"{round(changed.watched.progress * 100)}\u202f%"  # type: ignore[operator]
    seen = asyncio.ensure_future(
        page.evaluate(
            """([id, words]) => new Promise((resolve) => {
                const there = () => [...document.querySelectorAll('.rows .row')]
                    .some((row) => row.job === id && row.querySelector('.note').textContent.includes(words));
                const watch = new MutationObserver(() => {
                    if (!there()) return;
                    watch.disconnect();
                    resolve(Date.now() / 1000);
                });
                watch.observe(document.querySelector('.rows'), { subtree: true, childList: true, characterData: true });
            })""",
            [changed.job_id, words],
        )
    )
    await asyncio.sleep(0.15)  # until the page is watched
    began = time.time()
    stage.put(changed)
    return float(await seen) - began


async def test_jobs_come_and_go(browser: Browser) -> None:
    async with Stage() as stage, opened(browser, stage) as page:
        assert await page.locator("#empty").inner_text() == "No job is watched yet."
        stage.put(running("one"), running("two", ago=30.0))
        await page.wait_for_selector(ROW)
        assert await ids(page) == ["one", "two"]
        stage.put(gone=["one"])
        await until(page, "document.querySelectorAll('.rows .row').length === 1")
        assert await ids(page) == ["two"]


async def test_the_filter_and_the_kinds_and_the_order(browser: Browser) -> None:
    async with one_of_each_shown(browser) as (_, page):
        await page.get_by_label("Filter").fill("SPACE fail")
        await until(page, "document.querySelectorAll('.rows .row').length === 1")
        assert await ids(page) == ["nightly"]
        await page.get_by_label("Filter").fill("no such job")
        await page.wait_for_selector("#empty:not([hidden])")
        await page.get_by_label("Filter").fill("")
        await page.get_by_role("button", name="Running").click()
        await until(page, "document.querySelectorAll('.rows .row').length === 2")
        assert await ids(page) == ["etl", "render"]
        await page.get_by_role("button", name="Running").click()
        await until(page, "document.querySelectorAll('.rows .row').length === 7")
        by_need = await ids(page)
        assert by_need != sorted(by_need)
        await page.get_by_label("Order").select_option("name")
        await until(page, f"JSON.stringify({IDS}) === {json.dumps(json.dumps(sorted(by_need), separators=(',', ':')))}")


async def test_what_a_server_says_is_never_more_than_text(browser: Browser) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;b&gt;"
    async with Stage() as stage:
        for number, url in enumerate(
            ["javascript:alert(3)", "data:text/html,<script>alert(4)</script>", "//evil.example", evil]
        ):
            told = replace(blocked(f"{evil}{number}", asked=evil, url=url).watched, status=evil, type=evil)
            stage.put(replace(blocked(f"{evil}{number}"), watched=told))
        bad = failed(f"{evil}bad")
        stage.put(bad, running(f"{evil}lost", fault=evil, health=Health.AUTH), changes=[failure(bad, evil)])
        stage.take(origin=replace(ORIGIN, trouble=evil))
        async with opened(browser, stage) as page:
            assert evil in await page.locator("#notice").inner_text()
            for _ in range(6):
                await page.keyboard.press("ArrowDown")
                await page.keyboard.press("Enter")
                assert evil in await page.locator("#details").inner_text()
                assert await page.locator("#details a, .rows a, .rows img, #details img, .rows b").count() == 0
                await page.keyboard.press("Escape")
            assert evil in await page.locator(".rows").inner_text()
            assert await page.locator("script").count() == 1


async def test_the_details_tell_all_and_grow_with_the_job(browser: Browser) -> None:
    async with one_of_each_shown(browser) as (stage, page):
        await page.locator(ROW).first.click()
        details = page.locator("#details")
        told = await details.inner_text()
        for words in (
            "deploy",
            "WAITING_FOR_APPROVAL",
            "It asks",
            "Deploy 4.2.1 to production?",
            "Next look",
            "States",
        ):
            assert words in told
        link = details.locator("a")
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
        began = time.time()
        remark = told_of(blocked(), "the API caches its replies")
        stage.put(changes=[remark])
        await until(page, "document.getElementById('details').innerText.includes('the API caches its replies')")
        stage.put(record("deploy", [("RUNNING", Phase.RUNNING, began - 50), ("DEPLOYED", Phase.SUCCEEDED, began)]))
        await until(page, "document.getElementById('details').innerText.includes('DEPLOYED')")
        told = await details.inner_text()
        assert "It asks" not in told
        assert "Ran\n" in told


async def test_somebody_who_hears_the_page_is_told_who_asks(browser: Browser) -> None:
    async with Stage() as stage:
        stage.put(running("deploy"))
        async with opened(browser, stage) as page:
            stage.put(blocked())
            await until(page, "document.getElementById('told').textContent !== ''")
            assert await page.locator("#told").text_content() == "deploy asks: Deploy 4.2.1 to production?"


class Learned:
    """What earlier jobs took: nearly all of them were over 100 s after they began to run."""

    def left(self, api: str, job_type: str | None, phase: Phase, age: float) -> tuple[float, float] | None:
        return None

    def usual(self, api: str, job_type: str | None, phase: Phase) -> float | None:
        return 100.0 if phase is Phase.RUNNING else None


async def test_bars_lie_where_the_states_do_and_what_is_late_is_marked(browser: Browser) -> None:
    now = time.time()
    async with Stage(Learned()) as stage:
        stage.put(record("late", [("PENDING", Phase.PENDING, now - 600.0), ("RUNNING", Phase.RUNNING, now - 300.0)]))
        over = record("over", [("RUNNING", Phase.RUNNING, now - 800.0), ("DONE", Phase.SUCCEEDED, now - 500.0)])
        stage.put(over, changes=[end_of(over, known_at=now - 410.0)])
        async with opened(browser, stage) as page:
            await page.get_by_label("Time shown").select_option("900")
            await until(page, "document.querySelectorAll('.rows rect').length === 5")
            drawn = await page.evaluate(BARS)
            width = drawn["width"] - 14.0  # of which a sign takes the rest
            expected = {
                ("late", "pending"): (300, 600),
                ("late", "running"): (600, 900),
                ("late", "overdue"): (700, 900),
                ("over", "running"): (100, 400),
                ("over", "unseen-end"): (400, 490),
            }
            assert {(job, kind) for job, kind, _, _ in drawn["bars"]} == set(expected)
            for job, kind, start, end in drawn["bars"]:
                from_, to = expected[job, kind]
                assert start == pytest.approx(from_ / 900.0 * width, abs=width * 0.03), (job, kind)
                assert end == pytest.approx(to / 900.0 * width, abs=width * 0.03), (job, kind)
            assert drawn["signs"] == [
                ["over", "#sign-succeeded", pytest.approx(400.0 / 900.0 * width, abs=width * 0.03)]
            ]
            assert await page.get_by_role("button", name="Late").inner_text() == "Late 1"
            assert "longer than usual" in await page.locator(ROW).first.inner_text()
            await page.locator(ROW).nth(1).click()
            assert "End known\n1m 30s after it" in await page.locator("#details").inner_text()


BARS = """(() => {
    const rows = [...document.querySelectorAll('.rows .row')];
    const of = (row, name) => [...row.querySelectorAll(`.bars ${name}`)];
    const at = (shape, name) => Number(shape.getAttribute(name));
    const kind = (rect) => rect.getAttribute('class').replace('bar ', '');
    return {
        width: document.querySelector('.bars').getBoundingClientRect().width,
        bars: rows.flatMap((row) => of(row, 'rect').map((rect) =>
            [row.job, kind(rect), at(rect, 'x'), at(rect, 'x') + at(rect, 'width')])),
        signs: rows.flatMap((row) => of(row, 'use').map((use) =>
            [row.job, use.getAttribute('href'), at(use, 'x') - 1])),
    };
})()"""


async def test_durations_are_written_as_on_the_terminal(browser: Browser) -> None:
    seconds = [0.0, 0.31, 5.06, 9.94, 9.96, 12.0, 59.4, 59.6, 60.0, 61.0, 3599.4, 3599.6, 3600.0]
    seconds += [86_399.0, 86_400.0, 172_799.0, 172_800.0, 777_777.0]
    async with Stage() as stage, opened(browser, stage) as page:
        shown = await page.evaluate(
            "async (seconds) => { const words = await import('/words.js'); return seconds.map(words.duration); }",
            seconds,
        )
    assert shown == [human_duration(each) for each in seconds]


# --- keys --------------------------------------------------------------------------------------------------


async def test_keys_alone_reach_everything(browser: Browser) -> None:
    async with one_of_each_shown(browser) as (_, page):
        assert await focused(page) == "grid"
        reached = []
        for _ in range(18):
            await page.keyboard.press("Tab")
            reached.append(await focused(page))
        everything = {"theme", "help", "filter", "order", "span", "grid"}
        assert everything <= set(reached)
        kinds = {
            "All 7",
            "Ask somebody 1",
            "Failed 1",
            "Not readable 1",
            "Late 0",
            "Running 2",
            "Pending 2",
            "Ended 2",
        }
        assert kinds <= set(reached)


async def test_keys_in_the_list_open_details_go_into_them_and_lead_back(browser: Browser) -> None:
    async with one_of_each_shown(browser) as (_, page):
        await page.keyboard.press("End")
        assert await active(page) == "build-0"
        await page.keyboard.press("Home")
        await page.keyboard.press("j")
        assert await active(page) == "nightly"
        await page.keyboard.press("k")
        await page.keyboard.press("Enter")
        assert await focused(page) == "Close the details"
        await page.keyboard.press("Tab")
        assert await focused(page) == "https://ci.example.test/jobs/3?tab=approve"
        await page.keyboard.press("Escape")
        assert await page.locator("#details").is_hidden()
        assert await focused(page) == "grid"
        assert await active(page) == "deploy"
        async with page.context.expect_page() as visited:
            await page.context.route("https://ci.example.test/**", lambda route: route.fulfill(body="here"))
            await page.keyboard.press("o")
        there = await visited.value
        await there.wait_for_load_state()
        assert there.url == "https://ci.example.test/jobs/3?tab=approve"
        assert await there.evaluate("[document.referrer, window.opener]") == ["", None]
        await there.close()
        await page.keyboard.press("/")
        assert await focused(page) == "filter"
        await page.keyboard.type("etl")
        await page.keyboard.press("ArrowDown")
        assert await focused(page) == "grid"
        await until(page, "document.querySelectorAll('.rows .row').length === 1")
        await page.keyboard.press("Escape")
        await until(page, "document.querySelectorAll('.rows .row').length === 7")
        await page.keyboard.press("?")
        assert await page.locator("#keys").is_visible()
        await page.keyboard.press("Escape")
        assert await page.locator("#keys").is_hidden()


async def active(page: Page) -> str:
    """Return the job that the keys are at, as a screen reader is told."""
    job: str = await page.evaluate(
        "document.getElementById(document.getElementById('grid').getAttribute('aria-activedescendant')).job"
    )
    return job


async def test_the_job_that_the_keys_are_at_stays_so_when_others_move(browser: Browser) -> None:
    async with one_of_each_shown(browser) as (stage, page):
        for _ in range(4):
            await page.keyboard.press("ArrowDown")
        assert await active(page) == "render"
        stage.put(blocked("another"), blocked("third"))
        await until(page, "document.querySelectorAll('.rows .row').length === 9")
        assert await active(page) == "render"


# --- how it looks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_axe_finds_nothing(browser: Browser, scheme: str, size: dict[str, int]) -> None:
    pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]

    async with Stage() as stage:
        one_of_each(stage)
        # axe itself is a script of another's, which the page's own policy would not let in.
        async with opened(browser, stage, color_scheme=scheme, viewport=size, bypass_csp=True) as page:
            for keys in ([], ["ArrowDown", "Enter"], ["Escape", "?"]):
                for key in keys:
                    await page.keyboard.press(key)
                found = await Axe().run(page)
                assert found.response["passes"]
                told = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found.response["violations"]]
                assert told == []


async def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser) -> None:
    async with Stage() as stage:
        one_of_each(stage)
        stage.put(running("x" * 300), blocked("y" * 300, asked="z" * 500))
        async with opened(browser, stage, viewport=PHONE, has_touch=True, is_mobile=True) as page:
            assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            assert await page.evaluate("document.getElementById('grid').scrollWidth <= innerWidth")
            await page.locator(ROW).first.tap(position={"x": 20, "y": 10})
            box = await page.locator("#details").bounding_box()
            assert box is not None
            assert (box["x"], box["y"], box["width"]) == (0, 0, PHONE["width"])
            assert await page.evaluate("document.getElementById('details').scrollWidth") <= PHONE["width"]
            await page.get_by_label("Close the details").tap()
            assert await page.locator("#details").is_hidden()


async def test_light_and_dark_as_the_system_is_or_as_somebody_chose(browser: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
    async with Stage() as stage, opened(browser, stage, color_scheme="dark") as page:
        assert await page.evaluate(paper) == dark
        await page.emulate_media(color_scheme="light")
        assert await page.evaluate(paper) == light
        button = page.locator("#theme")
        for name, colour in (("light", light), ("dark", dark)):
            await button.click()
            assert await button.inner_text() == f"Theme: {name}"
            assert await page.evaluate(paper) == colour
        await page.reload()
        assert await page.evaluate(paper) == dark
        await button.click()
        assert await page.evaluate(paper) == light


async def test_nothing_moves_where_somebody_wants_no_motion(browser: Browser) -> None:
    moving = """[...document.querySelectorAll('*')].filter((element) => {
        const style = getComputedStyle(element);
        return style.transitionDuration !== '0s' || style.animationName !== 'none' || style.scrollBehavior === 'smooth';
    }).length"""
    async with Stage() as stage:
        one_of_each(stage)
        async with opened(browser, stage, reduced_motion="reduce") as page:
            assert await page.evaluate(moving) == 0
        async with opened(browser, stage, reduced_motion="no-preference") as page:
            assert await page.evaluate(moving) > 0


# --- who is let in -----------------------------------------------------------------------------------------


async def test_the_link_is_good_once_and_the_browser_let_in_by_it(browser: Browser) -> None:
    async with Stage() as stage:
        stage.put(running("render"))
        link = stage.url
        async with opened(browser, stage) as page:
            assert page.url == f"{stage.origin}/"
            entries = (await (await page.context.new_cdp_session(page)).send("Page.getNavigationHistory"))["entries"]
            assert stage.key not in str(entries)
            assert await page.context.cookies() == []
            for address in (stage.origin, link):  # the second is what a history may have kept
                again = await page.context.new_page()
                await again.goto(address)
                await again.wait_for_selector(ROW)
                assert again.url == f"{stage.origin}/"
            await page.reload()
            await page.wait_for_selector(ROW)
        stranger = await browser.new_context()
        for address in (link, stage.origin, f"{stage.origin}/#enter={'x' * 32}"):
            page = await stranger.new_page()
            await page.goto(address)
            await page.wait_for_selector("#notice:not([hidden])")
            assert await page.locator("#link").inner_text() == "not let in"
            assert "Open the link that jobwatch has printed last" in await page.locator("#notice").inner_text()
            assert await page.locator(ROW).count() == 0
            assert await page.locator("#empty").is_hidden()  # it says that no job is watched, which nobody knows
        await stranger.close()


async def test_a_link_put_into_the_address_of_an_open_page_lets_it_in(browser: Browser) -> None:
    async with Stage() as stage:
        stage.put(running("render"))
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(stage.origin)
        await page.wait_for_selector("#notice:not([hidden])")
        await page.goto(stage.url)  # another address only behind the #, so that no browser loads the page again
        await page.wait_for_selector(ROW)
        assert page.url == f"{stage.origin}/"
        await context.close()


async def test_a_key_of_another_watch_is_forgotten(browser: Browser) -> None:
    async with Stage() as stage:
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{stage.origin}/icon.svg")
        await page.goto(stage.origin)
        await page.evaluate("localStorage.setItem('jobwatch key', 'x'.repeat(32))")
        await page.reload()
        await page.wait_for_selector("#notice:not([hidden])")
        assert await page.evaluate("localStorage.getItem('jobwatch key')") is None
        await context.close()


async def test_the_key_goes_nowhere_but_into_its_header(browser: Browser) -> None:
    async with Stage() as stage:
        one_of_each(stage)
        context = await browser.new_context()
        page = await context.new_page()
        asked: list[tuple[str, dict[str, str]]] = []

        async def note(request: Any) -> None:
            asked.append((request.url, await request.all_headers()))

        page.on("request", note)
        await page.goto(stage.url)
        await page.wait_for_selector(ROW)
        await page.reload()
        await page.wait_for_selector(ROW)
        assert {url.split("/")[2] for url, _ in asked} == {stage.origin.removeprefix("http://")}
        for url, headers in asked:
            shown = {name for name, value in headers.items() if stage.key in value}
            assert shown == ({"authorization"} if "/events" in url else set())
            assert stage.key not in url
            assert "enter=" not in url
            assert "referer" not in headers
        await context.close()


async def test_no_script_gets_in_even_through_a_hole(browser: Browser) -> None:
    async with Stage() as stage:
        one_of_each(stage)
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(stage.url)
        await page.wait_for_selector(ROW)
        tried = await page.evaluate(
            """() => {
                const results = [];
                const attempt = (what) => {
                    try { what(); results.push('done'); } catch (error) { results.push(error.name); }
                };
                const script = document.createElement('script');
                attempt(() => { document.body.innerHTML += '<img src=x>'; });
                attempt(() => { document.write('<b>x</b>'); });
                attempt(() => { script.text = 'window.bent = 1'; });
                attempt(() => { script.src = 'https://evil.example/x.js'; });
                attempt(() => setTimeout('window.bent = 1', 0));
                return [results, window.bent];
            }"""
        )
        assert tried[0] == ["TypeError"] * 5
        assert "bent" not in tried[1:] or tried[1] is None
        fetched = await page.evaluate("fetch('https://evil.example/').then(() => 'done', (error) => error.name)")
        assert fetched == "TypeError"
        await context.close()


async def test_no_other_page_may_put_it_into_a_frame_or_read_it(browser: Browser) -> None:
    async with Stage() as stage, Stage() as other:
        stage.put(running("render"))
        context = await browser.new_context(bypass_csp=True)
        page = await context.new_page()
        await page.goto(other.url)
        told = await page.evaluate(
            """async ([origin, key]) => {
                const headers = { Authorization: `Bearer ${key}` };
                const read = await fetch(`${origin}/events`, { headers }).then(() => 'read', (error) => error.name);
                const plain = await fetch(`${origin}/main.js`).then(() => 'read', (error) => error.name);
                const frame = document.createElement('iframe');
                frame.src = origin;
                const shown = new Promise((resolve) => { frame.onload = resolve; });
                document.body.append(frame);
                await shown;
                return [read, plain];
            }""",
            [stage.origin, stage.key],
        )
        assert told == ["TypeError", "TypeError"]
        assert [await frame.locator("#grid").count() for frame in page.frames[1:]] == [0]
        assert len(stage.feed) == 0
        await context.close()


# --- when the connection is lost ---------------------------------------------------------------------------


async def test_a_page_that_was_dropped_comes_back_and_misses_nothing(browser: Browser) -> None:
    async with Stage() as stage:
        stage.put(running("one"), running("two", ago=50.0))
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(stage.url)
        await page.wait_for_selector(ROW)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await stage.server.aclose()
        await page.wait_for_selector("#link[data-state=lost]")
        stage.put(running("three", ago=40.0), gone=["one"])
        assert await ids(page) == ["one", "two"]
        await stage.server.start()  # at the same port, with the same key
        await page.wait_for_selector("#link[data-state=live]")
        await until(page, "document.querySelectorAll('.rows .row')[0].job !== 'one'")
        assert sorted(await ids(page)) == ["three", "two"]
        assert set(asked) == {f"{stage.origin}/events?since=2"}  # and not all anew
        await context.close()


async def test_what_nobody_looks_at_any_more_stands_still(browser: Browser) -> None:
    age = ".rows .row .age"
    nobody = replace(ORIGIN, watching=Watching.NOBODY, journal="watch.db", written_at=time.time() - 20.0)
    async with Stage() as stage:
        stage.put(running("one"))
        async with opened(browser, stage) as page:
            assert await page.locator(age).inner_text() in {"55 s", "56 s", "57 s", "58 s"}
            stage.take(origin=nobody)
            await until(page, "document.getElementById('place').textContent.includes('watched by nobody')")
            await until(
                page, "['34 s', '35 s', '36 s'].includes(document.querySelector('.rows .row .age').textContent)"
            )
            stage.take(origin=ORIGIN)
            await until(page, "document.querySelector('.rows .row .age').textContent > '54 s'")
            stage.feed.end("It was stopped.")
            await page.wait_for_selector("#link[data-state=over]")
            known = await page.evaluate("Date.now()")
            stood = await page.locator(age).inner_text()
            await until(page, f"Date.now() > {known} + 1500")
            assert await page.locator(age).inner_text() == stood


async def test_when_the_watch_is_over_the_page_says_so_and_asks_no_more(browser: Browser) -> None:
    async with Stage() as stage:
        stage.put(running("one"))
        async with opened(browser, stage) as page:
            stage.feed.end("It was stopped with Ctrl-C.")
            await page.wait_for_selector("#link[data-state=over]")
            assert await page.locator("#notice").inner_text() == "It was stopped with Ctrl-C."
            assert await ids(page) == ["one"]
            await asyncio.sleep(0.03)
            assert len(stage.feed) == 0


# --- many jobs ---------------------------------------------------------------------------------------------


def thousands(count: int) -> list[JobRecord]:
    return [running(f"job_{number:05}", ago=100.0 + number % 900, progress=0.1) for number in range(count)]


@pytest.mark.slow(in_sample=True)
async def test_five_thousand_jobs_are_a_screen_of_rows_and_changes_are_seen_in_time(browser: Browser) -> None:
    async with Stage() as stage:
        jobs = thousands(5000)
        stage.put(*jobs)
        async with opened(browser, stage) as page:
            await until(page, "document.getElementById('grid').ariaRowCount === '5001'")
            assert len(await ids(page)) < 60
            await page.get_by_label("Order").select_option("name")
            await page.keyboard.press("Escape")
            await page.locator("#grid").focus()
            await page.keyboard.press("End")
            await until(page, "[...document.querySelectorAll('.rows .row')].some((row) => row.job === 'job_04999')")
            assert await active(page) == "job_04999"
            assert len(await ids(page)) < 60
            late = []
            for step in range(2, 9):
                stage.put(*(running(f"job_{number:05}", progress=step / 10) for number in range(0, 4900, 49)))
                late.append(await seen_after(stage, page, running("job_04999", progress=step / 10)))
            assert statistics.median(late) < 0.3


@pytest.mark.slow
async def test_scrolling_through_five_thousand_jobs_is_smooth(browser: Browser) -> None:
    async with Stage() as stage:
        stage.put(*thousands(5000))
        async with opened(browser, stage) as page:
            await until(page, "document.getElementById('grid').ariaRowCount === '5001'")
            took: list[float] = await page.evaluate(
                """async () => {
                    const grid = document.getElementById('grid');
                    const took = [];
                    for (let at = 0; at < 120; at += 1) {
                        await new Promise(requestAnimationFrame);
                        grid.scrollTop += 400;
                        const began = performance.now();
                        grid.dispatchEvent(new Event('scroll'));
                        grid.getBoundingClientRect();
                        took.push(performance.now() - began);
                    }
                    return took;
                }"""
            )
            assert statistics.median(took) < 16.0  # of a frame of 16.7 ms, at 60 a second


@pytest.mark.slow
async def test_a_hidden_tab_grows_by_next_to_nothing_over_ten_thousand_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LEAST_PAUSE", 0.0)  # each update is told by itself
    async with Stage() as stage, Tabs() as tabs:
        stage.put(*thousands(5000))
        tab = await tabs.open(stage.url)
        await tabs.until(tab, "document.getElementById('grid')?.ariaRowCount === '5001'")
        other = await tabs.open("about:blank")
        await tabs.until(tab, "document.visibilityState === 'hidden'")
        assert await tabs.value(other, "document.visibilityState") == "visible"
        told = counted(monkeypatch)
        await updated(stage, tabs, tab, 500)
        before = await tabs.heap(tab)
        told.clear()
        await updated(stage, tabs, tab, 10_000)
        assert len(told) > 9_500
        grown = await tabs.heap(tab) - before
        assert await tabs.value(tab, "document.visibilityState") == "hidden"
        assert grown < 2_000_000  # the goal is 5 MB; a page that kept each update would take 3 MB


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that will hold the length of each event about jobs."""
    told: list[int] = []
    events_of = rows.jobs_events

    def noted(delta: Delta, now: float, clean: Callable[[str], str]) -> Iterator[bytes]:
        for part in events_of(delta, now, clean):
            told.append(len(part))
            yield part

    monkeypatch.setattr(feeds, "jobs_events", noted)
    return told


async def updated(stage: Stage, tabs: Tabs, tab: str, times: int) -> None:
    """Change a job so many times, and wait until the page knows the last."""
    for step in range(times):
        number = step % 5000
        stage.put(running(f"job_{number:05}", progress=(step % 97) / 100, looks=step))
        await asyncio.sleep(0.0004)
    stage.put(failed(f"the_last_{times}"))
    failures = sum(row.job_id.startswith("the_last") for row in stage.overview.rows())
    await tabs.until(tab, f"document.title.includes('{failures} failed')")
