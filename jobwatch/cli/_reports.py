"""What is made of a run once it is over: a summary, a file, an annotation. The seam between the run and all of these.

A report gets the records that ``--json`` prints, whether they were printed as JSON or not. It is called once, when the
run is over: when all jobs have ended, after a time limit, and after a signal too, when a few seconds are left. What it
cannot do is said on stderr; the exit code stays what the jobs made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from .._errors import JobwatchError
from ._output import note
from ._render import OutcomeRecord, TransitionRecord, safe

if TYPE_CHECKING:
    from .._client.wait import Wait

Record: TypeAlias = TransitionRecord | OutcomeRecord

_LINES = 20
"""How many lines of what a job wrote are kept for reports."""


class Finished(Struct, frozen=True):
    """A run that is over.

    Attributes:
        records: The states and ends of all jobs, in the order in which they were displayed; the server's words as they
            came. A job that was not read, or that goes on, has an outcome too; after a fault of jobwatch's own, or when
            the output could not be written, one may have none.
        exit_code: What the command returns.
        began_at: When it began to wait, by our clock.
        ended_at: When it was over.
        api: The name of the API, or of the source.
        outputs: The last lines that jobs wrote, where the API tells them, by the job's id; as they came.
    """

    records: tuple[Record, ...]
    exit_code: int
    began_at: datetime
    ended_at: datetime
    api: str
    outputs: Mapping[str, str] = {}

    @property
    def outcomes(self) -> list[OutcomeRecord]:
        """How each job's wait ended."""
        return [record for record in self.records if isinstance(record, OutcomeRecord)]


def outputs_of(waits: Iterable[Wait], fields: Mapping[str, str]) -> dict[str, str]:
    """Return the last lines that jobs wrote, by the job's id: of their ``stderr``, else of another output.

    Args:
        waits: The waits for them.
        fields: The names of the API's outputs, and the fields of its record that hold them.
    """
    found: dict[str, str] = {}
    for wait in waits:
        for name in sorted(fields, key=lambda name: name != "stderr"):
            text: object = None if wait.job is None else getattr(wait.job.wire, fields[name], None)
            if isinstance(text, str) and text.strip():
                found[wait.job_id] = "\n".join(text.rstrip().splitlines()[-_LINES:])
                break
    return found


class Report(Protocol):
    """Something that is made of a run.

    Attributes:
        name: What it is, for the note that says that it could not be made: ``the step summary``, ``--junit FILE``.
    """

    name: str

    def finish(self, finished: Finished) -> None:
        """Make it. An `OSError` or a `JobwatchError` is noted, and no other report is kept from being made."""
        ...


def finish(reports: Sequence[Report], finished: Finished) -> None:
    """Have every report made; what goes wrong with one is a note on stderr."""
    for report in reports:
        try:
            report.finish(finished)
        except OSError as error:
            note(f"{report.name} could not be written: {safe(error.strerror or type(error).__name__)}")
        except JobwatchError as error:
            note(f"{report.name}: {safe(str(error))}")
        except Exception as error:  # noqa: BLE001 - a report must never change what a gate decides
            note(f"{report.name}: {type(error).__name__}: {safe(str(error))}; this is a fault of jobwatch's own")
