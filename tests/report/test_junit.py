"""Test results in JUnit's XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from junitparser import JUnitXml

from jobwatch._models import Outcome, Phase
from jobwatch._report.junit import junit
from jobwatch._report.model import Report, ReportedJob
from jobwatch._report.words import one_line

from .making import BAD, GOOD, OPEN, job, of, reports

KINDS: dict[str, set[Outcome | None]] = {
    "failure": {Outcome.FAILED, Outcome.PARTIAL, Outcome.CANCELLED, Outcome.FINISHED, Outcome.BLOCKED},
    "error": {
        *(Outcome.TIMEOUT, Outcome.NOT_FOUND, Outcome.AUTH, Outcome.UNREACHABLE, Outcome.UNREADABLE),
        Outcome.INTERRUPTED,
    },
    "skipped": {None},
}

# Which elements may stand in which, and with which attributes, by the schema of Jenkins' xUnit plugin (junit-10.xsd);
# `python -m tests.report.junit_schema` asks the schema itself.
SCHEMA = {
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}),
    "testsuite": ({"testcase"}, {"name", "tests", "errors", "failures", "skipped", "time", "timestamp"}),
    "testcase": ({"failure", "error", "skipped", "system-out"}, {"name", "time", "classname"}),
    "failure": (set[str](), {"type", "message"}),
    "error": (set[str](), {"type", "message"}),
    "skipped": (set[str](), set[str]()),
    "system-out": (set[str](), set[str]()),
}


def cases_of(written: bytes) -> list[ET.Element]:
    return list(ET.fromstring(written).iter("testcase"))


@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_each_outcome_is_the_result_that_it_is(outcome: Outcome | None) -> None:
    (case,) = cases_of(junit(of(ReportedJob(job_id="a", outcome=outcome))))
    found = [child.tag for child in case if child.tag != "system-out"]
    assert found == [kind for kind, outcomes in KINDS.items() if outcome in outcomes]
    assert [child.get("type") for child in case if child.tag in {"failure", "error"}] == (
        [outcome.value] if outcome is not None and found else []
    )


def test_a_reason_of_a_megabyte_is_a_short_message_and_a_bounded_text() -> None:
    reason = f"{'x' * 1_000_000}: no such backup"
    written = junit(of(ReportedJob(job_id="a", outcome=Outcome.FAILED, error=reason)))
    (case,) = cases_of(written)
    message = case[0].get("message", "")
    assert len(message) < 1100
    assert message.endswith("x: no such backup")
    assert 50_000 < len(written) < 110_000


def test_a_case_says_how_long_the_job_ran_and_why_it_failed() -> None:
    failed = job(
        "job_2", ("RUNNING", Phase.RUNNING, 5.0), ("FAILED", Phase.FAILED, 40.0), outcome=Outcome.FAILED,
        error="disk full", url="https://x.test/2", output="copying a\ncopying b\n\x1b[31mno room",
    )  # fmt: skip
    good, bad = cases_of(junit(of(GOOD, failed)))
    assert (good.get("name"), good.get("classname"), good.get("time")) == ("job_1", "jobwatch.bedrock", "86.0")
    assert bad.get("time") == "35.0"
    (failure,) = bad
    assert failure.get("message") == "failed: disk full"
    assert (failure.text or "").splitlines() == [
        "job_2: failed, known 0 ms later",
        "disk full",
        "https://x.test/2",
        "RUNNING from 2025-11-29T08:00:05Z, for 35 s",
        "FAILED from 2025-11-29T08:00:40Z, known 0 ms later",
        "",
        "copying a",
        "copying b",
        r"\x1b[31mno room",
    ]


def test_an_end_that_is_accepted_passes() -> None:
    assert [child.tag for child in cases_of(junit(of(BAD), {Outcome.FAILED}))[0]] == ["system-out"]
    assert [child.tag for child in cases_of(junit(of(OPEN), {Outcome.FAILED}))[0]] == ["error"]


def test_the_counts_are_right_and_another_reader_agrees() -> None:
    written = junit(of(GOOD, BAD, OPEN, ReportedJob(job_id="d")))
    suite = ET.fromstring(written)[0]
    assert dict(suite.items()) == {
        "name": "bedrock", "tests": "4", "failures": "1", "errors": "1", "skipped": "1", "time": "121.0",
        "timestamp": "2025-11-29T08:00:00",
    }  # fmt: skip
    (read,) = JUnitXml.fromstring(written)
    assert [case.is_passed for case in read] == [True, False, False, False]


@pytest.mark.slow
@given(reports())
def test_every_report_is_xml_of_the_form_that_readers_expect(report: Report) -> None:
    written = junit(report)
    root = ET.fromstring(written)
    assert re.match(rb"<\?xml version='1.0' encoding='utf-8'\?>\n<testsuites ", written)
    for element in root.iter():
        children, attributes = SCHEMA[element.tag]
        assert {child.tag for child in element} <= children
        assert set(element.keys()) <= attributes
        assert re.fullmatch(r"\d+(\.\d{1,3})?", element.get("time", "0"))
    assert [case.get("name") for case in root.iter("testcase")] == [one_line(each.job_id) for each in report.jobs]
    assert {child.tag for child in root[0]} <= {"testcase"}
