"""The server itself: routes, tokens, rate limits and a record of requests."""

from __future__ import annotations

import asyncio
import hashlib
import math
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Literal, Self, Unpack
from urllib.parse import unquote

import msgspec
from aiohttp import web
from anyio.from_thread import BlockingPortal, start_blocking_portal
from msgspec import Struct
from multidict import CIMultiDictProxy

from .._errors import ConfigError
from .._models import JSON
from ._answer import Answer, Dialect, json_answer
from ._bedrock import (
    BEDROCK,
    HEARTBEAT,
    HEARTBEAT_EVERY,
    STREAM_SECONDS,
    VERSIONS,
    unsupported,
)
from ._capydb import CAPYDB, LIST_LIMIT
from ._job import JobOptions, Script, ServedJob, Steps, checked
from ._neutral import NEUTRAL, Asked, Pages, Served, Target, answered, forgotten_at, holds, of_its_time, target_of
from ._troubles import Kind, Trouble, edited, replaced
from ._wire import ServerClosed, Wire

_DIALECTS = {dialect.name: dialect for dialect in (BEDROCK, CAPYDB, NEUTRAL)}
# Bedrock sends its rate headers even without a limit; this one, like its tier "Enterprise: custom", is out of reach.
_UNLIMITED = (1_000_000, 60.0)
_ONE_PAGE = Pages()
_REQUESTS_KEPT = 100_000
_STEPS = 3
"""How many steps of the loop it takes at most from accepting a connection to knowing it."""
_CLOCK_READ_EVERY = 0.02
"""How often a stream reads a clock that was given, in seconds: it may jump at any time."""
_OF_STREAMS = frozenset(
    {Kind.STATUS, Kind.BODY, Kind.RAW, Kind.RESET, Kind.DISCONNECT, Kind.HANG, Kind.LATE, Kind.TRUNCATED}
)


class Quota(Struct, frozen=True):
    """What one request found: whether it is allowed, what is left, and when the window ends (server's time, s)."""

    allowed: bool
    limit: int
    remaining: int
    resets_at: float


class RateLimit:
    """A fixed window of requests, as https://docs.bedrock.cv/api-reference/rate-limits.md describes it.

    The time comes in as an argument.
    """

    def __init__(self, limit: int, window: float) -> None:
        if limit < 1 or not 0.0 < window < math.inf:
            raise ConfigError(
                f"rate_limit=({limit}, {window}) allows nothing: give (requests, seconds), both above zero"
            )
        self._limit = limit
        self._window = window
        self._used = 0
        self._ends = 0.0

    def take(self, now: float) -> Quota:
        """Count one request made at this moment, and return what it found."""
        if now >= self._ends:
            self._used = 0
            self._ends = (math.floor(now / self._window) + 1) * self._window
        self._used += 1
        left = max(0, self._limit - self._used)
        return Quota(self._used <= self._limit, self._limit, left, self._ends)


