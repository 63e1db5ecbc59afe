"""Test results in JUnit's XML: one case a job, as Jenkins, GitLab and others show them. Pure.

Bad ends are failures. What keeps a wait from knowing the end is an error, and its type says which. A job whose end
nobody waited for is skipped. GitLab shows the content of ``failure``, ``error`` and ``system-out``, and of a name
that comes twice the first case (docs.gitlab.com, "Unit test reports", November 2026); Jenkins shows messages, too.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from .._models import Outcome, printable
from .._models.shortened import shortened
from .model import Report, ReportedJob
from .words import about, late, one_line, outcome, reason

_NAME = "jobwatch"
_OUTPUT = 100_000
_MESSAGE = 1000
"""How many characters of the reason stand in the message; below it stands more."""


def junit(report: Report, accepted: Iterable[Outcome] = ()) -> bytes:
    """Return a report as XML, in UTF-8.

    Args:
        report: The jobs.
        accepted: Which bad ends count as good.
    """
    accepted = frozenset(accepted)
    suite = TestSuite(one_line(report.api or _NAME))
    suite.add_testcases([_case(job, report.api, accepted) for job in report.jobs])
    suite.time = round(sum(job.ran or 0.0 for job in report.jobs), 3)
    if report.span is not None:
        suite.timestamp = datetime.fromtimestamp(report.span[0], UTC).strftime("%Y-%m-%dT%H:%M:%S")
    whole = JUnitXml(_NAME)
    whole.add_testsuite(suite)
    written = io.BytesIO()
    whole.write(written)  # pyright: ignore[reportUnknownMemberType] - a file of any kind
    return written.getvalue()


def _case(job: ReportedJob, api: str | None, accepted: frozenset[Outcome]) -> TestCase:
    case = TestCase(one_line(job.job_id), one_line(f"{_NAME}.{api}" if api else _NAME))
    case.time = round(max(0.0, job.ran or 0.0), 3)
    if (result := _result(job, accepted)) is not None:
        if not isinstance(result, Skipped):  # that has no attributes in the schema of Jenkins' plugin
            why = reason(job)
            result.message = one_line(f"{outcome(job)}: {shortened(why, _MESSAGE)}" if why else outcome(job))
        result.text = "\n".join(_lines(job))
        case.result = [result]
    else:
        case.system_out = "\n".join(_lines(job))
    return case


def _result(job: ReportedJob, accepted: frozenset[Outcome]) -> Failure | Error | Skipped | None:
    if job.outcome in accepted:
        return None
    match job.outcome:
        case Outcome.SUCCEEDED:
            return None
        case Outcome.FAILED | Outcome.PARTIAL | Outcome.CANCELLED | Outcome.FINISHED | Outcome.BLOCKED:
            return Failure(type_=job.outcome.value)
        case None:
            return Skipped()  # nobody waited for its end, which is neither good nor bad
        case _:
            return Error(type_=job.outcome.value)


def _lines(job: ReportedJob) -> list[str]:
    """Return what is known of a job, and at the end what it wrote itself."""
    lateness = late(job)
    facts = [
        f"{one_line(job.job_id)}: {outcome(job)}{f', known {lateness}' if lateness else ''}",
        *([one_line(shortened(why, _OUTPUT))] if (why := reason(job)) else []),
        *([one_line(job.url)] if job.url else []),
        *(about(state, job) for state in job.states),
    ]
    if job.output:
        facts += ["", *(printable(line.expandtabs()) for line in job.output[-_OUTPUT:].splitlines())]
    return facts
