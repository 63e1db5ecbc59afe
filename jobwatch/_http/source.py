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
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from .._core.source import Seen, SeenMany, StreamEnd
from .._models import UNCHANGED, Fault, FaultKind, Job, Phase
from .._reading.reply import Reply
from .._reading.started import Response, found_in
from .._reading.words import ABSENT, lowered
from .headers import http_date, retry_after
from .late import LateImport
from .renewing import RenewingTransport, transport_for
from .requests import Asked, Requests
from .sse import EVENT_CAP, EventParser, Flow, unframed
from .tasks import at_once
from .transport import MAX_BODY, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from .._core.moves import Place
    from .._core.source import Turn
    from .._reading.api import Detail, Hint, JobAPI
    from .._reading.pages import Items, Paging
    from .._reading.started import Found, Started
    from .pages import Pages
    from .renewal import Renewal
    from .requests import Given
    from .target import Target
    from .tls import TLSContext

_T = TypeVar("_T")

_TARGETS_KEPT = 256
"""For how many jobs a request is kept ready, which takes longer to make than to find; then it begins anew."""

_FINGERPRINT = 2**60 - 1
"""How much of a hash is kept: 60 bits take two thirds of the room that 64 do, and there may be a million of them."""

_BEYOND_HOLD = 30.0
"""How much longer a look may take than the server may hold it, in seconds."""

_SECOND_TRY = 1.0
"""After how many seconds something of an end that could not be read is asked for once more."""

_MAY_HAVE_FAILED = frozenset({Phase.FAILED, Phase.CANCELLED, Phase.PARTIAL, Phase.FINISHED})
_MAY_HAVE_RESULTS = frozenset({Phase.SUCCEEDED, Phase.PARTIAL, Phase.FINISHED})

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


def _always(_: Reply) -> bool:
    return True


