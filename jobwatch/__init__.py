"""Wait for jobs on other people's HTTP APIs: every state once, the end as soon as it can be known, few requests.

::

    async with jobwatch.Client("bedrock") as client:
        job = await client.wait_for("job_01JABCD123", timeout=600)

The house, from the values that everybody speaks of up to the command line; imports point up this list only:

_models/, _errors           jobs, faults, transitions; what is raised
_reading/                   what a vendor's words mean: bytes in, a job or a fault out
_core/                      what happened (tracker) and when to look next (pace); the seam to whoever is asked (source)
_table/                     an API written down in TOML: its schema, its paths, the reader that comes of it
apis/                       the vendors: two modules, eleven tables, `load_api`
_http/                      requests to one origin: made up, sent, judged; the only aiohttp
_files/                     files: the history of durations, locks, and what else is read by name
_engine/                    which job is due, who asks, what the answer changes; the only clock and random source
_client/                    what a user holds: a client, the handle of one wait, and of several
_sync/                      the same without async: a thread in which the loop runs
_watching/                  the background watcher, its delivery and its journal
nats/                       the same watching by many workers, on NATS JetStream
airflow/                    an operator for Airflow, whose waits take up no worker
_report/                    what is written about jobs: summaries, pictures, test results; pure
_serving/                   requests to us: watched jobs on a page in a browser, vendors' webhooks
otel/                       spans and metrics for OpenTelemetry
cli/                        the command line
testing/                    a job server for tests; it knows the values only
"""

import jobwatch._sync.uninterrupted as _uninterrupted

TYPE_CHECKING = False  # as in typing, which takes as long to import as Python to start
if TYPE_CHECKING:
    from ._client.client import Client
    from ._client.completions import Completions
    from ._client.wait import Wait
    from ._core.job_times import JobTimes
    from ._core.look import Looked
    from ._core.pace import Pace
    from ._core.source import JobSource
    from ._core.stats import Lag, Stats
    from ._core.tracker import Watched
    from ._errors import (
        AuthError,
        ConfigError,
        JobBlocked,
        JobCancelled,
        JobEnded,
        JobFailed,
        JobNotFound,
        JobOutcomeUnknown,
        JobPartiallyFailed,
        JobwatchError,
        JournalError,
        LookError,
        RateLimited,
        ResultMismatch,
        Unreachable,
        UnreadableReply,
        WaitTimeout,
    )
    from ._files.history import History
    from ._models import (
        JSON,
        UNCHANGED,
        Event,
        Fault,
        FaultKind,
        Job,
        Outcome,
        Phase,
        Problem,
        Transition,
        Unchanged,
        printable,
    )
    from ._reading.api import JobAPI
    from ._reading.ids import JobId
    from ._reading.periods import Duration
    from ._reading.started import Response
    from ._serving.page.watch_page import WatchPage
    from ._serving.webhooks.apps import webhook_app, webhook_handler
    from ._serving.webhooks.receive import Received, Verdict, Webhooks, webhook_signature
    from ._sync.client import SyncClient
    from ._sync.functions import wait, wait_all, watch
    from ._sync.handle import SyncWait
    from ._watching.changes import Change, ChangeKind, Health, WatchedJob, WatcherHealth
    from ._watching.watcher import Watcher
    from .apis._files import load_api

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "UNCHANGED",
    "AuthError",
    "Change",
    "ChangeKind",
    "Client",
    "Completions",
    "ConfigError",
    "Duration",
    "Event",
    "Fault",
    "FaultKind",
    "Health",
    "History",
    "Job",
    "JobAPI",
    "JobBlocked",
    "JobCancelled",
    "JobEnded",
    "JobFailed",
    "JobId",
    "JobNotFound",
    "JobOutcomeUnknown",
    "JobPartiallyFailed",
    "JobSource",
    "JobTimes",
    "JobwatchError",
    "JournalError",
    "Lag",
    "LookError",
    "Looked",
    "Outcome",
    "Pace",
    "Phase",
    "Problem",
    "RateLimited",
    "Received",
    "Response",
    "ResultMismatch",
    "Stats",
    "SyncClient",
    "SyncWait",
    "Transition",
    "Unchanged",
    "Unreachable",
    "UnreadableReply",
    "Verdict",
    "Wait",
    "WaitTimeout",
    "WatchPage",
    "Watched",
    "WatchedJob",
    "Watcher",
    "WatcherHealth",
    "Webhooks",
    "load_api",
    "printable",
    "wait",
    "wait_all",
    "watch",
    "webhook_app",
    "webhook_handler",
    "webhook_signature",
]

_NAMES_IN = {
    "._client.client": "Client",
    "._client.completions": "Completions",
    "._client.wait": "Wait",
    "._core.job_times": "JobTimes",
    "._core.look": "Looked",
    "._core.pace": "Pace",
    "._core.source": "JobSource",
    "._core.stats": "Lag Stats",
    "._core.tracker": "Watched",
    "._errors": (
        "AuthError ConfigError JobBlocked JobCancelled JobEnded JobFailed JobNotFound JobOutcomeUnknown "
        "JobPartiallyFailed JobwatchError JournalError LookError RateLimited ResultMismatch Unreachable "
        "UnreadableReply WaitTimeout"
    ),
    "._files.history": "History",
    "._models": "JSON UNCHANGED Event Fault FaultKind Job Outcome Phase Problem Transition Unchanged printable",
    "._reading.api": "JobAPI",
    "._reading.ids": "JobId",
    "._reading.periods": "Duration",
    "._reading.started": "Response",
    "._serving.page.watch_page": "WatchPage",
    "._serving.webhooks.apps": "webhook_app webhook_handler",
    "._serving.webhooks.receive": "Received Verdict Webhooks webhook_signature",
    "._sync.client": "SyncClient",
    "._sync.functions": "wait wait_all watch",
    "._sync.handle": "SyncWait",
    "._watching.changes": "Change ChangeKind Health WatchedJob WatcherHealth",
    "._watching.watcher": "Watcher",
    ".apis._files": "load_api",
}
"""Where each public name comes from; a test compares it with the imports above."""

_MODULE_OF = {name: module for module, names in _NAMES_IN.items() for name in names.split()}


def __getattr__(name: str) -> object:
    # Late, so that whoever needs one name loads only what that needs: `jobwatch --version` no event loop.
    if name in _MODULE_OF:
        with _uninterrupted.Uninterrupted():
            from importlib import import_module  # noqa: PLC0415

            globals()[name] = getattr(import_module(_MODULE_OF[name], __name__), name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