class Request(Struct, frozen=True):
    """One request as the server received it.

    Attributes:
        method: Its HTTP method.
        path: Its path, still percent-encoded.
        query: Its query, decoded; of a name that comes twice, the last value.
        headers: Its headers, under any case.
        at: Seconds since the server was started.
        api: The name of the API it was meant for.
        job_id: The job it asked for, if it asked for one.
        project_id: The project whose jobs it asked for, if it did.
        is_for_stream: Whether it asked for the stream of the job's events.
        body: What was sent with it.
        path_and_query: Its path and query as they were sent.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDictProxy[str]
    at: float
    api: str
    job_id: str | None = None
    project_id: str | None = None
    is_for_stream: bool = False
    body: bytes = b""
    path_and_query: str = ""


class _Renewal(Struct):
    """A token that takes the place of the present one, and when: at a time, and from so many requests received on."""

    token: str
    at: float
    received: float


class _Queued(Struct):
    """A trouble in the queue, which requests it is for, and how often it is still to happen (None: always)."""

    trouble: Trouble
    left: int | None
    api: str | None
    job_id: str | None
    stream: bool
    path: str


class JobServer:
    """An HTTP server on loopback that speaks Bedrock's and CapyDB's job APIs and a neutral one, and runs scripted jobs.

    ``async with`` runs it in the event loop that is there, ``with`` in a thread of its own, which serves tests without
    async and subprocesses as well; its methods may then be called from any thread.

    The neutral API does what other servers do and these two vendors do not; `jobwatch.testing` lists its paths.

    Attributes:
        token: The token it accepts, as ``Authorization: Bearer`` or ``X-API-Key``; may be changed at any time.
        pages: How the neutral API answers with long lists; may be changed at any time.
    """

    def __init__(
        self,
        *,
        token: str | None = "sk_test",  # noqa: S107 - a token for tests
        port: int = 0,
        rate_limit: tuple[int, float] | None = None,
        clock: Callable[[], float] | None = None,
        epoch: datetime | None = None,
        etags: bool | Literal["constant"] = False,
        streams: bool = True,
        pages: Pages = _ONE_PAGE,
    ) -> None:
        """Make a server; nothing listens before `start`.

        Args:
            token: The only token that is let in, or None to let in everybody.
            port: The port on 127.0.0.1; 0 takes a free one.
            rate_limit: Requests allowed, and the window in seconds; counted for each API by itself.
            clock: Returns seconds, only ever growing; by default the running loop's clock.
            epoch: The wall time at which the server starts, with a zone; by default the real one.
            etags: Whether an answer to GET has an ETag and If-None-Match is honoured; neither vendor documents it.
                "constant": with one that stays the same when the job changes, as that of some servers does.
            streams: Whether jobs have streams of events; otherwise requests for one are answered with 404.
            pages: How the neutral API answers with long lists.

        Raises:
            ConfigError: The limit allows nothing, or the epoch has no zone.
        """
        if epoch is not None and epoch.tzinfo is None:
            raise ConfigError("epoch has no zone: give one, as in datetime(2024, 6, 17, tzinfo=timezone.utc)")
        self.token = token
        self.pages = pages
        self._renewal: _Renewal | None = None
        self._port = port
        self._etags = etags
        self._streams = streams
        self._limits = {name: RateLimit(*(rate_limit or _UNLIMITED)) for name in _DIALECTS}
        self._clock = clock
        self._clock_was_given = clock is not None
        self._started_at: float | None = None
        self._epoch = epoch
        self._jobs: dict[tuple[str, str], ServedJob] = {}
        self._troubles: list[_Queued] = []
        self._requests: deque[Request] = deque(maxlen=_REQUESTS_KEPT)
        self._counted = 0
        self._received = 0
        self._wire = Wire()
        self._runner: web.ServerRunner | None = None
        self._listening: socket.socket | None = None
        self._portal: BlockingPortal | None = None
        self._leave: ExitStack | None = None

    async def start(self) -> None:
        """Listen; after `aclose` on the same port again, as a server that was down.

        Raises:
            ConfigError: It is listening already, or the port is taken.
        """
        await self._in_its_loop(self._start)

    async def aclose(self) -> None:
        """Close every connection and stop listening; may be called twice, and from another task than `start`."""
        await self._in_its_loop(self._stop)

    async def __aenter__(self) -> Self:
        """Run in this event loop, as long as the block lasts."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.aclose()

    def __enter__(self) -> Self:
        """Run in a thread of its own, as long as the block lasts: for tests without async, and for subprocesses."""
        if self._leave is not None:
            raise ConfigError("the job server runs in a thread of its own already")
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal(name="jobwatch job server"))
            stack.callback(setattr, self, "_portal", None)
            stack.callback(self._portal.call, self._stop)
            self._portal.call(self._start)
            self._leave = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and end the thread."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave.close()

    async def _in_its_loop(self, function: Callable[[], Awaitable[None]]) -> None:
        if self._portal is None:
            await function()
        else:
            await asyncio.wrap_future(self._portal.start_task_soon(function))

    async def _start(self) -> None:
        if self._runner is not None:
            raise ConfigError(f"the job server is already listening on port {self._port}")
        if self._started_at is None:
            self._clock = self._clock or asyncio.get_running_loop().time
            self._started_at = self._clock()
            self._epoch = self._epoch or datetime.fromtimestamp(time.time(), UTC)
        self._wire = Wire()
        # A handler must end when its client goes away, or one that hangs would hang for good.
        runner = web.ServerRunner(web.Server(self._served, handler_cancellation=True, access_log=None))
        await runner.setup()
        try:
            listening = socket.create_server(("127.0.0.1", self._port))
            await web.SockSite(runner, listening).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(f"cannot listen on 127.0.0.1:{self._port}: {error.strerror}") from error
        self._runner, self._listening = runner, listening
        self._port = int(runner.addresses[0][1])

    async def _stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            self._wire.close()
            await self._accept_no_more()
            await runner.cleanup()

    async def _accept_no_more(self) -> None:
        """Let connections that have just been accepted begin: to close their server before leaves them open for good.

        In CPython 3.11 an assertion of `asyncio.Server._attach` then fails in the task that was to begin them.
        """
        listening, self._listening = self._listening, None
        if listening is not None:
            with suppress(NotImplementedError):  # the loop of Windows has no readers
                asyncio.get_running_loop().remove_reader(listening)
        for _ in range(_STEPS):
            await asyncio.sleep(0)

    def url_of(self, api: str) -> str:
        """Return the base URL of an API on this server.

        Raises:
            ConfigError: There is no such API, or the server was never started.
        """
        checked(api, {})
        if not self._port:
            raise ConfigError("the job server has no address yet: start it first")
        return f"http://127.0.0.1:{self._port}{_DIALECTS[api].root}"

    def add(self, api: str, job_id: str, steps: Steps, **options: Unpack[JobOptions]) -> ServedJob:
        """Add a job, and return it to be watched and moved.

        Args:
            api: "bedrock", "capydb" or "neutral".
            job_id: Its id.
            steps: Its states in order, each with the seconds from now at which it is entered; before the first one
                the job is not known (404). A plain word is entered together with the one before it, the first at
                once: ``["PENDING"]`` is a job to be moved by `ServedJob.advance`.
            options: The fields of its record; see `JobOptions`.

        Raises:
            ConfigError: There is no such API, shape or option, the id is taken, or the steps are not in order.
        """
        checked(api, options)
        if not job_id or (api, job_id) in self._jobs:
            raise ConfigError(f"job id {job_id!r} is empty or taken on {api}: give each job an id of its own")
        job = ServedJob(api, job_id, Script.of(steps, self.now()), options, self.now)
        self._jobs[api, job_id] = job
        return job

    def remove(self, job: ServedJob) -> None:
        """Forget a job, so that it is answered with 404 from now on."""
        self._jobs.pop((job.api, job.id), None)

    def trouble(
        self,
        trouble: Trouble,
        times: int | None = 1,
        *,
        job_id: str | None = None,
        api: str | None = None,
        stream: bool = False,
        path: str = "",
    ) -> None:
        """Make later requests go wrong; troubles wait in a queue, and each request meets at most one.

        Args:
            trouble: What goes wrong.
            times: How many requests it happens to, or None for all until `calm`.
            job_id: Only requests for this job; None for any request, lists too.
            api: Only requests to this API; None for all.
            stream: Whether it happens to requests for streams, which meet no other trouble. A stream may be refused,
                never answered, late, or truncated: cut off after so many bytes.
            path: Only requests whose path and query have this text in them, such as "page=2".

        Raises:
            ConfigError: `times` is below 1, or there is no such API, or a stream cannot go wrong so.
        """
        if times is not None and times < 1:
            raise ConfigError(f"times={times} never happens: give 1 or more, or None for always")
        if api is not None:
            checked(api, {})
        if stream and trouble.kind not in _OF_STREAMS:
            raise ConfigError(f"a stream cannot go wrong by {trouble}: see JobServer.trouble")
        self._troubles.append(_Queued(trouble, times, api, job_id, stream, path))

    def calm(self) -> None:
        """Drop all troubles that are still to come."""
        self._troubles.clear()

    def renew_token(self, token: str, *, seconds: float = math.inf, requests: float = math.inf) -> None:
        """Accept another token beside the present one, which expires: from then on it is answered with 401.

        Args:
            token: The new token.
            seconds: Seconds after which the present one has expired.
            requests: Or the number of requests after which it has; at once, if neither is given.
        """
        at_once = seconds == requests == math.inf
        self._renewal = _Renewal(token, self.now() + (0.0 if at_once else seconds), self._received + requests)

    @property
    def requests(self) -> list[Request]:
        """The requests received so far, the oldest first; the latest 100,000 of them."""
        return list(self._requests)

    def now(self) -> float:
        """Return the seconds since the server was first started."""
        if self._clock is None or self._started_at is None:
            return 0.0
        return self._clock() - self._started_at

    async def _served(self, request: web.BaseRequest) -> web.StreamResponse:
        received = _read(request, self.now(), await request.read())
        self._received += 1
        self._requests.append(received)
        job = self._jobs.get((received.api, received.job_id or ""))
        trouble = self._next_trouble(received)
        if received.is_for_stream:
            return await self._served_stream(request, received, job, trouble)
        if job is not None and trouble is None and await self._held(received, job):
            answer = self._dated(self._answered(received, trouble), self.now())
            return await self._wire.send(request, answer, trouble)
        # Made before whoever waits for this look is woken, since they may change the job at once.
        answer = self._dated(self._answered(received, trouble), received.at)
        if job is not None:
            job.count_look()
        return await self._wire.send(request, answer, trouble)

    async def _held(self, received: Request, job: ServedJob) -> bool:
        """Hold a request that asks for it until its job is in another state, or its time is over."""
        target = _target(received)
        if target is None or not holds(target, job, received.at) or not self._is_authorized(received):
            return False
        ends, steps = received.at + target.wait, len(job.until(received.at))
        job.held += 1
        job.count_look()
        try:
            changed = job.changed  # taken before the state is read, which another thread may change
            while (now := self.now()) < ends and len(job.until(now)) == steps:
                pause = min(job.next_step_at(now), ends) - now
                await self._wire.wait(changed, min(_CLOCK_READ_EVERY, pause) if self._clock_was_given else pause)
                changed = job.changed
        except ServerClosed:
            return True  # nobody reads what is answered now
        finally:
            job.held -= 1
        return True

    async def _served_stream(
        self, request: web.BaseRequest, received: Request, job: ServedJob | None, trouble: Trouble | None
    ) -> web.StreamResponse:
        answer = self._dated(self._answered(received, trouble), received.at)
        if job is None or answer.status != 200 or (trouble is not None and trouble.kind is Kind.BODY):
            return await self._wire.send(request, answer, trouble)
        job.count_stream()
        answer = msgspec.structs.replace(answer, content_type="text/event-stream", body=b"")
        return await self._wire.stream(request, answer, self._stream_of(job), trouble)

    async def _stream_of(self, job: ServedJob) -> AsyncIterator[bytes]:
        """Yield a job's stream, beginning with the state that it is in."""
        dialect = _DIALECTS[job.api]
        if dialect.event is None or dialect.is_last is None:
            return
        begun = last_heartbeat = now = self.now()
        sent = len(job.until(now)) - 1
        while now < begun + STREAM_SECONDS:
            changed = job.changed
            for step in job.until(now)[sent:]:
                sent += 1
                yield dialect.event(job.id, step, job.options, self._epoch or datetime.now(UTC))
                if dialect.is_last(step, job.options):
                    return
            if now >= last_heartbeat + HEARTBEAT_EVERY:
                last_heartbeat = now
                yield HEARTBEAT
            until = min(job.next_step_at(now), last_heartbeat + HEARTBEAT_EVERY, begun + STREAM_SECONDS)
            pause = min(_CLOCK_READ_EVERY, until - now) if self._clock_was_given else until - now
            await self._wire.wait(changed, pause)
            now = self.now()

    def _next_trouble(self, received: Request) -> Trouble | None:
        for queued in list(self._troubles):
            fits = queued.api in {None, received.api} and queued.job_id in {None, received.job_id}
            if fits and queued.stream is received.is_for_stream and queued.path in received.path_and_query:
                if queued.left is not None:
                    queued.left -= 1
                    if not queued.left and queued in self._troubles:  # else another thread has calmed it
                        self._troubles.remove(queued)
                return queued.trouble
        return None

    def _answered(self, received: Request, trouble: Trouble | None) -> Answer:
        if trouble is not None and trouble.kind is Kind.BODY:
            return replaced(trouble)
        self._counted += 1
        request_id = f"req_{self._counted:08d}"
        quota = self._limits[received.api].take(received.at)
        answer = self._routed(received, trouble, request_id, quota)
        if trouble is not None and trouble.kind is Kind.STATUS:
            answer = _restated(answer, trouble, _DIALECTS[received.api], request_id)
        elif self._etags and answer.status == 200 and received.method != "POST":
            subject = received.path.encode() if self._etags == "constant" else answer.body
            answer = _tagged(answer, subject, received.headers.get("If-None-Match", ""))
        if received.api == NEUTRAL.name and trouble is not None and trouble.kind is Kind.STALE:
            answer = answer.plus({"Age": str(math.ceil(trouble.seconds or 0.0))})
        return self._labelled(answer, quota, request_id) if received.api == BEDROCK.name else answer

    def _routed(self, received: Request, trouble: Trouble | None, request_id: str, quota: Quota) -> Answer:
        problem = _DIALECTS[received.api].problem
        version = received.headers.get("X-API-Version", VERSIONS[0])
        if not self._is_authorized(received):
            return problem(401, request_id, None)
        if not quota.allowed:
            wait = max(1, math.ceil(quota.resets_at - received.at))
            return problem(429, request_id, None).plus({"Retry-After": str(wait)})
        if received.api == BEDROCK.name and version not in VERSIONS:
            return problem(400, request_id, unsupported(version))
        if received.api == NEUTRAL.name:
            return self._neutral(received, trouble, request_id)
        if received.method != "GET":
            return problem(405, request_id, None).plus({"Allow": "GET"})
        if received.project_id is not None:
            return self._listed(received, trouble, request_id)
        return self._shown(received, trouble, request_id)

    def _neutral(self, received: Request, trouble: Trouble | None, request_id: str) -> Answer:
        target = _target(received)
        if target is None or (received.is_for_stream and not self._streams):
            return NEUTRAL.problem(404, request_id, "there is no such path")
        now = self.now()  # a held request is answered as its job is now
        return answered(Asked(target, received.method, received.path, received.query), self._as_served(now, trouble))

    def _as_served(self, now: float, trouble: Trouble | None) -> Served:
        """Return what the neutral API answers from."""
        lag = _lag(trouble)
        return Served(
            {job.id: job for job in list(self._jobs.values()) if job.api == NEUTRAL.name},
            lambda job: self._record(job, now, trouble),
            lambda job: job.until(now - lag),
            f"http://127.0.0.1:{self._port}",
            self.pages,
            self._epoch or datetime.now(UTC),
        )

    def _shown(self, received: Request, trouble: Trouble | None, request_id: str) -> Answer:
        dialect = _DIALECTS[received.api]
        if received.is_for_stream and not self._streams:
            return dialect.problem(404, request_id, None)
        job = self._jobs.get((received.api, received.job_id or ""))
        record = None if job is None else self._record(job, received.at, trouble)
        if job is None or record is None:
            detail = "job not found" if dialect is CAPYDB and received.job_id is not None else None
            return dialect.problem(404, request_id, detail)
        return json_answer(dialect.reply(record, job.options))

    def _listed(self, received: Request, trouble: Trouble | None, request_id: str) -> Answer:
        asked = received.query.get("limit", str(LIST_LIMIT))
        if not (asked.isascii() and asked.isdigit() and int(asked) > 0):
            return CAPYDB.problem(400, request_id, "limit must be a positive integer")
        # Newest first; of two that begin at the same moment, the one added later.
        found: list[tuple[float, int, ServedJob, JSON]] = []
        for order, job in enumerate(list(self._jobs.values())):
            if job.api == CAPYDB.name and job.options.get("project_id") == received.project_id:
                record = self._record(job, received.at, trouble)
                if record is not None:
                    found.append((job.until(received.at)[0].at, order, job, record))
        newest = sorted(found, key=lambda one: one[:2], reverse=True)[: int(asked)]
        for _, _, job, _ in newest:
            job.listed += 1
        jobs: JSON = [record for _, _, _, record in newest]
        return json_answer({"jobs": jobs or None})

    def _record(self, job: ServedJob, now: float, trouble: Trouble | None) -> dict[str, JSON] | None:
        now -= _lag(trouble)
        steps = job.until(now)
        if not steps or self._epoch is None:
            return None
        dialect = _DIALECTS[job.api]
        record = dialect.record(job.id, steps, job.options, self._epoch)
        if dialect is NEUTRAL:
            if now >= forgotten_at(job):
                return None
            record |= of_its_time(job, steps, now, self._as_served(now, None))
        record |= dict(job.options.get("extra", {}))
        return record if trouble is None else edited(record, trouble, dialect.id_field(job.options))

    def _is_authorized(self, received: Request) -> bool:
        scheme, _, bearer = received.headers.get("Authorization", "").partition(" ")
        given = bearer.strip() if scheme.casefold() == "bearer" else received.headers.get("X-API-Key")
        renewal = self._renewal
        if renewal is not None and (received.at >= renewal.at or self._received > renewal.received):
            self.token, self._renewal = renewal.token, None
        elif renewal is not None and given == renewal.token:
            return True
        return self.token is None or given == self.token

    def _dated(self, answer: Answer, now: float) -> Answer:
        """Add the Date of the server's own time, which need not be the real one."""
        if self._epoch is None or any(name.casefold() == "date" for name, _ in answer.headers):
            return answer
        moment = self._epoch.astimezone(UTC) + timedelta(seconds=now)
        return answer.plus({"Date": format_datetime(moment, usegmt=True)})

    def _labelled(self, answer: Answer, quota: Quota, request_id: str) -> Answer:
        """Add the headers of every Bedrock answer (https://docs.bedrock.cv/api-reference/rate-limits.md)."""
        started = 0.0 if self._epoch is None else self._epoch.timestamp()
        usual = {
            "X-Request-Id": request_id,
            "X-RateLimit-Limit": str(quota.limit),
            "X-RateLimit-Remaining": str(quota.remaining),
            "X-RateLimit-Reset": str(math.ceil(started + quota.resets_at)),
        }
        given = {name.casefold() for name, _ in answer.headers}
        return answer.plus({name: value for name, value in usual.items() if name.casefold() not in given})


