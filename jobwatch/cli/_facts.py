"""What a command of ``--exec`` is told of a job: environment variables. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ._render import OutcomeRecord, json_line, moment

_LONGEST: Final = 32 * 1024
"""How many characters of a text are passed on; Linux takes 128 KiB a variable, and a character is 4 bytes at most."""


def variables(record: OutcomeRecord, exit_code: int) -> dict[str, str]:
    """Return the variables that tell how a job's wait ended, or that it waits for a person.

    All of them are set, those of which nothing is known to an empty text, so that none of an outer command shows.
    Texts are the server's own but for NULs, which no variable may hold.

    Args:
        record: How it ended.
        exit_code: What ``jobwatch wait`` returns for a job that ends so.
    """
    told: dict[str, object] = {
        "JOB_ID": record.job_id,
        "OUTCOME": record.outcome.value,
        "EXIT_CODE": exit_code,
        "STATUS": record.status,
        "PHASE": None if record.phase is None else record.phase.value,
        "ERROR": record.error,
        "ASKED": record.asked,
        "URL": record.url,
        "CREATED_AT": record.created_at,
        "STARTED_AT": record.started_at,
        "ENDED_AT": record.ended_at,
        "RAN": record.ran,
        "KNOWN_AFTER": record.known_after,
        "ELAPSED": record.elapsed,
        "LOOKS": record.looks,
        "PROGRESS": record.progress,
        "RESULT": _result(record),
    }
    return {f"JOBWATCH_{name}": _text(value) for name, value in told.items()}


def _result(record: OutcomeRecord) -> str | None:
    text = None if record.result is None else json_line(record.result)
    return text if text is None or len(text) <= _LONGEST else None  # a part of it would be no JSON


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return moment(value)
        case _:
            return str(value).replace("\0", "\ufffd")[:_LONGEST]
