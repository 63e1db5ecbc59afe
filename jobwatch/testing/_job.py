"""One scripted job on the server, and everything that can be said about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypedDict, Unpack

from .._errors import ConfigError
from .._models import JSON, Problem
from ._script import Script, Step


class JobOptions(TypedDict, total=False):
    """What a job says of itself beside its state; anything left out is as in the vendor's own example.

    Attributes:
        shape: Bedrock only: "cms" (the default) or "vision".
        type: The API's word for what kind of job it is.
        organization_id, project_id, parent_id: Where the job belongs.
        target: Bedrock only: the type and the id of what it works on.
        payload: Bedrock "cms" only.
        events: Bedrock only: whether the job tells its history; by default "cms" does and "vision" does not.
        events_kept: Bedrock only: how many of the latest events are told.
        results: Bedrock only: told once the job has completed.
        result: CapyDB only: told once the job has completed.
        error: Told once the job has failed: the message, or for Bedrock a `Problem` with a code too.
        exit_code, stdout, stderr: CapyDB only: told once an attempt has ended.
        max_attempts, claimed_by, locked_resource, retry_classification: CapyDB only.
        extra: Fields put into the record last, over whatever is there; the server does not look at them.
    """

    shape: str
    type: str
    organization_id: str
    project_id: str
    parent_id: str
    target: tuple[str, str]
    payload: JSON
    events: bool
    events_kept: int
    results: JSON
    result: JSON
    error: str | Problem
    exit_code: int
    stdout: str
    stderr: str
    max_attempts: int
    claimed_by: str
    locked_resource: str
    retry_classification: str
    extra: Mapping[str, JSON]


class ServedJob:
    """A job on a `JobServer`; made by `JobServer.add`.

    Attributes:
        api: The name of the API it is on.
        id: Its id.
        looks: How often it was asked for by its id, whatever the answer was.
        listed: How often it was part of a list.
        streams: How often its stream of events was opened.
    """

    def __init__(self, api: str, job_id: str, script: Script, options: JobOptions, now: Callable[[], float]) -> None:
        self.api = api
        self.id = job_id
        self.looks = 0
        self.listed = 0
        self.streams = 0
        self.options = options
        self._script = script
        self._now = now
        self._changed = asyncio.Event()

    @property
    def status(self) -> str | None:
        """The state it is in now, or None before its first step."""
        steps = self.until(self._now())
        return steps[-1].status if steps else None

    def until(self, now: float) -> tuple[Step, ...]:
        """Return the states entered by this moment, in seconds since the server was started."""
        return self._script.until(now)

    def advance(self, status: str, **options: Unpack[JobOptions]) -> None:
        """Let the job enter a state now; what was scripted to follow is dropped.

        Args:
            status: The API's word for the state.
            options: What the job says of itself from now on, such as ``error=``.

        Raises:
            ConfigError: The job's API knows no such option, or the word is empty.
        """
        if not status:
            raise ConfigError("a job needs a status word to advance to, as in advance('RUNNING')")
        self.options = checked(self.api, {**self.options, **options})
        self._script = self._script.advanced(status, self._now())
        self._ring()

    async def looked(self, times: int) -> None:
        """Wait until the job has been asked for so many times in all; the last answer is already decided then."""
        while self.looks < times:
            await self._changed.wait()

    async def streamed(self, times: int) -> None:
        """Wait until the job's stream has been opened so many times in all."""
        while self.streams < times:
            await self._changed.wait()

    def count_stream(self) -> None:
        """Count one stream opened for the job; the server calls this."""
        self.streams += 1
        self._ring()

    def count_look(self) -> None:
        """Count one request for the job; the server calls this."""
        self.looks += 1
        self._ring()

    def next_step_at(self, now: float) -> float:
        """Return when the next state is entered by itself, in seconds since the server was started, or infinity."""
        return self._script.next_at(now)

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next request for it or state entered by hand, and made anew each time."""
        return self._changed

    def _ring(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<{self.api} job {self.id}: {self.status}, {self.looks} looks>"


_COMMON = frozenset({"type", "organization_id", "project_id", "error", "extra"})
_OPTIONS = {
    "bedrock": _COMMON | {"shape", "parent_id", "target", "payload", "events", "events_kept", "results"},
    "capydb": _COMMON
    | {"result", "exit_code", "stdout", "stderr", "max_attempts", "claimed_by", "locked_resource"}
    | {"retry_classification"},
}


def checked(api: str, options: JobOptions) -> JobOptions:
    """Return the options if a job of this API can have them, and raise `ConfigError` if not."""
    if api not in _OPTIONS:
        raise ConfigError(f"unknown API {api!r}: the job server speaks {' and '.join(sorted(_OPTIONS))}")
    if unknown := sorted(set(options) - _OPTIONS[api]):
        known = ", ".join(sorted(_OPTIONS[api]))
        raise ConfigError(f"a {api} job has no {', '.join(unknown)}: its options are {known}")
    shape = options.get("shape", "cms")
    if shape not in {"cms", "vision"}:
        raise ConfigError(f"unknown shape {shape!r}: a bedrock job is served as 'cms' or as 'vision'")
    return options
