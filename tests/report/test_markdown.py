"""Summaries in Markdown, read by a parser of CommonMark with GitHub's tables."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from markdown_it import MarkdownIt
from markdown_it.token import Token

from jobwatch._models import Outcome, Phase
from jobwatch._models.shortened import shortened
from jobwatch._report.markdown import MOST_BYTES, MOST_ROWS, code, summary, web_address
from jobwatch._report.model import Report, ReportedJob
from jobwatch._report.words import one_line

from .gantt_grammar import parsed
from .making import BAD, GOOD, OPEN, job, of, reports, texts

MARKDOWN = MarkdownIt("commonmark").enable("table")


def rows_of(text: str) -> list[list[Token]]:
    """Return the cells of each row of the table in a text, but for its head."""
    tokens = MARKDOWN.parse(text)
    rows: list[list[Token]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type == "td_open":
            rows[-1].append(token)
    return rows[1:]


def words_of(cell: Token) -> str:
    """Return what a reader sees of a cell; HTML that is not ours would show as such."""
    parts = [child.content for child in cell.children or () if child.type != "html_inline"]
    tags = [child.content for child in cell.children or () if child.type == "html_inline"]
    assert all(re.fullmatch(r'</?code>|</a>|<a href="https?&#58;//[^"<>\s]+">', tag) for tag in tags), tags
    assert {child.type for child in cell.children or ()} <= {"text", "html_inline"}
    return "".join(parts)


def test_a_row_for_each_job() -> None:
    rows = [[words_of(cell) for cell in row] for row in rows_of(summary(of(GOOD, BAD, OPEN)))]
    assert rows == [
        ["✅", "job_1", "succeeded", "COMPLETED", "1m 26s", "0.2 s later", "14", ""],
        ["❌", "job_2", "failed", "FAILED", "35 s", "0 ms later", "", "disk full"],
        ["⏳", "job_3", "time limit over", "RUNNING 42 %", "", "", "", ""],
    ]


def test_the_heading_counts_the_outcomes() -> None:
    assert summary(of(GOOD, BAD, OPEN)).startswith("### 3 jobs on bedrock: 1 succeeded, 1 failed, 1 timeout\n\n|")
    assert summary(of(GOOD)).startswith("### 1 job on bedrock: succeeded\n")


def test_the_chart_stands_in_a_fence_of_its_own() -> None:
    (fence,) = [token for token in MARKDOWN.parse(summary(of(GOOD, OPEN))) if token.type == "fence"]
    assert fence.info == "mermaid"
    assert len(parsed(fence.content)) == 2


def test_a_job_with_a_page_is_linked_and_one_whose_page_is_none_is_not() -> None:
    linked = summary(of(ReportedJob(job_id="a", url="https://x.test/1?b=2&c=3")))
    assert '<a href="https&#58;//x.test/1&#63;b=2&#38;c=3"><code>a</code></a>' in linked
    assert "<a " not in summary(of(ReportedJob(job_id="a", url="javascript:alert(1)")))


@pytest.mark.parametrize(
    "url", ["javascript:x", "data:,x", "//x.test", 'http://x" onclick=y', "http://a b", "https://<", None]
)
def test_what_is_no_page_on_the_web_is_never_a_link(url: str | None) -> None:
    assert web_address(url) is None


@given(texts)
def test_a_text_is_shown_as_it_is_and_obeyed_in_nothing(text: str) -> None:
    line = one_line(text)
    (row,) = rows_of(f"| a | b |\n| - | - |\n| {code(line)} | end |\n")
    assert [words_of(cell).strip() for cell in row] == [line.strip(), "end"]


@pytest.mark.slow
@given(reports())
def test_every_job_has_one_row_of_eight_cells_and_its_own_words_in_them(report: Report) -> None:
    rows = rows_of(summary(report))
    assert [len(row) for row in rows] == [8] * len(report.jobs)
    for row, each in zip(rows, report.jobs, strict=True):
        cells = [words_of(cell) for cell in row]
        assert cells[1] == shortened(one_line(each.job_id), 80).strip()
        assert (
            each.error is None
            or each.phase is Phase.BLOCKED
            or cells[7] == shortened(one_line(each.error), 200).strip()
        )


@pytest.mark.slow
@given(reports())
def test_no_line_of_a_summary_is_one_that_a_runner_obeys(report: Report) -> None:
    for line in summary(report).splitlines():
        assert re.match(r"###? |\| |```|_|    |gantt$|%%\{init: \{\"gantt\"|$", line), line


def large(count: int) -> Report:
    bad = {7, count - 1}
    return of(
        *(
            job(f"job_{number}", ("RUNNING", Phase.RUNNING, 0.0), until=9.0, error="é" * 500,
                url=f"https://x.test/{'a' * 1000}",
                outcome=Outcome.FAILED if number in bad else Outcome.SUCCEEDED)
            for number in range(count)
        )
    )  # fmt: skip


@pytest.mark.slow
def test_a_summary_has_at_most_so_many_rows_and_says_what_it_leaves_out() -> None:
    text = summary(large(MOST_ROWS + 100))
    assert len(text.encode()) <= MOST_BYTES
    assert len(rows_of(text)) == MOST_ROWS
    assert "_100 of 600 jobs are left out of the table._" in text
    assert f"job_{MOST_ROWS + 99}</code>" in text  # it failed


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 100, 3000, 30_000, 300_000])
def test_a_summary_fits_the_room_that_there_is(room: int) -> None:
    text = summary(large(300), room)
    assert len(text.encode()) <= room
    assert bool(text) == (room > 100)
    assert not text or "left out of the table" in text


def test_the_chart_goes_before_rows_do() -> None:
    whole = summary(of(GOOD, BAD))
    text = summary(of(GOOD, BAD), len(whole.encode()) - 1)
    assert "mermaid" not in text
    assert "no room for the chart" in text
    assert len(rows_of(text)) == 2
