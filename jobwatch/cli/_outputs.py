"""What later steps of a pipeline can read: how the wait ended, as names and values.

GitHub's file is named by ``GITHUB_OUTPUT``, and written without being asked, as is what sets a variable of Azure
Pipelines. ``--outputs FILE`` writes ``NAME=value`` lines that GitLab takes as a dotenv report, and that a shell can
read without harm.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .._errors import ConfigError
from .._models import Outcome
from ._annotations import variable
from ._exit_codes import SUCCESS, gravity
from ._output import command, note, without_secrets
from ._render import json_line, safe

if TYPE_CHECKING:
    from ._render import OutcomeRecord
    from ._reports import Finished

# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax: outputs are 1 MB a job, in UTF-16.
# https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv: 5 KB and 20 variables, no quotes, one line.
# An environment variable of Linux is 128 KiB at most, and those of Azure become such. All read on 2026-11-29.
_MOST_GITHUB = 200_000
_MOST_DOTENV = 3_000
_MOST_AZURE = 30_000
_MOST_IDS = 100
_PLAIN = "-_.~:@/+"


def values_of(finished: Finished, most: int) -> dict[str, str]:
    """Return what a run gives to later steps.

    Args:
        finished: The run.
        most: How many characters the results may take; a longer one is left out as a whole, since a part is no JSON.

    Returns:
        ``outcome`` is that of the one job, or of the job that decided the exit code; ``status`` is the API's word for
        its state; ``exit_code``; ``job_ids``, with commas between; ``result``, in JSON: that of the one job, or an
        object of all by their ids. In statuses and ids all but letters, digits and ``-_.~:@/+`` is percent-encoded.
    """
    outcomes = finished.outcomes
    decisive = _decisive(finished)
    results = {record.job_id: result for record in outcomes if (result := getattr(record, "result", None)) is not None}
    result = json_line(next(iter(results.values()), None) if len(outcomes) == 1 else results, ascii_only=True)
    return {
        "outcome": "" if decisive is None else decisive.outcome.value,
        "status": "" if decisive is None else _word(decisive.status or ""),
        "exit_code": str(finished.exit_code),
        "job_ids": ",".join(_word(record.job_id) for record in outcomes[:_MOST_IDS]),
        "result": result if len(result) <= most else "",
    }


def _decisive(finished: Finished) -> OutcomeRecord | None:
    """Return the end that the exit code is of: the gravest, or after a success the first good one."""
    outcomes = finished.outcomes
    if finished.exit_code == SUCCESS:
        return next((record for record in outcomes if record.outcome is Outcome.SUCCEEDED), next(iter(outcomes), None))
    return min(outcomes, key=lambda record: gravity(record.outcome), default=None)


def _word(text: str) -> str:
    """Return a server's word as it may stand in a script or a file that a shell reads, whatever it is."""
    return quote(text, safe=_PLAIN)


class GitHubOutputs:
    """The file that ``GITHUB_OUTPUT`` names.

    Args:
        path: The file, which the runner has made.
    """

    name = "the file that GITHUB_OUTPUT names"

    def __init__(self, path: str) -> None:
        self._path = path

    def finish(self, finished: Finished) -> None:
        """Add the values, each between two lines that nobody can foresee, so that no value ends itself."""
        values = _fitting(finished, _MOST_GITHUB, self.name)
        with open(self._path, "a", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - as the runner gives it
            for name, value in values.items():
                import secrets  # noqa: PLC0415 - few values have several lines

                mark = f"jobwatch_{secrets.token_hex(16)}"
                file.write(f"{name}<<{mark}\n{value}\n{mark}\n")


class AzureVariables:
    """Output variables of a step of Azure Pipelines: ``jobwatch.outcome`` and so on."""

    name = "the variables of Azure Pipelines"

    def __init__(self, *, on_stdout: bool) -> None:
        self._on_stdout = on_stdout

    def finish(self, finished: Finished) -> None:
        """Print the commands that set them."""
        for name, value in _fitting(finished, _MOST_AZURE, self.name).items():
            command(variable(f"jobwatch.{name}", value), on_stdout=self._on_stdout)


class DotenvFile:
    """A file of ``NAME=value`` lines, for ``--outputs``.

    Args:
        path: The file; one that is there is replaced.
    """

    def __init__(self, path: str) -> None:
        self.name = f"--outputs {safe(path)}"
        self._path = Path(path)
        folder = self._path.parent
        if not folder.is_dir() or self._path.is_dir():
            raise ConfigError(f"{self.name}: there is no such folder, or it is one itself; name a file in one that is")

    def finish(self, finished: Finished) -> None:
        """Write the values: without quotes, which GitLab would keep, and so that a shell may read them, too.

        The result is in Base64, for what a server makes up must not become a command of whoever reads the file.
        """
        values = dict(_fitting(finished, _MOST_DOTENV, self.name))
        values["result_base64"] = base64.b64encode(values.pop("result").encode()).decode()
        text = "".join(f"JOBWATCH_{name.upper()}={value}\n" for name, value in values.items())
        if self._path.exists() and not self._path.is_file():  # a pipe, or /dev/stdout
            self._path.write_text(text, encoding="utf-8", newline="\n")
            return
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            beside.write_text(text, encoding="utf-8", newline="\n")
            beside.replace(self._path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def _fitting(finished: Finished, most: int, where: str) -> Mapping[str, str]:
    values = {name: without_secrets(value) for name, value in values_of(finished, most).items()}
    if not values["result"]:
        note(f"{where}: the result is left out, since it is longer than {most} characters")
    return values
