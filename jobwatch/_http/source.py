"""The source for HTTP APIs: asked about jobs, it makes the requests and reads the replies, and values come back.

1. What is asked for comes back as a job, as a fault, or as unchanged since the memo that was given: never as bytes.
2. A reply whose body and HTTP status are those of the last one is unchanged, and is not decoded. The status is part of
   it, since it may be the job's state.
3. A 304 is a hint: some servers make their validators of too little, and answer so though the job has ended. So no
   validator is sent that is older than a minute, or a tenth of the job's age up to five minutes, unless requests are
   scarce.
4. Where the API tells a job's history by a request of its own, that is made here, and only for a state that is new.
5. No fault that leaves here quotes a secret.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from .._core.source import Seen, SeenMany, StreamEnd
from .._models import UNCHANGED, Fault, FaultKind, Job
from .._reading.started import found_in
from .._reading.words import lowered
from .._tasks import at_once
from .renewing import RenewingTransport
from .requests import Requests
from .sse import EVENT_CAP, EventParser, Flow
from .transport import MAX_BODY, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .._core.source import Turn
    from .._reading.api import Hint, JobAPI
    from .._reading.reply import Reply
    from .._reading.started import Found, Started
    from .renewal import Renewal
    from .requests import Asked, Given
    from .transport import Target

_T = TypeVar("_T")

_TARGETS_KEPT = 1024
"""For how many jobs a prepared URL is kept: it takes longer to make than to find, and half as much room as a job."""


_BEYOND_HOLD = 30.0
"""How much longer a look may take than the server may hold it, in seconds."""

_BELIEVED_AT_LEAST, _BELIEVED_AT_MOST = 60.0, 300.0


class Memo(Struct, frozen=True, gc=False):
    """What is kept of a good reply, where its fingerprint alone is not enough.

    Attributes:
        fingerprint: The hash of its HTTP status and body.
        etag: Its validator.
        until: Until when that is sent back, on the loop's clock.
        retry_after: For how many seconds it asked not to be asked again: a 304 leaves that as it was.
    """

    fingerprint: int
    etag: str
    until: float
    retry_after: float | None = None


class HttpSource:
    """Asks one HTTP API about its jobs.

    Args:
        api: Makes sense of the replies.
        given: The token and where the API is served.
        api_version: The version to ask for, where the API has a header for it.
        streams: Whether streams of events are to be followed, where the API has any.
        max_connections: How many requests may be under way at once.
        max_body: The largest reply that is read, in bytes; by default what the API says, or 1 MiB.
        request_timeout: How long one look may take, in seconds; by default as long as the API says.
        transport: What sends the requests, in place of one that is made for them.

    Raises:
        ConfigError: Something is missing or wrong; nothing has been sent.
    """

    def __init__(
        self,
        api: JobAPI,
        given: Given,
        api_version: str | None = None,
        *,
        streams: bool = True,
        max_connections: int = 16,
        max_body: int | None = None,
        request_timeout: float | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._requests = Requests(api, given, api_version)
        self.api = api = self._requests.api()
        self.name = api.name
        self._renewal: Renewal | None = None
        self.transport = transport or self._transport(max_connections, max_body, request_timeout)
        self._targets: dict[str, Target] = {}
        self._is_scarce = False
        self._request_timeout = api.request_timeout if request_timeout is None else request_timeout
        self.long_poll = api.long_poll
        self.tells_hold = self._requests.tells_hold
        self._hints = api.read_retry_after is not None
        self.has_lists = api.list_path is not None
        self.has_streams = streams and api.stream_path is not None
        self.batch_most = api.batch_most if api.batch_path is not None else 0

    def __repr__(self) -> str:
        return f"HttpSource({self.transport!r})" if hasattr(self, "transport") else "HttpSource()"

    @property
    def key(self) -> str:
        """Where the jobs are: base URL and parameters, without secrets."""
        return self._requests.place()

    def check(self, job_id: str) -> None:
        """Raise ConfigError where a job cannot be asked about by its id."""
        self._requests.job(job_id)

    def started(self, started: Started) -> Found:
        """Return the job that a response started; raise ConfigError where it names none."""
        return found_in(self.api, started, self._requests.id_in)

    async def job(
        self, job_id: str, status: str | None = None, memo: object = None, turn: Turn = at_once, *, hold: float = 0.0
    ) -> Seen:
        """Ask about one job; for arguments see `Source`."""
        etag = memo.etag if isinstance(memo, Memo) and self._is_believed(memo) else None
        target = self._targets.get(job_id) or self._target_of(job_id, hold)
        reply = await self.transport.get(target, etag=etag, turn=turn)
        if isinstance(reply, Fault):
            return Seen(reply)
        wait = reply.retry_after
        if self._hints:
            wait = self._wait(reply, job_id, memo)
        self._is_scarce = reply.rate is not None and reply.rate.remaining < (reply.rate.limit or 0) / 10
        fingerprint = hash((reply.http_status, reply.body))
        if memo is not None and _is_same_again(memo, reply, fingerprint):
            return Seen(UNCHANGED, memo, rate=reply.rate, looks=reply.looks, retry_after=wait)
        job = self._masked(self.api.job(reply.body, job_id, reply.http_status))
        if isinstance(job, Fault):
            return Seen(job, rate=reply.rate, looks=reply.looks, retry_after=wait)
        kept: object = fingerprint
        if reply.etag is not None:
            kept = Memo(fingerprint, reply.etag, _believed_until(job, reply), wait)
        seen = Seen(job, kept, reply.server_time, 0.0, reply.rate, looks=reply.looks, retry_after=wait)
        if self.api.history_path is None or _is_known(status, job):
            return seen
        return await self._with_history(seen, job, turn)

    def is_conditional(self, memo: object) -> bool:
        """Return whether a request with this memo may be answered by 304, without a body."""
        return isinstance(memo, Memo) and self._is_believed(memo)

    def _is_believed(self, memo: Memo) -> bool:
        return self._is_scarce or asyncio.get_running_loop().time() < memo.until

    async def project(self, project_id: str, limit: int, turn: Turn = at_once) -> SeenMany:
        """Ask for a project's latest jobs; for arguments see `Source`."""
        reply = await self.transport.get(self._prepared(self._requests.jobs(project_id, limit)), turn=turn)
        if isinstance(reply, Fault):
            return SeenMany(reply)
        return SeenMany(self._masked(self.api.jobs(reply.body)), reply.rate)

    async def batch(self, known: Mapping[str, str | None], turn: Turn = at_once) -> SeenMany:
        """Ask about several jobs at once; for arguments see `Source`."""
        reply = await self.transport.get(self._prepared(self._requests.batch(known)), turn=turn)
        if isinstance(reply, Fault):
            return SeenMany(reply)
        jobs = self._masked(self.api.batch(reply.body))
        if isinstance(jobs, Fault) or self.api.history_path is None:
            return SeenMany(jobs, reply.rate, retry_after=reply.retry_after)
        new = [job for job in jobs if job.id in known and not _is_known(known[job.id], job)]
        async with asyncio.TaskGroup() as group:
            tasks = {job.id: group.create_task(self._told(job, turn)) for job in new}
        told = {job_id: task.result() for job_id, task in tasks.items()}
        fault = next((fault for _, fault in told.values() if fault is not None), None)
        shown = tuple(told[job.id][0] if job.id in told else job for job in jobs)
        return SeenMany(shown, reply.rate, fault, reply.retry_after)

    async def follow(self, job_id: str, heard: Callable[[Sequence[Hint]], bool], silence: float) -> StreamEnd:
        """Follow a job's stream of events; for arguments see `Source`."""
        parser, time = EventParser(), asyncio.get_running_loop().time
        flow, is_flooded = Flow(time()), False

        def read(piece: bytes) -> bool:
            nonlocal is_flooded
            is_flooded = not flow.allows(piece, time())
            if is_flooded:
                return False
            hints = (self.api.hint(event.data, event.name) for event in parser.feed(piece))
            theirs = [hint for hint in hints if hint is not None and hint.job_id in (None, job_id)]
            return heard(theirs) and not parser.overflowed

        target = self._prepared(self._requests.stream(job_id))
        fault = await self.transport.follow(target, read, silence=silence)
        if is_flooded:
            fault = Fault(FaultKind.UNREADABLE, "the stream brings more than any job has to tell")
        if parser.overflowed:
            fault = Fault(FaultKind.UNREADABLE, f"an event of over {EVENT_CAP} bytes")
        return StreamEnd(fault, parser.overflowed)

    async def aclose(self) -> None:
        """Close every connection; what is under way ends with a fault."""
        await self.transport.aclose()

    async def token_fault(self) -> Fault | None:
        """Have a token, where it comes from a function; return why there is none."""
        return None if self._renewal is None else await self._renewal.fresh()

    def secrets(self) -> frozenset[str]:
        """Return the secrets that are sent, in every spelling, and those that were sent before them."""
        return self._requests.secrets()

    # --- within --------------------------------------------------------------------------------------------

    def _wait(self, reply: Reply, job_id: str, memo: object) -> float | None:
        """Return for how many seconds not to ask again: the longer of what a reply's header and body say."""
        if reply.http_status == 304:
            told = memo.retry_after if isinstance(memo, Memo) else None
        else:
            told = self.api.retry_after(reply.body, job_id)
        return max((each for each in (reply.retry_after, told) if each is not None), default=None)

    def _transport(self, max_connections: int, max_body: int | None, timeout: float | None) -> Transport:
        api, requests = self.api, self._requests
        self._renewal = requests.renewal(self._send_anew)
        kind = Transport if self._renewal is None else RenewingTransport
        transport = kind(
            requests.base_url(),
            requests.headers(),
            secret_query=requests.secret_query(),
            secrets=requests.token_secrets(),
            problem=api.problem,
            verdict=api.verdict,
            retry_after=None if api.read_retry_after is None else api.retry_after,
            states=api.states,
            posts=api.method == "POST" or api.batch_body is not None,
            max_body=max_body or api.max_body or MAX_BODY,
            timeout=api.request_timeout if timeout is None else timeout,
            max_connections=max_connections,
        )
        if isinstance(transport, RenewingTransport) and self._renewal is not None:
            transport.renew_by(self._renewal)
        return transport

    def _send_anew(self) -> None:
        requests = self._requests
        self.transport.send_with(requests.headers(), requests.secret_query(), requests.token_secrets())

    async def _with_history(self, seen: Seen, job: Job, turn: Turn) -> Seen:
        answered_at = asyncio.get_running_loop().time()
        job, fault = await self._told(job, turn)
        return replace(seen, what=job, age=asyncio.get_running_loop().time() - answered_at, aside=fault)

    async def _told(self, job: Job, turn: Turn) -> tuple[Job, Fault | None]:
        """Add the history of a job, where it can be read: without it, the job is known all the same."""
        if await turn() is not None:
            return job, None
        reply = await self.transport.get(self._prepared(self._requests.history(job.id)), turn=turn)
        if isinstance(reply, Fault):
            return job, reply
        events = self.api.history(reply.body)
        return job if events is None else replace(job, events=events), None

    def _target_of(self, job_id: str, hold: float) -> Target:
        if self.long_poll:
            return self._held_target(job_id, hold if self.tells_hold else self.long_poll)
        target = self._targets[job_id] = self._prepared(self._requests.job(job_id))
        if len(self._targets) > _TARGETS_KEPT:
            del self._targets[next(iter(self._targets))]
        return target

    def _held_target(self, job_id: str, hold: float) -> Target:
        """Return the URL of a job with how long it may be held, which is another one each time."""
        asked = self._requests.job(job_id, int(hold))
        target = self._prepared(asked)
        target.headers = asked.headers
        target.limit = max(self._request_timeout, hold + _BEYOND_HOLD) if hold else 0.0
        return target

    def _prepared(self, asked: Asked) -> Target:
        return self.transport.prepared(asked.path, asked.query, asked.body)

    def _masked(self, seen: _T | Fault) -> _T | Fault:
        return self._requests.quiet(seen) if isinstance(seen, Fault) else seen


def _believed_until(job: Job, reply: Reply) -> float:
    """Return until when a validator is sent back, on the loop's clock."""
    began = job.started_at or job.created_at
    age = 0.0 if began is None or reply.server_time is None else reply.server_time - began.timestamp()
    return asyncio.get_running_loop().time() + min(max(_BELIEVED_AT_LEAST, age / 10), _BELIEVED_AT_MOST)


def _is_same_again(memo: object, reply: Reply, fingerprint: int) -> bool:
    return reply.http_status == 304 or fingerprint == (memo.fingerprint if isinstance(memo, Memo) else memo)


def _is_known(status: str | None, job: Job) -> bool:
    return status is not None and lowered(status) == lowered(job.status)
