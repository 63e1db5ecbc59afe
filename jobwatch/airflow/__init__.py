"""Airflow: a task that waits for a job in the triggerer, and ends as the job did (extra ``airflow``, Airflow >= 3.1).

``jobwatch docs airflow`` explains it.

_operator, _trigger, _link   what Airflow is given
_exceptions                  its exceptions
_cursor                      what is known of the job, kept with the task
_waiting, _clients           one wait, and the clients that waits share; without Airflow
_connection, _ended          what a connection says, and what the task is told; pure
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._link import JobwatchLink
    from ._operator import JobwatchOperator
    from ._trigger import JobwatchTrigger

__all__ = ["JobwatchLink", "JobwatchOperator", "JobwatchTrigger"]


def __getattr__(name: str) -> object:
    """Import what needs Airflow when it is asked for: the rest of this folder is tested without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import_module("airflow.sdk")
    except ImportError:
        raise ImportError("jobwatch.airflow needs Airflow >= 3.1: pip install 'jobwatch-client[airflow]'") from None
    place = {"JobwatchLink": "._link", "JobwatchOperator": "._operator", "JobwatchTrigger": "._trigger"}[name]
    found: object = getattr(import_module(place, __name__), name)
    globals()[name] = found
    return found
