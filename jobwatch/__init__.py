"""Wait for jobs on other people's HTTP APIs: every state once, the end as soon as it can be known, few requests.

::

    async with jobwatch.Client("bedrock") as client:
        job = await client.wait_for("job_01JABCD123", timeout=600)
"""

TYPE_CHECKING = False  # as in typing, which takes as long to import as Python to start
if TYPE_CHECKING:
    from ._client import Client
    from ._completions import Completions
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
    from ._files.history import History
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

_MODULE_OF = {
    "JSON": "._models",
    "AuthError": "._errors",
    "Change": "._watching.changes",
    "ChangeKind": "._watching.changes",
    "Client": "._client",
    "Completions": "._completions",
    "ConfigError": "._errors",
    "Event": "._models",
    "Fault": "._models",
    "FaultKind": "._models",
    "Health": "._watching.changes",
    "History": "._files.history",
    "Job": "._models",
    "JobAPI": "._reading.api",
    "JobCancelled": "._errors",
    "JobEnded": "._errors",
    "JobFailed": "._errors",
    "JobNotFound": "._errors",
    "JobwatchError": "._errors",
    "JournalError": "._errors",
    "LookError": "._errors",
    "Looked": "._core.look",
    "Outcome": "._models",
    "Pace": "._core.pace",
    "Phase": "._models",
    "Problem": "._models",
    "RateLimited": "._errors",
    "Received": "._webhooks.receive",
    "Response": "._reading.started",
    "Transition": "._models",
    "Unreachable": "._errors",
    "UnreadableReply": "._errors",
    "Verdict": "._webhooks.receive",
    "Wait": "._wait",
    "WaitTimeout": "._errors",
    "Watched": "._core.tracker",
    "WatchedJob": "._watching.changes",
    "Watcher": "._watching.watcher",
    "WatcherHealth": "._watching.changes",
    "Webhooks": "._webhooks.receive",
    "load_api": ".apis._files",
    "printable": "._models",
    "webhook_app": "._webhooks.apps",
    "webhook_handler": "._webhooks.apps",
    "webhook_signature": "._webhooks.receive",
}
"""Where each public name comes from; a test compares it with the imports above."""


def __getattr__(name: str) -> object:
    # Late, so that whoever needs one name loads only what that needs: `jobwatch --version` no event loop.
    if name in _MODULE_OF:
        from importlib import import_module  # noqa: PLC0415

        globals()[name] = getattr(import_module(_MODULE_OF[name], __name__), name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
