"""One scripted job on the server: its states as a value, and its options."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, TypedDict, Unpack

import msgspec
from msgspec import Struct

from .._errors import ConfigError
from .._models import JSON, Problem
from ._signal import Signal

Steps: TypeAlias = Sequence[str | tuple[str, float]]


class Step(Struct, frozen=True):
    """One state of a job, and the server's time in seconds at which it is entered."""

    status: str
    at: float


class Script(Struct, frozen=True):
    """The states a job passes through, in order."""

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, steps: Steps, added_at: float) -> Script:
        """Return the script that these steps make of a job that is added at this moment.

        Args:
            steps: Status words, each with the seconds after the adding at which the job enters it; a plain
                word is entered together with the step before it, the first one at once.
            added_at: The server's time in seconds.

        Raises:
            ConfigError: The steps are none, not in the order of time, or not steps.
        """
        if isinstance(steps, str) or not steps:
            raise ConfigError(f"a job needs at least one step, as in [('PENDING', 0.0)], not {steps!r}")
        made: list[Step] = []
        before = 0.0
        for step in steps:
            status, after = (step, before) if isinstance(step, str) else _pair(step)
            if after < before:
                raise ConfigError(f"step {status!r} at {after:g} s comes after one at {before:g} s: order them by time")
            made.append(Step(status, added_at + after))
            before = after
        return cls(tuple(made))

    def until(self, now: float) -> tuple[Step, ...]:
        """Return the steps entered by this moment, in seconds of the server's time."""
        return tuple(step for step in self.steps if step.at <= now)

    def next_at(self, now: float) -> float:
        """Return when the next state is entered, in seconds of the server's time, or infinity."""
        return min((step.at for step in self.steps if step.at > now), default=math.inf)

    def advanced(self, status: str, now: float) -> Script:
        """Return the script of a job that enters this state now, and any later one by hand only."""
        return Script((*self.until(now), Step(status, now)))


def _pair(step: tuple[str, float]) -> tuple[str, float]:
    try:
        status, after = msgspec.convert(step, tuple[str, float])
    except msgspec.ValidationError:
        status, after = "", 0.0
    if not status or not 0.0 <= after < math.inf:
        raise ConfigError(f"{step!r} is no step: give a word and the seconds after adding, as in ('RUNNING', 0.2)")
    return status, after


def stamp(epoch: datetime, at: float) -> str:
    """Return the RFC 3339 time of a moment of the server's time, with a fraction only where there is one."""
    moment = (epoch + timedelta(seconds=at)).astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