class Joined(Struct, frozen=True):
    """A list that was read to its last page: the pages, and the body of the first with the items of all."""

    pages: tuple[Reply, ...]
    body: bytes

    @property
    def fingerprint(self) -> int:
        """What tells it from one that shows something else."""
        return hash(tuple((page.http_status, page.body, *sorted(page.headers.items())) for page in self.pages))


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
        tls: What to trust and to prove ourselves by, instead of the system's certificates and none.
        transport: What sends the requests, in place of one that is made for them.
        elsewhere: Other origins to which a redirect may lead; see `Transport`.

    Raises:
        ConfigError: Something is missing or wrong; nothing has been sent.
    """

    has_moves = False

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
        tls: TLSContext | None = None,
        transport: Transport | None = None,
        elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        self._requests = Requests(api, given, api_version)
        self.late = LateImport()
        self.late.is_done = transport is not None
        self._importing: asyncio.Task[None] | None = None
        self._begins_without_aiohttp = False
        self.api = api = self._requests.api()
        self.name = api.name
        self._renewal: Renewal | None = None
        self.transport = transport or self._transport(max_connections, max_body, request_timeout, tls, elsewhere)
        self._targets: dict[str, Target] = {}
        self._is_scarce = False
        self._request_timeout = api.request_timeout if request_timeout is None else request_timeout
        self.long_poll = api.long_poll
        self.tells_hold = self._requests.tells_hold
        self._items, self._goes_on = api.items, api.goes_on
        self._hints = api.read_retry_after is not None
        self.has_lists = api.list_path is not None
        self.has_details = api.error is not None or api.result is not None
        self.has_streams = streams and api.stream_path is not None
        self.batch_most = api.batch_most if api.batch_path is not None else 0

    def __repr__(self) -> str:
        return f"HttpSource({self.transport!r})" if hasattr(self, "transport") else "HttpSource()"

    @property
    def key(self) -> str:
        """Where the jobs are: base URL and parameters, without secrets."""
        return self._requests.place()

    @property
    def requests(self) -> Requests:
        """What makes its requests."""
        return self._requests

    def check(self, job_id: str) -> None:
        """Raise ConfigError where a job cannot be asked about by its id."""
        self._requests.check(job_id)

    def started(self, started: Started) -> Found:
        """Return the job that a response started; raise ConfigError where it names none."""
        found = found_in(self.api, _unframed(started), self._requests.id_in)
        asked = _wait_asked(started.headers) if isinstance(started, Response) else None
        if asked is None:
            return found
        return replace(found, retry_after=max(asked, found.retry_after or 0.0))

    def job(
        self,
        job_id: str,
        status: str | None = None,
        memo: object = None,
        turn: Turn = at_once,
        place: Place | None = None,  # noqa: ARG002 - its jobs stay where they are; see `MovingSource`
        *,
        hold: float = 0.0,
    ) -> Coroutine[object, object, Seen]:
        """Ask about one job; for arguments see `Source`."""
        if self.late.is_done and self._items is None:
            return self._job(job_id, status, memo, turn, hold)
        return self._job_otherwise(job_id, status, memo, turn, hold)

    async def _job_otherwise(self, job_id: str, status: str | None, memo: object, turn: Turn, hold: float) -> Seen:
        """Ask about a job before aiohttp is there, or where it stands among others on pages."""
        if not self.late.is_done:
            if self._begins_without_aiohttp and self._items is None and self.transport.begins_without_aiohttp:
                return await self._job_first(job_id, status, turn, hold)
            await self.late.done()
        if self._items is not None:
            return await self._job_in_pages(self._items, job_id, status, memo, turn)
        return await self._job(job_id, status, memo, turn, hold)

    def begin_without_aiohttp(self) -> None:
        """Ask first without aiohttp, if that can be; see `first`."""
        self._begins_without_aiohttp = self.transport.begin_without_aiohttp()

    async def _job_first(self, job_id: str, status: str | None, turn: Turn, hold: float) -> Seen:
        """Ask about a job while aiohttp is not there; where the job goes on, it is imported before the next look."""
        seen = await self._job(job_id, status, None, turn, hold)
        if not (isinstance(seen.what, Job) and seen.what.phase.ended):
            self._importing = asyncio.get_running_loop().create_task(self.late.done(), name="jobwatch import")
        return seen

    async def _job(self, job_id: str, status: str | None, memo: object, turn: Turn, hold: float) -> Seen:
        etag = memo.etag if isinstance(memo, Memo) and self._is_believed(memo) else None
        target = self._targets.get(job_id) or self._target_of(job_id, hold)
        reply = await self.transport.get(target, etag=etag, turn=turn)
        if isinstance(reply, Fault):
            return Seen(reply)
        wait = reply.retry_after
        if self._hints:
            wait = self.wait_told(reply, job_id, memo)
        self._is_scarce = reply.rate is not None and reply.rate.remaining < (reply.rate.limit or 0) / 10
        fingerprint = hash((reply.http_status, reply.body)) & _FINGERPRINT
        if reply.headers:
            fingerprint = hash((fingerprint, *sorted(reply.headers.items()))) & _FINGERPRINT
        if memo is not None and (memo == fingerprint or is_same_again(memo, reply, fingerprint)):
            return Seen(UNCHANGED, memo, rate=reply.rate, looks=reply.looks, retry_after=wait, cached_for=reply.age)
        job = self.api.job(reply.body, job_id, reply.http_status, headers=reply.headers)
        if isinstance(job, Fault):
            job = self._masked(job)
        if self._goes_on is not None and _is_not_there(job, reply) and self._goes_on(reply.body, reply.headers):
            job, fingerprint = await self._found_later(job_id, reply, turn), 0
        if isinstance(job, Fault):
            return Seen(job, rate=reply.rate, looks=reply.looks, retry_after=wait)
        kept: object = fingerprint or None  # what another page shows may change while this one does not
        if fingerprint and reply.etag is not None and not self.api.reads_headers:  # a 304 need not repeat the others
            kept = Memo(fingerprint, reply.etag, believed_until(job, reply), wait)
        seen = Seen(
            job, kept, reply.server_time, 0.0, reply.rate, looks=reply.looks, retry_after=wait, cached_for=reply.age
        )
        if self.api.history_path is None or is_state_known(status, job):
            return seen
        return await self._with_history(seen, job, turn)

    def is_conditional(self, memo: object) -> bool:
        """Return whether a request with this memo may be answered by 304, without a body."""
        return isinstance(memo, Memo) and self._is_believed(memo)

    def _is_believed(self, memo: Memo) -> bool:
        return self._is_scarce or asyncio.get_running_loop().time() < memo.until

    async def project(self, project_id: str, limit: int, turn: Turn = at_once) -> SeenMany:
        """Ask for a project's latest jobs; for arguments see `Source`."""
        if not self.late.is_done:
            await self.late.done()
        target = self.prepared(self._requests.jobs(project_id, limit))
        reply = await self.transport.get(target, turn=turn)
        if isinstance(reply, Fault):
            return SeenMany(reply)
        if self.api.list_pages is None:
            return SeenMany(self._masked(self.api.jobs(reply.body)), reply.rate)
        from .pages import JobsFound  # noqa: PLC0415 - few APIs tell of their jobs in pages

        found = JobsFound(self.api.jobs, lambda jobs: len(jobs) < limit)
        pages = await self._pages(target, self.api.list_pages, reply, turn, found.enter)
        return SeenMany(self._masked(found.on(pages)), pages.replies[-1].rate)

    async def batch(self, known: Mapping[str, str | None], turn: Turn = at_once) -> SeenMany:
        """Ask about several jobs at once; for arguments see `Source`."""
        if not self.late.is_done:
            await self.late.done()
        target = self.prepared(self._requests.batch(known))
        reply = await self.transport.get(target, turn=turn)
        if isinstance(reply, Fault):
            return SeenMany(reply)
        if self.api.batch_pages is None:
            jobs = self._masked(self.api.batch(reply.body, known))
        else:
            from .pages import JobsFound  # noqa: PLC0415 - as above

            read = partial(self.api.batch, job_ids=known)
            found = JobsFound(read, lambda jobs: not known.keys() <= {job.id for job in jobs})
            paging = self.api.batch_pages
            pages = await self._pages(target, paging, reply, turn, found.enter)
            jobs, reply = self._masked(found.on(pages)), pages.replies[-1]
        if isinstance(jobs, Fault) or self.api.history_path is None:
            return SeenMany(jobs, reply.rate, retry_after=reply.retry_after)
        new = [job for job in jobs if job.id in known and not is_state_known(known[job.id], job)]
        async with asyncio.TaskGroup() as group:
            tasks = {job.id: group.create_task(self.told(job, turn)) for job in new}
        told = {job_id: task.result() for job_id, task in tasks.items()}
        fault = next((fault for _, fault in told.values() if fault is not None), None)
        shown = tuple(told[job.id][0] if job.id in told else job for job in jobs)
        return SeenMany(shown, reply.rate, fault, reply.retry_after)

    async def details(self, job: Job, told: Callable[[Job], None], turn: Turn = at_once) -> Fault | None:
        """Ask for what is told of a job's end by requests of its own; for arguments see `Source`."""
        fault = None
        wanted = (self.api.error, _MAY_HAVE_FAILED), (self.api.result, _MAY_HAVE_RESULTS)
        for detail in (detail for detail, phases in wanted if detail is not None and job.phase in phases):
            target = self.prepared(self._requests.detail(detail, job.id))
            found = await self._detail(detail, target, job, turn)
            if isinstance(found, Fault):
                await asyncio.sleep(_SECOND_TRY)
                found = await self._detail(detail, target, job, turn)
            if isinstance(found, Fault):
                fault = found
                continue
            job = found
            told(job)
        return fault

    async def _detail(self, detail: Detail, target: Target, job: Job, turn: Turn) -> Job | Fault:
        if (fault := await turn()) is not None:
            return fault
        reply = await self.transport.get(target, turn=turn)
        return reply if isinstance(reply, Fault) else self._masked(self.api.detailed(detail, reply.body, job))

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
            if not (theirs or self.api.hears_silence):
                return not parser.overflowed
            return heard(theirs) and not parser.overflowed

        target = self.prepared(self._requests.stream(job_id))
        fault = await self.transport.follow(target, read, silence=silence)
        if is_flooded:
            fault = Fault(FaultKind.UNREADABLE, "the stream brings more than any job has to tell")
        if parser.overflowed:
            fault = Fault(FaultKind.UNREADABLE, f"an event of over {EVENT_CAP} bytes")
        return StreamEnd(fault, parser.overflowed)

    def how_far(self, asker: object, since: float) -> str | None:
        """Return how far a question is that has no answer yet; for arguments see `Source`."""
        return self.transport.how_far(asker, since)

    async def aclose(self) -> None:
        """Close every connection; what is under way ends with a fault."""
        if self._importing is not None:
            self._importing.cancel()
        await self.transport.aclose()

    async def token_fault(self) -> Fault | None:
        """Have a token, where it comes from a function; return why there is none."""
        return None if self._renewal is None else await self._renewal.fresh()

    def secrets(self) -> frozenset[str]:
        """Return the secrets that are sent, in every spelling, and those that were sent before them."""
        return self._requests.secrets()

    # --- within --------------------------------------------------------------------------------------------

    def wait_told(self, reply: Reply, job_id: str, memo: object) -> float | None:
        """Return for how many seconds not to ask again: the longer of what a reply's header and body say."""
        if reply.http_status == 304:
            told = memo.retry_after if isinstance(memo, Memo) else None
        else:
            told = self.api.retry_after(reply.body, job_id)
        return max((each for each in (reply.retry_after, told) if each is not None), default=None)

    def _transport(
        self,
        max_connections: int,
        max_body: int | None,
        timeout: float | None,
        tls: TLSContext | None,
        elsewhere: frozenset[str],
    ) -> Transport:
        api, requests = self.api, self._requests
        self._renewal = requests.renewal(self._send_anew)
        kind = transport_for(self._renewal)
        transport = kind(
            requests.base_url(),
            requests.headers(),
            secret_query=requests.secret_query(),
            secrets=requests.other_secrets(),
            problem=api.problem,
            verdict=api.verdict,
            unauthorized=api.unauthorized,
            retry_after=None if api.read_retry_after is None else api.retry_after,
            states=api.states,
            wanted=api.wanted_headers,
            elsewhere=elsewhere,
            proxy=requests.proxy(),
            tls=tls,
            max_body=max_body or api.max_body or MAX_BODY,
            timeout=api.request_timeout if timeout is None else timeout,
            max_connections=max_connections,
        )
        if isinstance(transport, RenewingTransport) and self._renewal is not None:
            transport.renew_by(self._renewal)
        return transport

    def _send_anew(self) -> None:
        requests = self._requests
        self.transport.send_with(requests.headers(), requests.secret_query(), requests.other_secrets())

    async def _pages(
        self, target: Target, paging: Paging, first: Reply, turn: Turn, wants_more: Callable[[Reply], bool] = _always
    ) -> Pages:
        from .pages import pages_of  # noqa: PLC0415 - as above

        complete = self._completed if self.api.query else None
        return await pages_of(
            self.transport, target, paging, first, turn=turn, wants_more=wants_more, complete=complete
        )

    def _completed(self, path_and_query: str) -> str:
        path, _, query = path_and_query.partition("?")
        asked = self._requests.with_query(Asked(path, query or None))
        return f"{path}?{asked.query}" if asked.query else path

    async def _found_later(self, job_id: str, first: Reply, turn: Turn) -> Job | Fault:
        """Look for a job on the further pages of a list; what is told of one that is on none is believed twice only."""
        found = await self._on_later_pages(job_id, first, turn)
        if not (isinstance(found, Job) and found.phase.ended and _is_not_there(found, first)):
            return found
        if (fault := await turn()) is not None:
            return fault
        again = await self.transport.get(self._targets.get(job_id) or self._target_of(job_id), turn=turn)
        if isinstance(again, Fault):
            return again
        there = self._masked(self.api.job(again.body, job_id, again.http_status, headers=again.headers))
        return await self._on_later_pages(job_id, again, turn) if _is_not_there(there, again) else there

    async def _on_later_pages(self, job_id: str, first: Reply, turn: Turn) -> Job | Fault:
        from .._reading.pages import Paging  # noqa: PLC0415 - as above

        found: list[Job | Fault] = []

        def is_not_yet_found(page: Reply) -> bool:
            if page is first:
                return True
            found.append(self._masked(self.api.job(page.body, job_id, page.http_status, headers=page.headers)))
            return _is_not_there(found[-1], page)

        target = self._targets.get(job_id) or self._target_of(job_id)
        pages = await self._pages(target, self.api.search or Paging(), first, turn, is_not_yet_found)
        if pages.fault is not None:
            return self._masked(pages.fault)
        nowhere = "the job is not on the first page of a list that goes on: next_page in its table says where"
        return found[-1] if found else Fault(FaultKind.UNREADABLE, nowhere)

    async def _job_in_pages(self, items: Items, job_id: str, status: str | None, memo: object, turn: Turn) -> Seen:
        """Ask about a job that is told by a list in pages: no validator is sent, as it would be that of one page."""
        answered_at = asyncio.get_running_loop().time()
        read = await self._read_pages(items, job_id, turn)
        if isinstance(read, Fault):
            return Seen(self._masked(read))
        first = read.pages[0]
        wait = self.wait_told(first, job_id, memo) if self._hints or first.retry_after is not None else None
        if memo is not None and memo == read.fingerprint:
            return Seen(UNCHANGED, memo, rate=first.rate, looks=first.looks, retry_after=wait)
        job = self._masked(self.api.job(read.body, job_id, first.http_status, headers=first.headers))
        if isinstance(job, Job) and job.phase.ended:
            job = await self._proved(items, read, job, turn)
        age = asyncio.get_running_loop().time() - answered_at if len(read.pages) > 1 else 0.0
        if isinstance(job, Fault):
            return Seen(job, rate=first.rate, looks=first.looks, retry_after=wait)
        seen = Seen(job, read.fingerprint, first.server_time, age, first.rate, looks=first.looks, retry_after=wait)
        if self.api.history_path is None or is_state_known(status, job):
            return seen
        return await self._with_history(seen, job, turn)

    async def _proved(self, items: Items, read: Joined, job: Job, turn: Turn) -> Job | Fault:
        """Return a job whose end one reading of its pages tells, as far as that is proved; else why it is not."""
        if (doubt := items.doubt(read.body, len(read.pages))) is not None:
            return Fault(FaultKind.UNREADABLE, f"the list tells of an end ({job.status}), but {doubt}")
        if len(read.pages) == 1:
            return job
        if (fault := await turn()) is not None:
            return fault
        again = await self._read_pages(items, job.id, turn)
        if isinstance(again, Fault):
            return self._masked(again)
        first = again.pages[0]
        second = self._masked(self.api.job(again.body, job.id, first.http_status, headers=first.headers))
        if isinstance(second, Fault):
            return second
        if second.phase.ended and (doubt := items.doubt(again.body, len(again.pages))) is not None:
            return Fault(FaultKind.UNREADABLE, f"the list tells of an end ({job.status}), but {doubt}")
        from .._reading.pages import confirmed  # noqa: PLC0415 - as above

        return confirmed(job, second)

    async def _read_pages(self, items: Items, job_id: str, turn: Turn) -> Joined | Fault:
        """Read a list to its last page: where one of them cannot be read, there is no shorter list, but a fault."""
        target = self._targets.get(job_id) or self._target_of(job_id)
        reply = await self.transport.get(target, turn=turn)
        if isinstance(reply, Fault):
            return reply
        pages = await self._pages(target, items.paging, reply, turn)
        if pages.fault is not None:
            return pages.fault
        if any(page.http_status != reply.http_status for page in pages.replies):
            return Fault(FaultKind.UNREADABLE, "its pages have several HTTP statuses")
        bodies = [page.body for page in pages.replies]
        body = items.joined(bodies)
        return body if isinstance(body, Fault) else Joined(pages.replies, body)

    async def _with_history(self, seen: Seen, job: Job, turn: Turn) -> Seen:
        answered_at = asyncio.get_running_loop().time()
        job, fault = await self.told(job, turn)
        return replace(seen, what=job, age=asyncio.get_running_loop().time() - answered_at, aside=fault)

    async def told(self, job: Job, turn: Turn) -> tuple[Job, Fault | None]:
        """Add the history of a job, where it can be read: without it, the job is known all the same."""
        if await turn() is not None:
            return job, None
        target = self.prepared(self._requests.history(job.id))
        reply = await self.transport.get(target, turn=turn)
        if isinstance(reply, Fault):
            return job, reply
        if self.api.history_pages is None:
            events = self.api.history(reply.body)
            return job if events is None else replace(job, events=events), None
        pages = await self._pages(target, self.api.history_pages, reply, turn)
        told = self.api.history_on([each.body for each in pages.replies])
        if told is None:
            return job, pages.fault
        events, is_whole = told
        return replace(job, events=events, has_more_events=not is_whole or pages.fault is not None), pages.fault

    def _target_of(self, job_id: str, hold: float = 0.0) -> Target:
        if self.long_poll:
            return self._held_target(job_id, hold if self.tells_hold else self.long_poll)
        target = self.prepared(self._requests.job(job_id))
        if self._requests.is_dated:
            return target
        if len(self._targets) >= _TARGETS_KEPT:
            self._targets.clear()
        self._targets[job_id] = target
        return target

    def _held_target(self, job_id: str, hold: float) -> Target:
        """Return the URL of a job with how long it may be held, which is another one each time."""
        asked = self._requests.job(job_id, int(hold))
        target = self.prepared(asked)
        target.limit = max(self._request_timeout, hold + _BEYOND_HOLD) if hold else 0.0
        return target

    def prepared(self, asked: Asked) -> Target:
        """Return a request ready for any number of looks."""
        if self.api.query:
            asked = self._requests.with_query(asked)
        target = self.transport.prepared(asked.path, asked.query, asked.body)
        if asked.headers is not None or asked.is_head:
            target.headers, target.is_head = asked.headers, asked.is_head
        return target

    def _masked(self, seen: _T | Fault) -> _T | Fault:
        return self._requests.quiet(seen) if isinstance(seen, Fault) else seen


