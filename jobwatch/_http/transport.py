"""One bounded request, a GET or where an API wants it a POST, as a value.

What it promises, whatever the server does:

* `Transport.get` returns a `Reply` or a `Fault`, `Transport.follow` a `Fault` or None; they raise nothing but
  ``asyncio.CancelledError``;
* one call sends one request; another for every redirect within the same origin, and one in place of the first whose
  connection had been kept alive and was lost before any answer; each of these waits for its turn. Nothing else is
  re-sent, and nothing goes to another origin;
* time and bytes are bounded, and a body that was cut off is never handed on as whole where HTTP can tell;
* no header, token or query appears in a fault, a repr, a log line or a traceback of ours.

aiohttp is imported when the first request is made, so that importing jobwatch stays cheap; see `late`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from msgspec.structs import replace

from .._errors import ConfigError
from .._models import Fault, FaultKind, printable
from .._reading.api import REQUEST_TIMEOUT
from .._reading.reply import Reply
from .._table.templates import is_encoded_path
from .answer import HintReader, ProblemReader, Refusal, Verdict, judged
from .codings import is_plain
from .credentials import NO_SECRETS, Credentials
from .errors import LostWhenKept, NotPlain, NotSilent, Unanswered
from .faults import fault_of, fault_of_proxy
from .late import LateImport
from .logged import LOGGER, RequestLog
from .progress import trouble_at
from .reader import AnswerReader
from .target import Target
from .tasks import at_once
from .time_limits import TimeLimits
from .tls import may_prove
from .urls import checked_base, next_url, segment, split, unfit_for_url

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession, TCPConnector
    from yarl import URL

    from .._core.source import Turn
    from .bodies import Response
    from .fast import Lanes
    from .first import FirstLook
    from .idle import Carrier
    from .proxies import Proxy
    from .resolver import Resolver
    from .secrets import Secrets
    from .tls import TLSContext

__all__ = ["Reply", "Target", "Transport", "segment"]

MAX_BODY: Final = 1024 * 1024
MAX_HOPS: Final = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})


class Transport:
    """Sends requests to one origin and hands back values.

    Args:
        base_url: Where the API lives: http or https, without user, query or fragment.
        headers: Sent with every request; this is where the token goes.
        secret_query: What goes into the query of every request, where the token goes there: a name and a value.
        secrets: What else no fault is to quote.
        problem: How this API words its errors; its findings go into the fault.
        verdict: What this API means by HTTP statuses that would not be read; see `judged`.
        unauthorized: Says whether the API refuses the token by a reply; see `AnswerReader`.
        retry_after: Reads from a body for how many seconds it asks to stay away.
        states: The HTTP statuses that tell a state of the job, so that no redirect among them is followed.
        wanted: The headers of replies that the API reads, by their names in lower case.
        elsewhere: Other origins to which a redirect may lead: it comes back as `Elsewhere`, and nothing is sent there.
        max_body: The largest body that is read, in bytes, as received and without its content coding.
        timeout: The longest one `get` may take, redirects and body included, in seconds.
        connect_timeout: The longest a connection may take to open, TLS included, in seconds.
        max_connections: How many connections may be open at once.
        tls: What to trust instead of the system's certificates.
        clock: Tells our own time, in Unix seconds.
        proxy: What leads to the origin, in place of a direct connection.

    Attributes:
        requests: How many requests have been sent so far, redirects and what was sent again included.
        generation: How many times the token has been replaced.

    Raises:
        ConfigError: The base URL or a header cannot be used; nothing has been sent.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        secret_query: tuple[str, str] | None = None,
        secrets: Secrets = NO_SECRETS,
        problem: ProblemReader | None = None,
        verdict: Verdict | None = None,
        unauthorized: Refusal | None = None,
        retry_after: HintReader | None = None,
        states: frozenset[int] = frozenset(),
        wanted: tuple[str, ...] = (),
        elsewhere: frozenset[str] = frozenset(),
        max_body: int = MAX_BODY,
        timeout: float = REQUEST_TIMEOUT,
        connect_timeout: float = 10.0,
        max_connections: int = 64,
        clock: Callable[[], float] = time.time,
        tls: TLSContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._headers = Credentials(headers, secret_query, secrets)
        self._base, trouble = checked_base(base_url)
        # A traceback that shows local variables shall not show these.
        del base_url, headers, secret_query, secrets
        trouble = trouble or self._headers.trouble()
        if trouble:
            raise ConfigError(trouble)
        scheme, _, rest = self._base.partition("://")
        host, slash, path = rest.partition("/")
        self._own_origin, self._own_path = f"{scheme}://{host}", f"{slash}{path}"
        self._reader = AnswerReader(
            self._headers,
            problem=problem,
            verdict=verdict,
            unauthorized=unauthorized,
            retry_after=retry_after,
            states=states,
            wanted=wanted,
            max_body=max_body,
            clock=clock,
            proxy=proxy,
        )
        self._states = states
        self._elsewhere = elsewhere
        self._max_body = max_body
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._tls = tls
        self._proxy = proxy
        self._log = RequestLog(self._headers, proxy)
        self._connector: TCPConnector | None = None
        self._lanes: Lanes | None = None
        self._origin: URL | None = None
        self._session: ClientSession | None = None
        self._streaming: ClientSession | None = None
        self._closed = False
        self._carriers: WeakSet[Carrier] = WeakSet()
        self._knows_carriers = False
        self._resolver: Resolver | None = None
        self._late = LateImport()
        self._first: FirstLook | None = None
        self._first_asker: asyncio.Task[object] | None = None
        self._limits = TimeLimits()
        self.generation = 0
        self.requests = 0

    def __repr__(self) -> str:
        return f"Transport({self._base!r})"

    def prepared(self, path: str, query: str | None = None, body: bytes | None = None) -> Target:
        """Return the URL of something below the base URL, ready for any number of looks.

        Args:
            path: The path below the base URL, with a leading ``/``, already encoded (see `segment`).
            query: The query without its ``?``, already encoded.
            body: What is to be sent by POST, if that is how the API wants to be asked.

        Raises:
            ConfigError: It is not an encoded path, or steps out of the base URL.
        """
        if not is_encoded_path(path):
            raise ConfigError(f"not an encoded path: {printable(path)}")
        if query is not None and ("#" in query or unfit_for_url(query)):
            raise ConfigError("the query is not encoded")
        return Target(self._own_origin, f"{self._own_path}{path}", query or None, body)

    def send_with(self, headers: Mapping[str, str], secret_query: tuple[str, str] | None, secrets: Secrets) -> None:
        """Send these from now on, in place of those that were given; they have been checked."""
        self._headers.replace(headers, secret_query, secrets)
        self.generation += 1
        if self._lanes is not None:
            self._lanes.head.fill(self._headers.complete(self._origin), self._headers.query())
        for session in (self._session, self._streaming):
            if session is not None:
                session.headers.update(self._headers.theirs())

    async def get(self, target: Target, *, etag: str | None = None, turn: Turn = at_once) -> Reply | Fault:
        """Return what one look at a target brings: a reply, or what went wrong.

        Args:
            target: What to look at.
            etag: The validator of the last reply; the answer may then be a `Reply` with status 304 and no body.
            turn: Awaited before each request beyond the first, which then has as long as was left.
        """
        generation = self.generation
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine that runs, runs in a task
        if self._connector is None and not (self._looks_first(target, etag, task) or await self._ready(target)):
            return _CLOSED
        cancelling = task.cancelling()
        limit = target.limit or self._timeout
        began = time.perf_counter() if LOGGER.isEnabledFor(logging.DEBUG) else None
        since = self._limits.begin(task, limit)
        answer: Reply | Fault | None
        try:
            response: Response | None
            try:
                headers = None
                if etag is not None or target.body is not None or target.headers is not None:
                    headers = self._headers_for(target, etag)
                self.requests += 1
                response = await self._sent(None, target, headers, task, since)
            except LostWhenKept:
                response, answer = None, None
            else:
                answer = self._read_at_once(response, target, etag)
            if answer is None:
                answer = await self._went_on(response, target, etag, turn, task)
        except asyncio.CancelledError as cancelled:
            if self._limits.end(task, cancelling):
                key = "long_poll" if target.limit else "request_timeout"
                late = Fault(FaultKind.UNREACHABLE, f"no answer within {limit:g} s ({key}){self._via()}")
                answer = _CLOSED if self._closed else late
                if began is not None:
                    self._log.answer(target, answer, time.perf_counter() - began)
                return answer
            if began is not None:
                self._log.answer(target, None, time.perf_counter() - began)
            # The frames below are aiohttp's, and their local variables hold our headers.
            raise cancelled.with_traceback(None)  # noqa: B904
        except NotSilent:
            answer = Fault(FaultKind.UNREADABLE, "the server sends responses that nobody asked for")
        except Exception as error:  # noqa: BLE001  # the one boundary: nothing of aiohttp's leaves, as a cause neither
            answer = self._fault_of(error, target.url.host or "the server")
        self._limits.end(task, cancelling)
        if began is not None:
            self._log.answer(target, answer, time.perf_counter() - began)
        refused = None if isinstance(answer, Reply) else self._unauthorized(answer, generation, target, etag, turn)
        return answer if refused is None else await refused

    async def _unauthorized(
        self, answer: Fault, _generation: int, _target: Target, _etag: str | None, _turn: Turn
    ) -> Reply | Fault:
        """Return what a look brings that failed, perhaps by its token; see `RenewingTransport`."""
        return answer

    async def follow(self, target: Target, heard: Callable[[bytes], bool], *, silence: float) -> Fault | None:
        """Read a stream of server-sent events for as long as it lasts.

        Args:
            target: The stream.
            heard: Told of its bytes, in pieces as they come; says whether to read on.
            silence: After how many seconds without a byte to give up.

        Returns:
            None when the stream was closed or `heard` had enough, or what went wrong.
        """
        if self._closed:
            return _CLOSED
        session = self._streaming or self._opened_for_streams()
        self.requests += 1
        began = time.perf_counter()
        try:
            end = await self._followed(session, target, heard, silence)
        except asyncio.CancelledError as cancelled:
            raise cancelled.with_traceback(None)  # noqa: B904  # as in `get`
        except Exception as error:  # noqa: BLE001  # as in `get`
            end = self._fault_of(error, target.url.host or "the server")
        if LOGGER.isEnabledFor(logging.DEBUG):
            self._log.stream(target, end, time.perf_counter() - began)
        return end

    def how_far(self, asker: object, since: float) -> str | None:
        """Return how far a look is that has no answer yet, in words that say what is wrong with that, if it is ours.

        Args:
            asker: The task that makes it.
            since: When it began, on the loop's clock.
        """
        if asker not in self._limits:
            return None
        if self._first is not None and self._first_asker is asker:
            progress, is_known, is_resolving = self._first.progress(), True, self._first.is_resolving
        elif self._resolver is None:
            return None
        else:
            from . import idle  # noqa: PLC0415  # it imports aiohttp

            progress = idle.how_far(self._carriers, asker, since)
            is_known, is_resolving = self._knows_carriers, bool(self._resolver.under_way)
        host = split(self._base).hostname or "the server"
        first = host if self._proxy is None else f"the proxy {self._proxy.name}"
        last = f"{host}{self._via()}" if self._base.startswith("https:") else first  # within a tunnel only TLS is
        return trouble_at(progress, first, last, is_known=is_known, is_resolving=is_resolving)

    async def aclose(self) -> None:
        """Close every connection; looks in flight end with a fault."""
        self._closed = True
        sessions, self._session, self._streaming = (self._session, self._streaming), None, None
        connector, self._connector = self._connector, None
        lanes, self._lanes = self._lanes, None
        self._limits.end_all()
        if lanes is not None:
            lanes.close()
        for each in (*sessions, connector):
            if each is not None:
                await each.close()

    async def _followed(
        self, session: ClientSession, target: Target, heard: Callable[[bytes], bool], silence: float
    ) -> Fault | None:
        import aiohttp  # noqa: PLC0415  # see the module's docstring

        # A proxy may take its time for the tunnel, too.
        connect = None if self._proxy is None else self._connect_timeout
        limit = aiohttp.ClientTimeout(connect=connect, sock_connect=self._connect_timeout, sock_read=silence)
        response = await session.get(target.url, allow_redirects=False, timeout=limit)
        try:
            coding = response.headers.get("Content-Encoding")
            if coding is not None and not is_plain(coding):
                return Fault(
                    FaultKind.REFUSED, f"a stream in a content coding: {printable(coding[:64])}", response.status
                )
            if response.status != 200 or response.content_type != "text/event-stream":
                answer = judged(response.status, response.headers, b"")
                told = f"no stream of events: HTTP status {response.status}, {printable(response.content_type)}"
                refused = Fault(FaultKind.REFUSED, told, response.status)
                return answer if isinstance(answer, Fault) and response.status >= 300 else refused
            content = response.content
            while not content.at_eof():
                if not heard(await content.readany()):
                    return None
                await asyncio.sleep(0)  # what has come already is given without waiting, and others want their turn
        finally:
            response.close()
        return None

    def _read_at_once(self, response: Response, target: Target, etag: str | None) -> Reply | Fault | None:
        """Return what an answer amounts to that has come whole, and leads nowhere else; None of any other."""
        if response.status in _REDIRECTS and self._is_redirect(response):
            return None
        try:
            answer = self._reader.read_at_once(response, target, etag)
        except BaseException:
            response.close()
            raise
        if answer is not None and not response.closed:
            response.close()
        return answer

    async def _went_on(
        self, response: Response | None, target: Target, etag: str | None, turn: Turn, task: asyncio.Task[object]
    ) -> Reply | Fault:
        """Return what a look brings that is not over with a first answer that came whole.

        Args:
            response: That answer, as far as it has come; None where a connection that had been kept was lost before.
            target: What to look at.
            etag: The validator of the last reply.
            turn: Awaited before each further request.
            task: Whoever looks.
        """
        url: URL | None = None  # the target's own
        headers, asked_again = self._headers_for(target, etag), False
        for hop in range(MAX_HOPS + 1):
            if response is None:
                if asked_again or await self._in_turn(turn) is not None:
                    raise LostWhenKept
                asked_again = True
                self._log.again(target)
                self.requests += 1
                response = await self._sent(url, target, headers, task, task.get_loop().time())
            try:
                if not self._is_redirect(response):
                    answer = await self._reader.read(response, target, etag)
                    return replace(answer, looks=2) if asked_again and isinstance(answer, Reply) else answer
                step = self._next_url(response, url or target.url, target)
            finally:
                # A response that was read to its end is closed already, and its connection free. What is not read, such
                # as the body of a redirect, goes down with its connection.
                if not response.closed:
                    response.close()
            if isinstance(step, Fault):
                return step
            self._log.redirect(target, response.status, step)
            url = step
            if hop == MAX_HOPS:
                break
            if (fault := await self._in_turn(turn)) is not None:
                return fault
            try:
                self.requests += 1
                response = await self._sent(url, target, headers, task, task.get_loop().time())
            except LostWhenKept:
                response = None
        return Fault(FaultKind.REFUSED, f"more than {MAX_HOPS} redirects")

    def _is_redirect(self, response: Response) -> bool:
        return response.status in _REDIRECTS and response.status not in self._states

    def _next_url(self, response: Response, url: URL, target: Target) -> URL | Fault:
        """Return where a redirect leads, or why that is not followed."""
        step = next_url(url, response.headers.getall("Location", ()), response.status, self._elsewhere)
        if target.body is not None and response.status not in _SAME_METHOD:
            return Fault(FaultKind.REFUSED, "a POST was redirected to a GET: not followed", response.status)
        return self._headers.scrubbed(step, target.url, target.body) if isinstance(step, Fault) else step

    def _headers_for(self, target: Target, etag: str | None) -> dict[str, str] | None:
        """Return what is sent with this request alone."""
        headers = None if etag is None else {"If-None-Match": etag}
        if target.body is not None:
            headers = self._headers.of_body()
        return headers if target.headers is None else {**(headers or {}), **target.headers}

    def _sent(
        self, url: URL | None, target: Target, headers: dict[str, str] | None, task: asyncio.Task[object], since: float
    ) -> Coroutine[object, object, Response]:
        """Send one request, on the first connection that is silent; `NotSilent` is raised if none is.

        Args:
            url: Where redirects have led; None for the target's own URL.
            target: What is asked for.
            headers: What is sent with this request alone.
            task: The task that asks.
            since: When it began to, on the loop's clock.
        """
        lanes = self._lanes
        if lanes is not None:
            if url is None and lanes.is_usable() and not (target.is_head or (target.body and target.headers)):
                return lanes.sent(target.path_and_query, target.body, headers, task, since)
            self._leave_lanes()  # what needs the session is seldom alone: that is what asks from now on
        if self._connector is None:
            return self._sent_first(url, target, headers, task, since)
        return self._sent_by_session(url or target.url, target, headers)

    async def _sent_first(
        self, url: URL | None, target: Target, headers: dict[str, str] | None, task: asyncio.Task[object], since: float
    ) -> Response:
        """Send a request while there is nothing of aiohttp's: the first, and where that led if it was redirected."""
        if self._first is not None and self._first_asker is task:
            try:
                return await self._first.sent(url or target.url)
            except NotPlain:
                pass  # nothing was sent
            except Exception:
                await self._late.done()  # what tells one exception from another knows aiohttp's
                raise
            finally:
                self._first = self._first_asker = None
        if not await self._ready(target):
            raise Unanswered
        return await self._sent(url, target, headers, task, since)

    def _leave_lanes(self) -> None:
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            lanes.leave()

    async def _sent_by_session(self, url: URL, target: Target, headers: dict[str, str] | None) -> ClientResponse:
        session = self._session
        if session is None:
            assert self._connector is not None  # noqa: S101  # it is there from the first look until the end
            session = self._session = self._session_on(self._connector)
        for _ in range(self._max_connections + 1):  # each time one of those that were kept alive is closed
            try:
                if target.is_head:
                    return await session.head(url, allow_redirects=False, headers=headers)
                if target.body is None:
                    return await session.get(url, allow_redirects=False, headers=headers)
                return await session.post(url, data=target.body, allow_redirects=False, headers=headers)
            except NotSilent:
                continue
        raise NotSilent

    def _via(self) -> str:
        return "" if self._proxy is None else f" (through the proxy {self._proxy.name})"

    def _fault_of(self, error: Exception, host: str) -> Fault:
        """Return what an exception from below amounts to, in words of ours."""
        self._forget_addresses(error)
        fault = None if self._proxy is None else fault_of_proxy(error, host, self._proxy)
        if fault is None:
            fault = fault_of(error, host, is_tls=self._base.startswith("https:"))
            fault = replace(fault, message=f"{fault.message}{self._via()}") if self._proxy is not None else fault
        return fault

    def _forget_addresses(self, error: Exception) -> None:
        """Have names looked up anew where no connection could be opened: aiohttp keeps the address that failed."""
        import aiohttp  # noqa: PLC0415  # see the module's docstring

        if isinstance(error, (aiohttp.ClientConnectorError, TimeoutError)):
            streams = None if self._streaming is None else self._streaming.connector
            for connector in (self._connector, streams):
                if isinstance(connector, aiohttp.TCPConnector):
                    connector.clear_dns_cache()

    def begin_without_aiohttp(self) -> bool:
        """Make the first look without aiohttp, if it is a plain one and aiohttp is not there yet; see `first`.

        Returns:
            Whether that may be.
        """
        from . import first  # noqa: PLC0415  # for a command only

        if self._proxy is not None or may_prove(self._tls) or self._connector is not None or not first.is_worth_it():
            return False
        self._first = first.FirstLook(
            self._headers.complete,
            self._headers.query,
            tls=self._tls,
            connect_timeout=self._connect_timeout,
            max_body=self._max_body,
            late=self._late,
            carriers=self._carriers,
        )
        return True

    @property
    def begins_without_aiohttp(self) -> bool:
        """Whether the next look may be made without aiohttp."""
        return self._first is not None and self._first_asker is None

    def _looks_first(self, target: Target, etag: str | None, task: asyncio.Task[object]) -> bool:
        """Whether a look is made without aiohttp, as the first may be if it is plain."""
        if not self.begins_without_aiohttp or self._closed:
            return False
        from . import first  # noqa: PLC0415  # as above

        is_plain = etag is None and target.body is None and target.headers is None and not target.is_head
        if is_plain and not target.limit and first.is_plain_url(target.url) and first.is_worth_it():
            self._first_asker = task
            return True
        self._first = None
        return False

    async def _ready(self, target: Target) -> bool:
        """Make ready for looks, unless this has been closed; aiohttp is imported off the loop."""
        if not self._late.is_done:
            await self._late.done()
        return self._connector is not None or self._opened(target)

    def _opened(self, target: Target) -> bool:
        """Make ready for looks, unless this has been closed."""
        if self._closed:
            return False
        from . import fast  # noqa: PLC0415  # it imports aiohttp

        self._connector = self._connector_made()
        if self._knows_carriers and self._proxy is None and not may_prove(self._tls):
            self._origin = target.url.origin()
            head = fast.Head(self._headers.complete(self._origin), self._headers.query())
            self._lanes = fast.lanes_on(self._connector, head, self._connect_timeout, self._origin)
        return True

    def _opened_for_streams(self) -> ClientSession:
        # A connector of its own: a stream keeps its connection, and shall keep no look from having one.
        self._streaming = self._session_on(self._connector_made(), accept="text/event-stream")
        return self._streaming

    def _connector_made(self) -> TCPConnector:
        """Return what opens connections, of `Carrier` where that can be."""
        from . import idle, session  # noqa: PLC0415  # they import aiohttp
        from .resolver import Resolver  # noqa: PLC0415  # as above

        self._resolver = self._resolver or Resolver()
        connector = session.connector_of(self._resolver, self._tls, self._max_connections)
        self._knows_carriers = idle.carry_by(connector, self._carriers)
        return connector

    def _session_on(self, connector: TCPConnector, accept: str = "application/json") -> ClientSession:
        from . import session  # noqa: PLC0415  # it imports aiohttp

        return session.session_on(
            connector, self._headers, proxy=self._proxy, connect_timeout=self._connect_timeout, accept=accept
        )

    async def _in_turn(self, turn: Turn) -> Fault | None:
        """Wait until another request may go, which takes nothing of the time for the answer."""
        task = asyncio.current_task()
        left = None if task is None else self._limits.pause(task)
        if task is None or left is None:  # its time has just run out, and it is being cancelled
            return await turn()
        try:
            fault = await turn()
        finally:
            self._limits.begin(task, left)
        return _CLOSED if self._closed else fault


_CLOSED = Fault(FaultKind.UNREACHABLE, "the client is closed")
