"""The picture of a timeline, and the page around it, read as XML and HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from jobwatch._models import Outcome, Phase
from jobwatch._report.model import Entered, Report, ReportedJob, made
from jobwatch._report.page import page
from jobwatch._report.svg import MOST_JOBS, svg
from jobwatch._report.words import one_line

from .making import BAD, GOOD, OPEN, T, job, of, reports

SVG = "{http://www.w3.org/2000/svg}"


def rows_of(text: str) -> list[ET.Element]:
    """Return the rows of a picture."""
    return [each for each in ET.fromstring(text).iter(f"{SVG}g") if each.get("class") == "job"]


def bars_of(row: ET.Element, *kinds: str) -> list[tuple[float, float]]:
    """Return where the bars of some kinds begin, and how wide they are."""
    return [
        (float(rect.get("x", "")), float(rect.get("width", "")))
        for rect in row.iter(f"{SVG}rect")
        if rect.get("class") in kinds
    ]


def told_by(row: ET.Element) -> str:
    return "\n".join(title.text or "" for title in row.iter(f"{SVG}title"))


def test_a_reason_of_a_megabyte_is_cut() -> None:
    (row,) = rows_of(svg(of(ReportedJob(job_id="a", outcome=Outcome.FAILED, error=f"{'x' * 1_000_000}: no"))))
    assert len(told_by(row)) < 2100
    assert told_by(row).endswith("x: no")


def test_bars_lie_where_their_times_do() -> None:
    good, bad, still = rows_of(svg(of(GOOD, BAD, OPEN)))
    (pending, running), (failing,), (going,) = (bars_of(row, "pending", "running") for row in (good, bad, still))
    left, per_second = pending[0], (going[0] + going[1] - pending[0]) / 100.0
    for (x, width), (begins, ends) in (
        (pending, (0.0, 2.0)), (running, (2.0, 88.0)), (failing, (5.0, 40.0)), (going, (3.0, 100.0))
    ):  # fmt: skip
        assert x == pytest.approx(left + begins * per_second, abs=0.1)
        assert width == pytest.approx((ends - begins) * per_second, abs=0.1)


def test_what_took_a_moment_can_still_be_seen() -> None:
    short = job("a", ("A", Phase.PENDING, 0.0), ("B", Phase.RUNNING, 0.001), ("C", Phase.FAILED, 100_000.0))
    assert min(width for _, width in bars_of(rows_of(svg(of(short)))[0], "pending")) >= 2.0


def test_an_end_has_its_sign_and_its_words_and_an_open_bar_an_arrow() -> None:
    good, bad, still = rows_of(svg(of(GOOD, BAD, OPEN)))
    for row, sign, words in (
        (good, "good", "succeeded · 1m 26s · +0.2 s"),
        (bad, "bad", "failed · 35 s · +0 ms"),
        (still, "going", "time limit over · 42 %"),
    ):
        shapes = [path.get("class", "") for path in row.iter(f"{SVG}path")]
        assert [shape for shape in shapes if "sign" in shape] == [f"sign sign-{sign}"]
        assert [text.text for text in row.iter(f"{SVG}text") if text.get("class") == "end"] == [words]
    arrows = [sum(path.get("class") == "on" for path in row.iter(f"{SVG}path")) for row in (good, bad, still)]
    assert arrows == [0, 0, 1]


@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_every_outcome_has_a_sign(outcome: Outcome | None) -> None:
    (row,) = rows_of(svg(of(ReportedJob(job_id="a", outcome=outcome))))
    assert sum("sign" in path.get("class", "") for path in row.iter(f"{SVG}path")) == 1


def test_lateness_is_a_line_from_the_end_to_when_it_was_known() -> None:
    late = job("a", ("A", Phase.RUNNING, 0.0), ("B", Phase.FAILED, 50.0), known_after=50.0)
    (row,) = rows_of(svg(of(late)))
    (line,) = [path.get("d", "") for path in row.iter(f"{SVG}path") if path.get("class") == "late"]
    ((x, width),) = bars_of(row, "running")
    begins, ends = (float(each) for each in re.findall(r"^M([\d.]+) \S+H([\d.]+)M", line)[0])
    assert begins == pytest.approx(x + width, abs=0.1)
    assert ends == pytest.approx(x + 2 * width, abs=0.2)
    assert "known 50 s later" in told_by(row)


def test_what_is_not_known_is_hatched_dashed_and_said() -> None:
    states = [
        Entered(status="A", phase=Phase.PENDING, seen_at=T),
        Entered(status="B", phase=Phase.UNKNOWN, seen_at=T + 9, gap=True),
        Entered(status="C", phase=Phase.BLOCKED, at=T + 20),
    ]
    (row,) = rows_of(svg(of(made(ReportedJob(job_id="a"), states, T + 30))))
    assert bars_of(row, "gap") == bars_of(row, "pending")
    assert bars_of(row, "stripes") == bars_of(row, "blocked")
    assert sum(line.get("class") == "seen" for line in row.iter(f"{SVG}line")) == 2
    assert "A (pending) from 2025-11-29T08:00:00Z, for 9.0 s; time as seen" in told_by(row)
    assert "the API left out what was before" in told_by(row)
    (first,) = rows_of(svg(of(made(ReportedJob(job_id="a"), states[1:], T + 30))))
    assert len(bars_of(first, "gap")) == 1  # before the first state, where there is no bar


def test_it_says_in_words_what_it_shows() -> None:
    root = ET.fromstring(svg(of(GOOD, BAD, OPEN)))
    assert root.get("role") == "img"
    names = {element.get("id"): element.text for element in root if element.tag in {f"{SVG}title", f"{SVG}desc"}}
    title, description = (names[name] for name in (root.get("aria-labelledby") or "").split())
    assert title == "3 jobs on bedrock: 1 succeeded, 1 failed, 1 timeout"
    assert description == (
        "States of jobs from 2025-11-29T08:00:00Z to 2025-11-29T08:01:40Z, one row a job."
        " job_1: succeeded; job_2: failed; job_3: time limit over."
    )


def test_it_stands_alone_and_has_colours_for_light_and_dark() -> None:
    for text in (svg(of(GOOD, OPEN)), page(of(GOOD, OPEN))):
        assert "<script" not in text
        assert "prefers-color-scheme:dark" in text
        assert not re.search(r"@import|url\((?!#jobwatch-)|(?:src|href)=\"(?!#)", text)


@pytest.mark.slow
@given(reports())
def test_every_picture_is_xml_with_a_row_for_each_job_and_its_words_as_they_are(report: Report) -> None:
    rows = rows_of(svg(report))
    assert len(rows) == len(report.jobs)
    for row, each in zip(rows, report.jobs, strict=True):
        assert one_line(each.job_id) in told_by(row)
        assert all(one_line(state.status) in told_by(row) for state in each.states)
        assert all(
            x >= 0.0 and 0.0 < width < 960.0 and x + width < 960.0
            for x, width in bars_of(row, *(p.value for p in Phase), "gap")
        )


def test_a_report_of_nothing_is_a_picture_too() -> None:
    assert rows_of(svg(of())) == []
    (row,) = rows_of(svg(of(ReportedJob(job_id="a"))))
    assert "no state is known with its time" in "".join(row.itertext())


def test_more_jobs_than_there_is_room_for_are_left_out_the_good_ends_first() -> None:
    jobs = [
        job(f"job_{n}", ("R", Phase.RUNNING, 0.0), until=9.0, outcome=Outcome.FAILED if n > 590 else Outcome.SUCCEEDED)
        for n in range(600)
    ]
    text = svg(of(*jobs))
    assert len(rows_of(text)) == MOST_JOBS
    assert "100 more jobs are left out" in text
    assert "job_599" in text


class Read(HTMLParser):
    """What a page holds: its tags that are not closed, its texts, and its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in {"td", "th"}:
            self.cells.append("")
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "p",
        "figure",
        "div",
        "table",
        "caption",
        "thead",
    ),
    *("tbody", "tr", "th", "td", "details", "summary", "ol", "li", "code", "a"),
    *("svg", "desc", "defs", "pattern", "path", "rect", "text", "line", "g"),
}


@pytest.mark.slow
@given(reports())
def test_every_page_is_whole_and_shows_the_words_of_servers_as_they_are(report: Report) -> None:
    read = Read(page(report))
    assert not read.open
    assert read.tags <= TAGS
    assert all(link.lower().startswith(("http://", "https://")) for link in read.links)
    rows = [read.cells[index : index + 10] for index in range(10, len(read.cells), 10)]
    assert [row[0] for row in rows] == [one_line(each.job_id) for each in report.jobs]
    for row, each in zip(rows, report.jobs, strict=True):
        assert each.error is None or row[8] == one_line(each.error)


def test_a_page_has_the_facts_of_each_job() -> None:
    cells = Read(page(of(GOOD))).cells[10:]
    assert cells[:9] == [
        *(
            "job_1",
            "succeeded",
            "COMPLETED",
            "2025-11-29 08:00:00",
            "1m 26s",
            "2025-11-29 08:01:28",
            "0.2 s later",
            "14",
            "",
        )
    ]
    assert cells[9].startswith("3PENDING from 2025-11-29T08:00:00Z, for 2.0 s")


def test_a_page_may_load_nothing() -> None:
    assert "default-src 'none'; style-src 'unsafe-inline'" in page(of(GOOD))
