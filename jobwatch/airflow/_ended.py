"""How a wait in the triggerer ended, as it is told to the task: JSON values, of bounded size. Pure, without Airflow."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from typing import Final, TypeAlias, cast

import msgspec
from msgspec import Struct

from .._core.ends import outcomes_of
from .._errors import ConfigError
from .._models import JSON, Job, Outcome

JobRecord: TypeAlias = dict[str, JSON]
"""A finished job as it goes into XCom: JSON values."""

_LEFT_OUT: Final = ("events", "has_more_events", "proven", "wire", "hops", "retention", "now", "asked", "progress")

RETRIED: Final = frozenset(each for each in Outcome if not each.is_end_of_job and each is not Outcome.BLOCKED)
"""Outcomes after which Airflow's retries are worth something by default: the job has not ended, as far as is known."""


class Verdict(enum.Enum):
    """What becomes of the task."""

    SUCCESS = "success"
    RETRY = "retry"
    FAIL = "fail"


class Ended(Struct, frozen=True, omit_defaults=True):
    """How a wait ended.

    Attributes:
        good: Whether the end is one that the task takes for a success.
        outcome: How it ended; None if it could not begin.
        told: The error in the words that jobwatch raises it with; empty after a good end.
        job: The job as it was last read; None if it never was.
        looks: How many times it was looked at since the triggerer was started last.
    """

    good: bool
    outcome: Outcome | None
    told: str = ""
    job: JobRecord | None = None
    looks: int = 0


def event_of(ended: Ended) -> JobRecord:
    """Return it as the payload of a trigger's event."""
    return cast("JobRecord", msgspec.to_builtins(ended))


def ended_of(event: object) -> Ended:
    """Return what a trigger's event says.

    Raises:
        ConfigError: It is none of `JobwatchTrigger`: another version of jobwatch runs in the triggerer.
    """
    try:
        return msgspec.convert(event, Ended)
    except msgspec.ValidationError as error:
        trouble = f"the trigger's event cannot be read: {error}"
        raise ConfigError(f"{trouble}; do the triggerer and the worker have the same version of jobwatch?") from None


def record_of(job: Job, outcome: Outcome | None, max_result: int) -> JobRecord:
    """Return a job as it goes into XCom.

    Args:
        job: The job.
        outcome: How the wait for it ended.
        max_result: How many bytes its result may have, as JSON; a larger one is left out, and ``result_bytes`` tells.
    """
    told = {name: job[name] for name in job.keys() if name not in _LEFT_OUT}  # noqa: SIM118 - it is no mapping
    record = {**told, "outcome": None if outcome is None else outcome.value, "ran": job.ran}
    size = len(msgspec.json.encode(record["result"]))
    return record if size <= max_result else {**record, "result": None, "result_bytes": size}


def retried(names: Collection[str | Outcome]) -> frozenset[Outcome]:
    """Return the outcomes after which Airflow may run the task again.

    Args:
        names: Outcomes, or the words for them.

    Raises:
        ConfigError: One is no such word.
    """
    return outcomes_of("retry_on", names, [each for each in Outcome if each is not Outcome.SUCCEEDED])


def verdict_on(ended: Ended, retry_on: Collection[Outcome]) -> Verdict:
    """Return what becomes of a task."""
    if ended.good:
        return Verdict.SUCCESS
    return Verdict.RETRY if ended.outcome in retry_on else Verdict.FAIL


def params_of(text: str) -> Mapping[str, str]:
    """Return parameters of an API that were written as JSON.

    Raises:
        ConfigError: They were not.
    """
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, str])
    except msgspec.DecodeError as error:
        raise ConfigError(f"api_params is an object of texts: {error}") from None