class JobOptions(TypedDict, total=False):
    """The fields of a job's record beside its state; one left out is as in the vendor's own example.

    Attributes:
        shape: Bedrock only: "cms" (the default) or "vision".
        type: The API's word for what kind of job it is.
        organization_id, project_id, parent_id: Where the job belongs.
        target: Bedrock only: the type and the id of what it works on.
        payload: Bedrock "cms" only.
        events: Bedrock only: whether the record has a history; by default "cms" has one and "vision" has none.
        events_kept: Bedrock only: how many of the latest events it has.
        results: Bedrock only: from when the job has completed.
        result: CapyDB only: from when the job has completed.
        error: From when the job has failed: the message, or for Bedrock a `Problem` with a code too.
        exit_code, stdout, stderr: CapyDB only: from when an attempt has ended.
        max_attempts, claimed_by, locked_resource, retry_classification: CapyDB only.
        extra: Fields put into the record last, in place of any of the same name; the server does not read them.

    Of the neutral API only, beside `type`, `project_id`, `parent_id`, `error`, `result`, `exit_code` and `extra`:

    Attributes:
        ends: Words that mean an end beside the neutral ones, each with the neutral one that it is like, such as
            ``{"WARNINGS: 2": "succeeded"}``.
        progress: How much is done, and of how much.
        asks, asks_url: What a job waits for that is blocked, and where it is answered.
        moves_to: Where it goes on: the id of another job here, told as soon as that job is there; or a whole URL.
        generation: The generation of what is asked of it.
        behind: Seconds from its first step for which its state is still that of the generation before.
        poll_ms: Milliseconds to the next request, told in the record.
        retry_after: The ``Retry-After`` of its good answers, verbatim.
        kept: Seconds after its end for which it is known; then it is answered with 404.
        start: How its start is answered: "id" in the body, "location" in the header, with a body that is the thing
            that is made and no job, or "over": with 204 and nothing, since the work is done.
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
    ends: Mapping[str, str]
    progress: tuple[float, float]
    asks: str
    asks_url: str
    moves_to: str
    generation: int
    behind: float
    poll_ms: int
    retry_after: str
    kept: float
    start: Literal["id", "location", "over"]


class ServedJob:
    """A job on a `JobServer`; made by `JobServer.add`.

    Attributes:
        api: The name of the API it is on.
        id: Its id.
        looks: How often it was asked for by its id, whatever the answer was.
        listed: How often it was part of a list.
        streams: How often its stream of events was opened.
        held: How many requests for it are being held just now (the neutral API's long polls).
        turn: The number of the turn that is next (the neutral API's ``Location`` that moves).
    """

    def __init__(self, api: str, job_id: str, script: Script, options: JobOptions, now: Callable[[], float]) -> None:
        self.api = api
        self.id = job_id
        self.looks = 0
        self.listed = 0
        self.streams = 0
        self.held = 0
        self.turn = 1
        self.options = options
        self._script = script
        self._now = now
        self._changed = Signal()
        self._lock = threading.Lock()

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
            options: Fields that change from now on, such as ``error=``.

        Raises:
            ConfigError: The job's API knows no such option, or the word is empty.
        """
        if not status:
            raise ConfigError("a job needs a status word to advance to, as in advance('RUNNING')")
        self.options = checked(self.api, {**self.options, **options})
        self._script = self._script.advanced(status, self._now())
        self._notify()

    async def looked(self, times: int) -> None:
        """Wait until the job has been asked for so many times in all; by then the last answer is decided."""
        changed = self._changed  # taken before the count is read, which another thread may raise
        while self.looks < times:
            await changed.wait()
            changed = self._changed

    def wait_until_looked(self, times: int, timeout: float = 5.0) -> None:
        """Wait as `looked` does, in a test without async: this thread does nothing else meanwhile.

        Args:
            times: How often the job must have been asked for in all.
            timeout: How long to wait at most, in seconds.

        Raises:
            TimeoutError: It was not asked for so often by then.
        """
        ends = time.monotonic() + timeout
        changed = self._changed
        while self.looks < times:
            if not changed.wait_in_thread(max(0.0, ends - time.monotonic())):
                raise TimeoutError(f"{self!r} within {timeout:g} s, and not {times}")
            changed = self._changed

    async def streamed(self, times: int) -> None:
        """Wait until the job's stream has been opened so many times in all."""
        changed = self._changed
        while self.streams < times:
            await changed.wait()
            changed = self._changed

    def count_stream(self) -> None:
        """Count one stream opened for the job; the server calls this."""
        self.streams += 1
        self._notify()

    def count_look(self) -> None:
        """Count one request for the job; the server calls this."""
        self.looks += 1
        self._notify()

    def next_step_at(self, now: float) -> float:
        """Return when the next state is entered by itself, in seconds since the server was started, or infinity."""
        return self._script.next_at(now)

    @property
    def changed(self) -> Signal:
        """Set at the next request for the job and at the next state entered by hand; a new event each time."""
        return self._changed

    def _notify(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, Signal()
        changed.set()

    def __repr__(self) -> str:
        return f"<{self.api} job {self.id}: {self.status}, {self.looks} looks>"


_COMMON = frozenset({"type", "organization_id", "project_id", "error", "extra"})
_OPTIONS = {
    "bedrock": _COMMON | {"shape", "parent_id", "target", "payload", "events", "events_kept", "results"},
    "capydb": _COMMON
    | {"result", "exit_code", "stdout", "stderr", "max_attempts", "claimed_by", "locked_resource"}
    | {"retry_classification"},
    "neutral": {"type", "project_id", "parent_id", "error", "extra", "result", "exit_code", "ends", "progress"}
    | {"asks", "asks_url", "moves_to", "generation", "behind", "poll_ms", "retry_after", "kept", "start"},
}
NEUTRAL_ENDS = frozenset({"succeeded", "partial", "failed", "cancelled", "finished"})
"""The words of the neutral API that mean an end."""


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
    if unlike := sorted(set(options.get("ends", {}).values()) - NEUTRAL_ENDS):
        raise ConfigError(f"{unlike[0]!r} is no end: the neutral ends are {', '.join(sorted(NEUTRAL_ENDS))}")
    if (start := options.get("start", "id")) not in {"id", "location", "over"}:
        raise ConfigError(f"start={start!r} is none of 'id', 'location', 'over'")
    return options
