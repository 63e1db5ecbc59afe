"""Watching on NATS JetStream: any number of workers look, and every change of every job is in the log exactly once.

`Worker` looks at what is due, `Watcher` says what is watched and hands out the changes; both speak to a NATS server of
2.14 or newer. ``jobwatch docs nats`` explains it, and `_rules` holds what keeps the log right.

_rules, _subjects   what is published, and what an answer means; pure
_connection         the connection to the server
_stream, _pull      streams made or checked, publishing and reading; messages as they come
_leases, _learned   how workers share one request budget, and what they learn of durations; pure
_bucket             keys and values, made or checked
_budget, _history   that budget, and what is learned, kept in buckets
_worker             what is due, looked at
_jobs, _projects    jobs added, removed, woken; projects that are followed
_log                the log as one reader reads it
_watcher            what a user holds
_server             a server that comes along, for trying things
"""

from __future__ import annotations

from ._budget import BudgetStanding, WorkerShare
from ._connection import ServerOptions
from ._jobs import Standing
from ._projects import ProjectStanding
from ._server import EmbeddedServer
from ._watcher import EngineHealth, Watcher
from ._worker import Counts, Worker

__all__ = [
    "BudgetStanding",
    "Counts",
    "EmbeddedServer",
    "EngineHealth",
    "ProjectStanding",
    "ServerOptions",
    "Standing",
    "Watcher",
    "Worker",
    "WorkerShare",
]