def _lag(trouble: Trouble | None) -> float:
    """Return how many seconds old an answer is by a trouble."""
    return (trouble.seconds or 0.0) if trouble is not None and trouble.kind is Kind.STALE else 0.0


def _target(received: Request) -> Target | None:
    """Return what a request to the neutral API asks about."""
    if received.api != NEUTRAL.name:
        return None
    parts = [unquote(part) for part in received.path.split("/")[2:]]
    return target_of(received.method, parts, received.query, received.headers, received.body)


def _read(request: web.BaseRequest, now: float, body: bytes) -> Request:
    url = request.rel_url
    parts = [unquote(part) for part in url.raw_path.split("/")[1:]]
    root = CAPYDB.root.split("/")[1:]
    api, job_id, project_id, is_for_stream = BEDROCK.name, None, None, False
    if parts[: len(root)] == root:
        api = CAPYDB.name
    match parts:
        case ["jobs", one] if api == BEDROCK.name:
            job_id = one
        case ["jobs", one, "stream"] if api == BEDROCK.name:
            job_id, is_for_stream = one, True
        case [_, _, "v1", "jobs", one] if api == CAPYDB.name:
            job_id = one
        case [_, _, "v1", "projects", project, "jobs"] if api == CAPYDB.name:
            project_id = project
        case _:
            pass
    query = dict(url.query)
    if parts[:1] == NEUTRAL.root.split("/")[1:]:
        target = target_of(request.method, parts[1:], query, request.headers, body)
        api, job_id, project_id = NEUTRAL.name, target.job_id, target.project_id
        is_for_stream = target.is_for_stream
    return Request(
        request.method,
        url.raw_path,
        query,
        request.headers,
        now,
        api,
        job_id,
        project_id,
        is_for_stream,
        body,
        str(request.raw_path),
    )


def _restated(answer: Answer, trouble: Trouble, dialect: Dialect, request_id: str) -> Answer:
    if trouble.code >= 400:
        answer = dialect.problem(trouble.code, request_id, None)
    elif trouble.code >= 300:
        answer = Answer(trouble.code)
    else:
        answer = msgspec.structs.replace(answer, status=trouble.code)
    return answer.plus(trouble.headers)


def _tagged(answer: Answer, subject: bytes, known: str) -> Answer:
    tag = f'"{hashlib.sha256(subject).hexdigest()[:20]}"'
    held = {one.strip().removeprefix("W/") for one in known.split(",")}
    unchanged = tag in held or "*" in held
    return (Answer(304) if unchanged else answer).plus({"ETag": tag})
