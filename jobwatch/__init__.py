"""Wait for jobs on other people's HTTP APIs: every state once, the end as soon as it can be known, few requests.

::

    async with jobwatch.Client("bedrock") as client:
        job = await client.wait_for("job_01JABCD123", timeout=600)
"""

TYPE_CHECKING = False  # as in typing, which takes as long to import as Python to start
if TYPE_CHECKING:
    from ._client import Client
    from ._completions import Completions
    from ._core.durations import History
    from ._core.look import Looked
    from ._core.pace import Pace
    from ._core.tracker import Watched
    from ._errors import (
        AuthError,
        ConfigError,
        JobCancelled,
        JobEnded,
        JobFailed,
        JobNotFound,
        JobwatchError,
        JournalError,
        LookError,
        RateLimited,
        Unreachable,
        UnreadableReply,
        WaitTimeout,
    )
    from ._models import JSON, Event, Fault, FaultKind, Job, Outcome, Phase, Problem, Transition, printable
    from ._reading.api import JobAPI
    from ._reading.started import Response
    from ._wait import Wait
    from ._watching.changes import Change, ChangeKind, Health, WatchedJob, WatcherHealth
    from ._watching.watcher import Watcher
    from ._webhooks.apps import webhook_app, webhook_handler
    from ._webhooks.receive import Received, Verdict, Webhooks, webhook_signature
    from .apis._files import load_api

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "AuthError",
    "Change",
    "ChangeKind",
    "Client",
    "Completions",
    "ConfigError",
    "Event",
    "Fault",
    "FaultKind",
    "Health",
    "History",
    "Job",
    "JobAPI",
    "JobCancelled",
    "JobEnded",
    "JobFailed",
    "JobNotFound",
    "JobwatchError",
    "JournalError",
    "LookError",
    "Looked",
    "Outcome",
    "Pace",
    "Phase",
    "Problem",
    "RateLimited",
    "Received",
    "Response",
    "Transition",
    "Unreachable",
    "UnreadableReply",
    "Verdict",
    "Wait",
    "WaitTimeout",
    "Watched",
    "WatchedJob",
    "Watcher",
    "WatcherHealth",
    "Webhooks",
    "load_api",
    "printable",
    "webhook_app",
    "webhook_handler",
    "webhook_signature",
]

_MODULES = (
    "_errors",
    "_models",
    "_watching.changes",
    "_core.tracker",
    "_core.pace",
    "_reading.api",
    "_core.durations",
    "_core.look",
    "_wait",
    "_completions",
    "_reading.started",
    "_client",
    "apis._files",
    "_watching.watcher",
    "_webhooks.receive",
    "_webhooks.apps",
)


def __getattr__(name: str) -> object:
    # Late, from the cheapest module that has it, so that `jobwatch --version` need not load an event loop.
    if name in __all__:
        from importlib import import_module  # noqa: PLC0415

        for module in _MODULES:
            if hasattr(found := import_module(f".{module}", __name__), name):
                globals()[name] = getattr(found, name)
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