def believed_until(job: Job, reply: Reply) -> float:
    """Return until when a validator is sent back, on the loop's clock."""
    began = job.started_at or job.created_at
    age = 0.0 if began is None or reply.server_time is None else reply.server_time - began.timestamp()
    return asyncio.get_running_loop().time() + min(max(_BELIEVED_AT_LEAST, age / 10), _BELIEVED_AT_MOST)


def is_same_again(memo: object, reply: Reply, fingerprint: int) -> bool:
    """Whether a reply is the one of which something was kept."""
    return reply.http_status == 304 or fingerprint == (memo.fingerprint if isinstance(memo, Memo) else memo)


def _is_not_there(job: Job | Fault, reply: Reply) -> bool:
    """Whether a job was not found, or is told by no more than that or by the HTTP status."""
    if isinstance(job, Fault):
        return job.kind is FaultKind.NOT_FOUND
    return job.status in (ABSENT, f"HTTP {reply.http_status}")


def is_state_known(status: str | None, job: Job) -> bool:
    """Whether a job's state is the one seen last."""
    return status is not None and lowered(status) == lowered(job.status)


def _wait_asked(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the headers of a response ask not to be asked about what it started."""
    values = {name.lower(): value.strip() for name, value in headers.items()}
    if "retry-after" not in values:
        return None
    return retry_after([values["retry-after"]], http_date(values.get("date", "")), time.time)


def _unframed(started: Started) -> Started:
    """Return a response without the frame of server-sent events around it."""
    match started:
        case bytes():
            return unframed(started)
        case Response(body=bytes() as body):
            return replace(started, body=unframed(body))
        case Response(body=str() as text) if text.isascii():
            return replace(started, body=unframed(text.encode()))
        case _:
            return started
