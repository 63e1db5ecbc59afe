"""The files that are made of a run: a summary, a timeline, test results. They are checked before the wait begins."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from .._errors import ConfigError
from .._files.written import WholeFile
from .._models import Outcome
from .._report.lines import report_of
from .._report.model import Report as Content
from .._report.model import cleaned
from ._exit_codes import code_of_signal
from ._output import note, without_secrets
from ._render import safe
from ._runners import Runner

if TYPE_CHECKING:
    from ._arguments import Options
    from ._exit_codes import Verdict
    from ._reports import Finished, Report

_SUMMARY = "GITHUB_STEP_SUMMARY"
_SIGNALS = frozenset(map(code_of_signal, (signal.SIGINT, signal.SIGTERM)))
_PICTURES = (".svg", ".html", ".htm")


def files_for(
    options: Options, runner: Runner, verdict: Verdict, variables: Mapping[str, str] = os.environ
) -> list[Report]:
    """Return what the options and GitHub's variables ask to be written of a run.

    Args:
        options: The options of ``jobwatch wait``.
        runner: The CI system that runs it.
        verdict: Which ends are good.
        variables: The environment.

    Raises:
        ConfigError: A file could not be written, its name says no format that there is, two are the same, or what
            writes it is not installed.
    """
    reports: list[Report] = []
    files: dict[object, str] = {}
    step = variables.get(_SUMMARY) if runner is Runner.GITHUB and not options.no_summary else None
    if options.summary is not None and not _is_same(options.summary, step):
        reports.append(_File(options.summary, "--summary", files, _summary))
    if step:
        reports.append(_StepSummary(step))
    if options.timeline is not None:
        reports.append(_File(options.timeline, "--timeline", files, _picture(options.timeline)))
    if options.junit is not None:
        reports.append(_File(options.junit, "--junit", files, _junit(verdict.accepted)))
    return reports


def _is_same(name: str, other: str | None) -> bool:
    return other is not None and os.path.realpath(name) == os.path.realpath(other)


def content_of(finished: Finished) -> Content:
    """Return what is reported of a run, without secrets."""
    lines = [msgspec.json.encode(record) for record in finished.records]
    content = report_of(
        lines, began=finished.began_at.timestamp(), until=finished.ended_at.timestamp(), api=finished.api
    )
    jobs = tuple(replace(job, output=finished.outputs.get(job.job_id, job.output)) for job in content.jobs)
    return cleaned(replace(content, jobs=jobs), without_secrets)


class _File:
    """A report in a file of its own."""

    def __init__(
        self, name: str, option: str, files: dict[object, str], render: Callable[[Content, Finished], str | bytes]
    ) -> None:
        self.name = f"{option} {safe(name)}"
        self._file = WholeFile(name, option)
        self._render = render
        if (other := files.setdefault(self._file.path, option)) != option:
            raise ConfigError(f"{other} and {option} name the same file: name two")

    def finish(self, finished: Finished) -> None:
        """Write it."""
        text = self._render(content_of(finished), finished)
        self._file.write(text if isinstance(text, bytes) else text.encode())


class _StepSummary:
    """The summary of a step of GitHub Actions, behind what other commands of the step have put there."""

    name = "the step summary"

    def __init__(self, path: str) -> None:
        self._path = path

    def finish(self, finished: Finished) -> None:
        """Add it, as far as there is room: GitHub takes no part of a larger file."""
        from .._report.markdown import MOST_BYTES, summary  # noqa: PLC0415 - few runs are reported so

        with open(self._path, "ab") as file:  # noqa: PTH123 - as the runner gives it
            text = summary(content_of(finished), MOST_BYTES - file.tell() - 1).encode()
            if not text:
                note(f"{self.name} is left out: other commands of this step have filled its {MOST_BYTES} bytes")
                return
            file.write(b"\n" + text if file.tell() else text)


def _summary(content: Content, _finished: Finished) -> str:
    from .._report.markdown import summary  # noqa: PLC0415 - as above

    return summary(content)


def picture_of(name: str, option: str) -> Callable[[Content], str]:
    """Return what draws a timeline in the format that a file's name asks for.

    Raises:
        ConfigError: The name asks for none that there is.
    """
    if not name.lower().endswith(_PICTURES):
        raise ConfigError(f"{option} {name}: the file's name must end with .svg or .html")
    if name.lower().endswith(".svg"):
        from .._report.svg import svg  # noqa: PLC0415 - as above

        return svg
    from .._report.page import page  # noqa: PLC0415 - as above

    return page


def _picture(name: str) -> Callable[[Content, Finished], str]:
    draw = picture_of(name, "--timeline")
    return lambda content, _finished: draw(content)


def _junit(accepted: Collection[Outcome]) -> Callable[[Content, Finished], bytes]:
    try:
        from .._report.junit import junit  # noqa: PLC0415 - junitparser comes with the extra "cli"
    except ImportError:
        raise ConfigError("--junit needs junitparser: pip install 'jobwatch-client[cli]'") from None

    def render(content: Content, finished: Finished) -> bytes:
        if finished.exit_code in _SIGNALS:
            return junit(content, accepted)
        # Another job's end has ended the run (--any, --fail-fast): nobody waited for the ends of these.
        jobs = [replace(job, outcome=None) if job.outcome is Outcome.INTERRUPTED else job for job in content.jobs]
        return junit(replace(content, jobs=tuple(jobs)), accepted)

    return render
