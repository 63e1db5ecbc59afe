"""How values look: in a line, in a notebook, as JSON."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from jobwatch import (
    Change,
    ChangeKind,
    Client,
    Event,
    Fault,
    FaultKind,
    Health,
    Job,
    JobNotFound,
    Outcome,
    Phase,
    Problem,
    Transition,
    Watched,
    WatchedJob,
    WatcherHealth,
)
from jobwatch._models.notebook import html_of_wait
from jobwatch.apis import BEDROCK, CAPYDB
from jobwatch.testing import FakeSource

from .virtual import on_virtual_clock

AT = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
LATER = AT + timedelta(seconds=75)
TEXTS = st.text() | st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zs", "Cs", "So"])) | st.text(min_size=200)
PHASES = st.sampled_from(Phase)
MOMENTS = st.datetimes(timezones=st.just(UTC))
EVENTS = st.lists(st.builds(Event, TEXTS, PHASES, MOMENTS | st.none()), max_size=5).map(tuple)
JOBS = st.builds(
    Job,
    id=TEXTS,
    api=TEXTS,
    status=TEXTS,
    phase=PHASES,
    created_at=MOMENTS | st.none(),
    started_at=MOMENTS | st.none(),
    ended_at=MOMENTS | st.none(),
    updated_at=MOMENTS | st.none(),
    events=EVENTS | st.none(),
    proven=EVENTS,
    error=st.builds(Problem, TEXTS) | st.none(),
    asked=TEXTS | st.none(),
    url=TEXTS | TEXTS.map("https://{}".format) | st.none(),
    result=st.recursive(st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=2)),
)
TRANSITIONS = st.builds(
    Transition, TEXTS, st.integers(1, 10**12), TEXTS, PHASES, MOMENTS | st.none(), MOMENTS, gap=..., asked=TEXTS
)
FAULTS = st.builds(Fault, st.sampled_from(FaultKind), TEXTS)
CHANGES = st.builds(
    Change,
    job_id=TEXTS,
    seq=st.integers(1, 10**12),
    generation=st.integers(0, 10**12),
    kind=st.sampled_from(ChangeKind),
    seen_at=MOMENTS,
    transition=TRANSITIONS | st.none(),
    outcome=st.sampled_from(Outcome) | st.none(),
    error=st.builds(Problem, TEXTS) | st.none(),
    health=st.sampled_from(Health) | st.none(),
    fault=FAULTS | st.none(),
    asked=TEXTS | st.none(),
    remark=TEXTS | st.none(),
)
WATCHED = st.builds(
    Watched,
    job_id=TEXTS,
    api=TEXTS,
    status=TEXTS | st.none(),
    phase=PHASES | st.none(),
    looks=st.integers(0, 10**12),
    fault=FAULTS | st.none(),
    outcome=st.sampled_from(Outcome) | st.none(),
)

JOB = Job(
    id="job_1",
    api="capydb",
    status="failed",
    phase=Phase.FAILED,
    created_at=AT,
    started_at=AT + timedelta(seconds=5),
    ended_at=LATER,
    proven=(Event("pending", Phase.PENDING, AT), Event("running", Phase.RUNNING, AT + timedelta(seconds=5))),
    error=Problem("no such backup"),
)


WATCHED_JOB = WatchedJob(
    job_id="job_1",
    status=None,
    phase=None,
    outcome=None,
    health=Health.OK,
    looked_at=None,
    fault=None,
    changes=0,
    acknowledged=0,
)


# --- in a line -------------------------------------------------------------------------------------------------


@pytest.mark.slow(in_sample=True)
@given(JOBS | TRANSITIONS | CHANGES | WATCHED)
def test_each_fits_a_line_that_can_be_printed_whatever_the_server_says(value: Struct) -> None:
    assert len(repr(value)) <= 120
    assert repr(value).isprintable()
    assert repr(value).startswith(f"<{type(value).__name__} ")
    assert repr(value).endswith(">")


def test_what_the_lines_say() -> None:
    told = Transition("job_1", 2, "RUNNING", Phase.RUNNING, AT, LATER)
    assert [
        repr(value)
        for value in (
            JOB,
            Job(id="job_2", api="bedrock", status="QUEUED", phase=Phase.PENDING),
            told,
            replace(told, at=None, gap=True, status="WAITING", phase=Phase.BLOCKED, asked="a colour"),
            Change(job_id="job_1", seq=3, kind=ChangeKind.STATE, seen_at=LATER, transition=told),
            Change(job_id="job_1", seq=4, kind=ChangeKind.END, seen_at=LATER, outcome=Outcome.FAILED, error=JOB.error),
            Watched(job_id="job_1", api="capydb"),
            Watched(
                job_id="job_1", api="capydb", status="done", phase=Phase.SUCCEEDED, looks=1, outcome=Outcome.SUCCEEDED
            ),
            Watched(job_id="job_1", api="capydb", looks=2, fault=Fault(FaultKind.TLS, "no trust")),
            WATCHED_JOB,
            replace(WATCHED_JOB, health=Health.STALE, fault=Fault(FaultKind.TLS, "no trust")),
            replace(WATCHED_JOB, status="done", phase=Phase.SUCCEEDED, outcome=Outcome.SUCCEEDED),
        )
    ] == [
        "<Job job_1 of capydb: failed, no such backup>",
        "<Job job_2 of bedrock: QUEUED (pending)>",
        "<Transition 2 of job_1: running at 2026-01-02 03:04:05.678Z>",
        "<Transition 2 of job_1: WAITING (blocked) seen at 2026-01-02 03:05:20.678Z, after a gap, a colour>",
        "<Change job_1:3 at 2026-01-02 03:04:05.678Z: state RUNNING>",
        "<Change job_1:4 at 2026-01-02 03:05:20.678Z: end failed, no such backup>",
        "<Watched job_1 of capydb: never read, 0 looks>",
        "<Watched job_1 of capydb: done (succeeded), over: succeeded, 1 look>",
        "<Watched job_1 of capydb: never read, 2 looks, no trust>",
        "<WatchedJob job_1: never read>",
        "<WatchedJob job_1: never read, stale, no trust>",
        "<WatchedJob job_1: done (succeeded), over: succeeded>",
    ]


@on_virtual_clock
async def test_a_wait_says_how_far_it_is() -> None:
    source = FakeSource()
    source.add("job_1", [("RUNNING", 0.0), ("COMPLETED", 5.0)])
    async with Client(source=source) as client:
        wait = client.wait_for("job_1")
        lines = [repr(wait), *[repr(wait) async for _ in wait]]
        late = client.wait_for("job_2" * 100, timeout=0.5, check=False)
        with pytest.raises(JobNotFound):
            await late
        assert [*lines, repr(wait)] == [
            "<Wait job_1: not begun>",
            "<Wait job_1: running>",
            "<Wait job_1: COMPLETED (succeeded), over: succeeded>",
            "<Wait job_1: COMPLETED (succeeded), over: succeeded>",
        ]
        assert repr(late) == f"<Wait {('job_2' * 100)[:24]}...{('job_2' * 100)[-13:]}: never read, over: not_found>"


def test_a_value_that_a_source_has_made_of_anything_has_a_line_too() -> None:
    made = Job(id=7, api=None, status=["x"], phase="done", error="boom", asked=3)  # type: ignore[arg-type]
    assert repr(made) == "<Job 7 of None: ['x'] (done), 3>"


# --- how long a job ran --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "ran"),
    [
        ({}, 70.0),
        ({"started_at": None}, 70.0),
        ({"started_at": None, "proven": ()}, None),
        ({"ended_at": None}, None),
        ({"started_at": LATER + timedelta(seconds=1)}, 0.0),
        ({"started_at": LATER + timedelta(seconds=2)}, None),
        ({"phase": Phase.RUNNING}, None),
        (
            {
                "started_at": None,
                "ended_at": None,
                "events": (
                    Event("RUNNING", Phase.RUNNING, AT),
                    Event("QUEUED", Phase.PENDING, AT + timedelta(seconds=10)),
                    Event("RUNNING", Phase.RUNNING, AT + timedelta(seconds=20)),
                    Event("ASKS", Phase.BLOCKED, AT + timedelta(seconds=30)),
                    Event("RUNNING", Phase.RUNNING, AT + timedelta(seconds=40)),
                    Event("FAILED", Phase.FAILED, LATER),
                ),
            },
            55.0,
        ),
    ],
)
def test_a_job_ran_from_its_last_start_to_its_end(changes: dict[str, object], ran: float | None) -> None:
    assert replace(JOB, **changes).ran == ran


# --- as JSON -------------------------------------------------------------------------------------------------------


def test_a_job_as_read_is_a_dict_of_json_values() -> None:
    body = b'{"job":{"id":7,"state":"failed","error":"boom","attempts":2,"created_at":"%s","result":{"a":[1]}}}'
    job = CAPYDB.job(body % b"2026-01-02T03:04:05Z", "7")
    assert isinstance(job, Job)
    told = dict(job)
    assert (
        json.loads(json.dumps(told, allow_nan=False))
        == told
        == {**job}
        == msgspec.json.decode(msgspec.json.encode(job))
    )
    assert told["created_at"] == job["created_at"] == "2026-01-02T03:04:05Z"
    assert told["error"] == {"message": "boom"}
    assert told["proven"] == [{"status": "pending", "phase": "pending", "at": "2026-01-02T03:04:05Z"}]
    assert isinstance(told["wire"], Mapping)
    assert (told["wire"]["attempts"], told["wire"]["result"], told["result"]) == (2, {"a": [1]}, {"a": [1]})
    bedrock = BEDROCK.job(b'{"job_id":"b","status":"Running"}', "b")
    assert isinstance(bedrock, Job)
    assert json.loads(json.dumps(dict(bedrock)))["wire"]["results"] is None


@pytest.mark.parametrize(
    "value",
    [
        JOB,
        Transition("job_1", 1, "RUNNING", Phase.RUNNING, None, AT, gap=True),
        Fault(FaultKind.TLS, "no trust"),
        Change(job_id="job_1", seq=1, kind=ChangeKind.HEALTH, seen_at=AT, health=Health.STALE),
        WATCHED_JOB,
        WatcherHealth(jobs=2, troubled={Health.STALE: 1}, undelivered=0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_so_too(value: Job | Transition | Fault | Change | WatchedJob | WatcherHealth) -> None:
    told = dict(value)
    assert tuple(told) == value.__struct_fields__
    assert json.loads(json.dumps(told)) == told
    assert told.items() >= msgspec.json.decode(msgspec.json.encode(value)).items()
    with pytest.raises(KeyError):
        value["nothing"]


# --- in a notebook -------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Reads what a browser would see: elements with their attributes, and the text."""

    VOID = frozenset({"br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


ELEMENTS = frozenset(
    [
        "div",
        "code",
        "strong",
        "a",
        "pre",
        "svg",
        "g",
        "title",
        "rect",
        "text",
        "details",
        "summary",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]  # no script
)


@pytest.mark.slow(in_sample=True)
@given(JOBS)
def test_a_notebook_shows_text_of_a_server_as_text(job: Job) -> None:
    page = Page(job._repr_html_())
    assert {name for name, _ in page.elements} <= ELEMENTS
    for name, attributes in page.elements:
        assert not [each for each in attributes if each.startswith("on")]
        assert ("href" in attributes) == (name == "a")
        assert (attributes.get("href") or "https://").startswith("https://")
    assert page.text.replace("\n", "").isprintable()


SHARP = "</code><script>alert(1)</script>\x1b[2J\u202e\"'&amp;"


def test_what_would_be_html_stays_text_everywhere() -> None:
    event = Event(SHARP, Phase.RUNNING, AT)
    job = Job(
        id=SHARP, api=SHARP, status=SHARP, phase=Phase.BLOCKED, events=(event,), updated_at=LATER,
        error=Problem(SHARP), asked=SHARP, url='https://a.test/"><script>',
    )  # fmt: skip
    html = job._repr_html_()
    assert "<script" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert Page(html).text.count("<script>alert(1)</script>") >= 5
    assert "javascript" not in replace(job, url="javascript:alert(1)")._repr_html_()


def test_the_bar_shows_each_state_as_long_as_it_was() -> None:
    html = JOB._repr_html_()
    svg = ET.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    space = "{http://www.w3.org/2000/svg}"
    bars = [(float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in svg.iter(f"{space}rect")]
    assert [word.text for word in svg.iter(f"{space}text")] == ["running"], "the others have no room for it"
    assert [title.text for title in svg.iter(f"{space}title")] == [
        "pending at 2026-01-02 03:04:05.678Z, 5.0 s",
        "running at 2026-01-02 03:04:10.678Z, 0:01:10",
        "failed at 2026-01-02 03:05:20.678Z, 0.0 s",
    ]
    assert bars == [
        (0.0, pytest.approx(3 + 631 * 5 / 75, abs=0.1)),
        (pytest.approx(45.1, abs=0.1), pytest.approx(591.9, abs=0.1)),
        (637.0, 3.0),
    ]
    page = Page(html)
    assert "job_1 of capydb: failed, ran 0:01:10\nno such backup" in page.text
    assert "3 states" in page.text


def test_a_job_that_tells_no_times_has_a_line_only() -> None:
    assert Page(Job(id="j", api="x", status="s", phase=Phase.UNKNOWN)._repr_html_()).text == "j of x: s (unknown)"


def test_of_thousands_of_states_the_last_are_shown() -> None:
    events = tuple(Event(f"s{number}", Phase.RUNNING, AT + timedelta(seconds=number)) for number in range(1000))
    html = Job(id="j", api="x", status="s999", phase=Phase.RUNNING, events=events)._repr_html_()
    assert len(html) < 60_000
    assert "100 states, and 900 before them" in html
    assert html.count("<rect") == 100


@on_virtual_clock
async def test_a_wait_shows_the_states_that_it_told() -> None:
    source = FakeSource()
    source.add("job_1", [("RUNNING", 0.0), ("COMPLETED", 5.0)])
    async with Client(source=source) as client:
        wait = client.wait_for("job_1")
        assert wait._repr_html_() == "<code>&lt;Wait job_1: not begun&gt;</code>"
        await wait
        assert "<title>RUNNING at " in wait._repr_html_()
        assert wait._repr_html_().count("<rect") == 2
    assert html_of_wait(JOB, (), "") == JOB._repr_html_()
