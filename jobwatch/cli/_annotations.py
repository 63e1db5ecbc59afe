"""What a CI system is told in its own words: commands on a line of their own. Pure but for the report.

A command is the one thing that may begin with what a runner looks for, so it takes a road of its own (`command` in
`_output`); everything else on a line is made harmless there. What a server said is put into a command in three steps:
it is cut, made printable (no line end, no escape sequence, no ``##vso[`` is left), and then escaped as the runner asks.
So nothing that a server says can end the command early or begin another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from .._models import Outcome
from ._exit_codes import SUCCESS, Verdict
from ._output import command, without_secrets
from ._render import OutcomeRecord, safe
from ._runners import Runner

if TYPE_CHECKING:
    from ._reports import Finished

_LONGEST = 1000
"""How many characters of a server's words an annotation holds; the log has the rest."""

_SHOWN = 10
"""How many jobs an annotation names. GitHub shows ten errors of a step, so one for all jobs leaves room for others."""

# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands, and what its own toolkit escapes
# (actions/toolkit, packages/core/src/command.ts), both read on 2026-11-29.
_GITHUB = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_GITHUB_PROPERTY = {**_GITHUB, ":": "%3A", ",": "%2C"}

# https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands, read on 2026-11-29. A message ends with
# its line; a percent sign may be decoded, and is then written %AZP25.
_AZURE = {"%": "%AZP25", "\r": "%0D", "\n": "%0A"}
_AZURE_PROPERTY = {**_AZURE, ";": "%3B", "]": "%5D"}


_NOT_BAD = (Outcome.INTERRUPTED, Outcome.SUCCEEDED)


class AnnotationReport:
    """One annotation for all jobs that did not end well, where the runner has such.

    Args:
        runner: Which runner.
        verdict: Which ends are good.
        on_stdout: Whether stdout is the runner's log; else it is stderr.
    """

    name = "the annotation"

    def __init__(self, runner: Runner, verdict: Verdict, *, on_stdout: bool) -> None:
        self._runner = runner
        self._verdict = verdict
        self._on_stdout = on_stdout

    def finish(self, finished: Finished) -> None:
        """Print it; of jobs that a signal or another's end kept from being waited for, nothing is to be said there."""
        if finished.exit_code == SUCCESS:
            return
        ended = [record for record in finished.outcomes if record.outcome not in _NOT_BAD]
        bad = [record for record in ended if not self._verdict.is_good(record.outcome)]
        line = annotation(self._runner, [_masked(record) for record in bad])
        if line is not None:
            command(line, on_stdout=self._on_stdout)


def annotation(runner: Runner, outcomes: Sequence[OutcomeRecord]) -> str | None:
    """Return the line that has a runner show the jobs that did not end well.

    Args:
        runner: Which runner.
        outcomes: How those jobs ended; none that ended well.

    Returns:
        None where there is nothing to say, or the runner has no such lines: GitLab, CircleCI and Jenkins have none, and
        Buildkite takes annotations by a command that only its own agent can run.
    """
    if not outcomes:
        return None
    title, lines = _title(outcomes), _lines(outcomes)
    match runner:
        case Runner.GITHUB:
            return f"::error title={_escaped(title, _GITHUB_PROPERTY)}::{_escaped(chr(10).join(lines), _GITHUB)}"
        case Runner.AZURE:
            told = f"{title}: {'; '.join(lines)}"
            return f"##vso[task.logissue type=error]{_escaped(told, _AZURE)}"
        case Runner.GITLAB | Runner.BUILDKITE | Runner.JENKINS | Runner.CIRCLECI | Runner.OTHER | Runner.NONE:
            return None
        case _:
            assert_never(runner)


def variable(name: str, value: str) -> str:
    """Return the line that sets an output variable of a step of Azure Pipelines.

    Args:
        name: Its name, one of our own.
        value: Its value.
    """
    return f"##vso[task.setvariable variable={_escaped(name, _AZURE_PROPERTY)};isOutput=true]{_escaped(value, _AZURE)}"


def _title(outcomes: Sequence[OutcomeRecord]) -> str:
    if len(outcomes) == 1:
        return f"{_cut(outcomes[0].job_id)}: {outcomes[0].outcome.value.replace('_', ' ')}"
    return f"{len(outcomes)} jobs did not end well"


def _lines(outcomes: Sequence[OutcomeRecord]) -> list[str]:
    named = [_line(record, alone=len(outcomes) == 1) for record in outcomes[:_SHOWN]]
    more = len(outcomes) - len(named)
    return [*named, f"and {more} more"] if more else named


def _line(record: OutcomeRecord, *, alone: bool) -> str:
    how = record.outcome.value.replace("_", " ")
    why = _cut(record.reason) if record.reason else ""
    parts = [why or "the API gives no reason"] if alone else [f"{_cut(record.job_id)}: {how}", why]
    where = f"({_cut(record.url)})" if record.url and not _is_blocked(record) else ""
    return " ".join(filter(None, [": ".join(filter(None, parts)), where]))


def _is_blocked(record: OutcomeRecord) -> bool:
    return record.outcome is Outcome.BLOCKED  # whose reason names the page


def _masked(record: OutcomeRecord) -> OutcomeRecord:
    """Return a record without secrets, before its texts are escaped in ways in which nobody would know them again."""
    texts = {name: getattr(record, name) for name in ("job_id", "error", "asked", "url")}
    return replace(record, **{name: without_secrets(text) for name, text in texts.items() if text is not None})


def _cut(text: str) -> str:
    """Return a server's words, harmless and not too long; cut before they are escaped, or half an escape might stay."""
    text = safe(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
    # No line of what the runner has decoded is to look like a command either, wherever it shows that.
    return text.replace("::", r":\x3a", 1) if text.lstrip().startswith("::") else text


def _escaped(text: str, replacements: Mapping[str, str]) -> str:
    return "".join(replacements.get(char, char) for char in text)
