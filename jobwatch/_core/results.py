"""A job's result as the type that its user wants it in. Pure."""

from __future__ import annotations

import functools
from typing import cast

import msgspec
from msgspec.structs import replace

from .._errors import ConfigError, ResultMismatch
from .._models import Job, Result, Wire_co, printable


def with_result(job: Job[Wire_co], kind: type[Result]) -> Job[Wire_co, Result]:
    """Return a job with its result as a type that `check_type` has let pass.

    Raises:
        ResultMismatch: The result is not of that type.
    """
    try:
        result = msgspec.convert(job.result, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise ResultMismatch(job, _name_of(kind), printable(str(error))) from None
    return cast("Job[Wire_co, Result]", replace(cast("Job", job), result=result))


def check_type(kind: object) -> None:
    """Raise ConfigError where a type is none that msgspec can read a result into."""
    try:
        trouble = _trouble_with(kind)
    except TypeError:  # it cannot be hashed
        trouble = _trouble_with.__wrapped__(kind)
    if trouble is not None:
        raise ConfigError(f"result={_name_of(kind)} {trouble}")


@functools.lru_cache(maxsize=64)  # since each of ten thousand waits asks for the same
def _trouble_with(kind: object) -> str | None:
    from msgspec.inspect import CustomType, type_info  # noqa: PLC0415 - 2 ms to import, and seldom wanted

    try:
        is_unknown = isinstance(type_info(kind), CustomType)
    except Exception as error:  # whatever a user's annotations raise  # noqa: BLE001
        return f"cannot be used: {error}"
    return "is no type that msgspec reads: a Struct, a dataclass, a TypedDict, list[int] ..." if is_unknown else None


def _name_of(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__origin__") else repr(kind)
