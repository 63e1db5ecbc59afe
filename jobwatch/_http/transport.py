"""One bounded request, a GET or where an API wants it a POST, as a value. The only module that imports aiohttp.

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
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from msgspec.structs import replace

from .._errors import ConfigError
from .._models import Fault, FaultKind, printable
from .._reading.api import REQUEST_TIMEOUT
from .._reading.patterns import pattern
from .._reading.reply import Reply
from .._table.templates import is_encoded_path
from .._tasks import at_once
from .answer import HintReader, ProblemReader, Verdict, judged, with_headers
from .codings import CannotDecode, is_plain, unpacked
from .credentials import NO_SECRETS, Credentials
from .errors import CertificateRefused, LostWhenKept, NotPlain, NotSilent, Unanswered
from .late import LateImport
from .logged import LOGGER, RequestLog
from .progress import Progress
from .proxies import refused_by, told_by
from .sse import EventParser, first_data
from .tls import may_prove, refusal_in
from .urls import checked_base, next_url, segment, split, unfit_for_url

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientResponse, ClientSession, TCPConnector
    from aiohttp.client_middlewares import ClientHandlerType
    from yarl import URL

    from .._core.source import Turn
    from .fast import Answer, Lanes
    from .first import FirstAnswer, FirstLook
    from .idle import Carrier
    from .proxies import Proxy
    from .resolver import Resolver
    from .secrets import Secrets
    from .tls import TLSContext

__all__ = ["Reply", "Target", "Transport", "segment"]

MAX_BODY: Final = 1024 * 1024
ERROR_BODY_CAP: Final = 64 * 1024
MAX_HOPS: Final = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ADDRESS = pattern(r"\('([0-9A-Fa-f.:%]+)', \d+")
"""The address in the text of asyncio's error: nothing else tells it."""

_SAME_METHOD = frozenset({307, 308})


class Target:
    """A URL made ready once and used for every look at the same thing; see `Transport.prepared`.

    Args:
        origin: The URL's scheme, host and port, as they begin it.
        path: Its path, encoded.
        query: Its query, encoded, if it has one.
        body: What a POST sends; None for a GET.

    Attributes:
        headers: What is sent with this request alone.
        is_head: Whether it is asked for by HEAD.
        limit: How long it may take, in seconds, where that is not as long as any may.
    """

    __slots__ = ("_origin", "_url", "body", "headers", "is_head", "limit", "path", "query")

    def __init__(self, origin: str, path: str, query: str | None = None, body: bytes | None = None) -> None:
        self._origin = origin
        self._url: URL | None = None
        self.path = path
        self.query = query
        self.body = body
        self.is_head = False
        self.headers: Mapping[str, str] | None = None
        self.limit = 0.0

    def __repr__(self) -> str:
        return f"Target({self.path!r})"

    @property
    def path_and_query(self) -> str:
        """What is asked of the server."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> URL:
        """The URL, made when it is first asked for: a plain look needs none, and it takes more room than a job."""
        if self._url is None:
            from yarl import URL  # noqa: PLC0415  # see the module's docstring

            self._url = URL(f"{self._origin}{self.path_and_query}", encoded=True)
        return self._url


class Transport:
    """Sends requests to one origin and hands back values.

    Args:
        base_url: Where the API lives: http or https, without user, query or fragment.
        headers: Sent with every request; this is where the token goes.
        secret_query: What goes into the query of every request, where the token goes there: a name and a value.
        secrets: What else no fault is to quote.
        problem: How this API words its errors; its findings go into the fault.
        verdict: What this API means by HTTP statuses that would not be read; see `judged`.
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
        self._problem = problem
        self._verdict = verdict
        self._retry_after = retry_after
        self._states = states
        self._wanted = wanted
        self._elsewhere = elsewhere
        self._max_body = max_body
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._tls = tls
        self._clock = clock
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
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweeps_at = 0.0
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
        self._limit(task, limit)
        answer: Reply | Fault
        try:
            answer = await self._looked(target, etag, turn, task)
        except asyncio.CancelledError as cancelled:
            if self._lifted(task, cancelling):
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
        self._lifted(task, cancelling)
        if began is not None:
            self._log.answer(target, answer, time.perf_counter() - began)
        return answer if answer.http_status != 401 else await self._unauthorized(answer, generation, target, etag, turn)

    async def _unauthorized(
        self, answer: Reply | Fault, _generation: int, _target: Target, _etag: str | None, _turn: Turn
    ) -> Reply | Fault:
        """Return what a look brings that was answered by 401; see `RenewingTransport`."""
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
        if asker not in self._deadlines:
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
        match progress:
            case Progress.UNCONNECTED if not is_known:
                return f"{first} did not answer"
            case Progress.UNCONNECTED if is_resolving:
                return f"no address was found for {first}"
            case Progress.UNCONNECTED:
                return f"{first} did not take the connection"
            case Progress.CONNECTED:
                return f"{last} took the connection and did not answer the TLS handshake"
            case Progress.TUNNELLING:
                return f"{first} took the connection and did not answer"
            case Progress.ASKED:
                return f"{last} took the connection and did not answer"
            case Progress.ANSWERING:
                return f"{last} began to answer, and the answer did not end"

    async def aclose(self) -> None:
        """Close every connection; looks in flight end with a fault."""
        self._closed = True
        sessions, self._session, self._streaming = (self._session, self._streaming), None, None
        connector, self._connector = self._connector, None
        lanes, self._lanes = self._lanes, None
        for task in list(self._deadlines):
            del self._deadlines[task]
            task.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
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

    async def _looked(self, target: Target, etag: str | None, turn: Turn, task: asyncio.Task[object]) -> Reply | Fault:
        url: URL | None = None  # the target's own
        asked_again = False
        headers = None
        if etag is not None or target.body is not None or target.headers is not None:
            headers = self._headers_for(target, etag)
        for hop in range(MAX_HOPS + 1):
            if hop and (fault := await self._in_turn(turn)) is not None:
                return fault
            try:
                response = await self._sent(url, target, headers, task, hop=hop)
            except LostWhenKept:
                if asked_again or await self._in_turn(turn) is not None:
                    raise
                asked_again = True
                self._log.again(target)
                response = await self._sent(url, target, headers, task, hop=hop)
            try:
                if response.status not in _REDIRECTS or response.status in self._states:
                    answer = await self._answered(response, target, etag)
                    return replace(answer, looks=2) if asked_again and isinstance(answer, Reply) else answer
                told = response.headers.getall("Location", ())
                step = next_url(url or target.url, told, response.status, self._elsewhere)
                if target.body is not None and response.status not in _SAME_METHOD:
                    return Fault(FaultKind.REFUSED, "a POST was redirected to a GET: not followed", response.status)
            finally:
                # A response that was read to its end is closed already, and its connection free. What is not read, such
                # as the body of a redirect, goes down with its connection.
                if not response.closed:
                    response.close()
            if isinstance(step, Fault):
                return self._headers.scrubbed(step, target.url, target.body)
            self._log.redirect(target, response.status, step)
            url = step
        return Fault(FaultKind.REFUSED, f"more than {MAX_HOPS} redirects")

    def _headers_for(self, target: Target, etag: str | None) -> dict[str, str] | None:
        """Return what is sent with this request alone."""
        headers = None if etag is None else {"If-None-Match": etag}
        if target.body is not None:
            headers = self._headers.of_body()
        return headers if target.headers is None else {**(headers or {}), **target.headers}

    def _sent(
        self, url: URL | None, target: Target, headers: dict[str, str] | None, task: asyncio.Task[object], *, hop: int
    ) -> Coroutine[object, object, ClientResponse | Answer | FirstAnswer]:
        """Send one request, on the first connection that is silent; `NotSilent` is raised if none is.

        Args:
            url: Where to, if that is not the target's own URL.
            target: What is asked for.
            headers: What is sent with this request alone.
            task: The task that asks.
            hop: How many redirects led there.
        """
        self.requests += 1
        if self._connector is None:
            return self._sent_first(url, target, headers, task, hop=hop)
        return self._sent_by_aiohttp(url, target, headers, task, hop=hop)

    async def _sent_first(
        self, url: URL | None, target: Target, headers: dict[str, str] | None, task: asyncio.Task[object], *, hop: int
    ) -> ClientResponse | Answer | FirstAnswer:
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
        return await self._sent_by_aiohttp(url, target, headers, task, hop=hop)

    def _sent_by_aiohttp(
        self, url: URL | None, target: Target, headers: dict[str, str] | None, task: asyncio.Task[object], *, hop: int
    ) -> Coroutine[object, object, ClientResponse | Answer]:
        lanes = self._lanes
        if lanes is not None:
            if lanes.is_usable() and not (hop or target.is_head or (target.body and target.headers)):
                return lanes.sent(target.path_and_query, target.body, headers, task)
            self._leave_lanes()  # what needs the session is seldom alone: that is what asks from now on
        return self._sent_by_session(url or target.url, target, headers)

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

    async def _answered(
        self, response: ClientResponse | Answer | FirstAnswer, target: Target, etag: str | None
    ) -> Reply | Fault:
        status = response.status
        good = 200 <= status <= 299
        body: bytes | None
        if response.content.is_eof() and response.content.exception() is None:
            body = response.content.read_nowait()  # as nearly always: a small answer comes in one piece
        elif good:
            is_read_on = "Content-Encoding" in response.headers or not _is_event_stream(response)
            body = await (_whole if is_read_on else _to_first_event)(response, self._max_body)
        else:
            body = await _start(response, ERROR_BODY_CAP)
        if body is None or (good and len(body) > self._max_body):
            trouble = f"the reply is too large: over {self._max_body} bytes; {_LARGER}"
            return Fault(FaultKind.UNREADABLE, trouble, status)
        coding = response.headers.get("Content-Encoding")
        if coding is not None and not is_plain(coding):
            try:
                body = unpacked(coding, body, self._max_body if good else ERROR_BODY_CAP)
            except CannotDecode as error:
                if good or status in self._states:
                    return self._headers.scrubbed(_unpackable(error, status), target.url, target.body)
                body = b""  # the status has already said what happened
        if good and not body.startswith((b"{", b"[")) and _is_event_stream(response):
            body = first_data(body)
        answer = judged(
            status,
            response.headers,
            body,
            etag=etag,
            problem=self._problem,
            verdict=self._verdict,
            hint=self._retry_after,
            clock=self._clock,
        )
        if not isinstance(answer, Fault):
            return with_headers(answer, response.headers, self._wanted) if self._wanted else answer
        if self._proxy is not None and target.url.scheme == "http":  # within TLS no proxy can answer
            answer = told_by(self._proxy, answer, response.headers)
        if status == 400 and b"SSL certificate" in body and target.url.scheme == "https":  # nginx says so in HTML
            told = f"{target.url.host} refused the client certificate, or wants one"
            answer = replace(answer, kind=FaultKind.TLS, message=told)
        if answer.kind is FaultKind.NOT_FOUND or answer.kind is FaultKind.GONE:
            # What was asked, and not where redirects led; a query may hold what is secret, and is never told.
            answer = replace(answer, url=f"{target.url.origin()}{target.url.raw_path}")
        return self._headers.scrubbed(answer, target.url, target.body)

    def _via(self) -> str:
        return "" if self._proxy is None else f" (through the proxy {self._proxy.name})"

    def _fault_of(self, error: Exception, host: str) -> Fault:
        """Return what an exception from below amounts to, in words of ours."""
        self._forget_addresses(error)
        fault = None if self._proxy is None else _fault_of_proxy(error, host, self._proxy)
        if fault is None:
            fault = _fault_of(error, host, is_tls=self._base.startswith("https:"))
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
        import aiohttp  # noqa: PLC0415  # see the module's docstring

        from . import fast, idle  # noqa: PLC0415  # they import aiohttp
        from .resolver import Resolver  # noqa: PLC0415  # as above

        self._resolver = self._resolver or Resolver()
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            limit=self._max_connections,
            ttl_dns_cache=60,
            keepalive_timeout=fast.KEPT_FOR,
            ssl=True if self._tls is None else self._tls,
        )
        self._knows_carriers = idle.carry_by(connector, self._carriers)
        return connector

    def _session_on(self, connector: TCPConnector, accept: str = "application/json") -> ClientSession:
        import aiohttp  # noqa: PLC0415  # see the module's docstring

        from . import fast, idle  # noqa: PLC0415  # they import aiohttp

        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # The limit on the whole look is ours, see `_limit`.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout),
            auto_decompress=False,
            # Of the environment only what `proxy_for` reads: with this, aiohttp would send the passwords of a netrc.
            trust_env=False,
            proxy=None if self._proxy is None else self._proxy.url(),
            read_bufsize=fast.READ_AHEAD,
            headers=self._headers.complete(accept=accept),
            request_class=idle.StockRequest,
            middlewares=(self._headers.in_query, _sent_once),
        )

    async def _in_turn(self, turn: Turn) -> Fault | None:
        """Wait until another request may go, which takes nothing of the time for the answer."""
        task = asyncio.current_task()
        deadline = None if task is None else self._deadlines.pop(task, None)
        if task is None or deadline is None:  # its time has just run out, and it is being cancelled
            return await turn()
        left = deadline - task.get_loop().time()
        try:
            fault = await turn()
        finally:
            self._limit(task, left)
        return _CLOSED if self._closed else fault

    def _limit(self, task: asyncio.Task[object], seconds: float) -> None:
        # One timer for all looks instead of one each: nearly always the first to have begun is the first to run out.
        loop = task.get_loop()
        self._deadlines[task] = deadline = loop.time() + seconds
        if self._sweeper is None or deadline < self._sweeps_at:
            self._sweep_at(deadline, loop)

    def _sweep_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._sweeper, self._sweeps_at = loop.call_at(when, self._sweep, loop), when

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeper = None
        now = loop.time()
        for task, deadline in list(self._deadlines.items()):
            if deadline <= now:
                del self._deadlines[task]
                task.cancel()
        if self._deadlines:
            self._sweep_at(min(self._deadlines.values()), loop)

    def _lifted(self, task: asyncio.Task[object], cancelling: int) -> bool:
        """End the limit on a look; return whether it had run out, and nobody else cancelled the task."""
        if self._deadlines.pop(task, None) is not None:
            return False
        return task.uncancel() <= cancelling


_LARGER: Final = 'max_body = "16MiB" in the table, Client(max_body=) or --max-body lets it be larger'
_CLOSED = Fault(FaultKind.UNREACHABLE, "the client is closed")


async def _sent_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Stop aiohttp from re-sending a GET on its own when a connection dies, which it does for these two errors only."""
    import aiohttp  # noqa: PLC0415  # see the module's docstring

    from .idle import StockRequest, lost  # noqa: PLC0415  # they import aiohttp

    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except aiohttp.ClientConnectionResetError as error:  # as it was being sent
        reason = lost(request.carrier if isinstance(request, StockRequest) else None, error)
        if isinstance(reason, LostWhenKept):
            raise
        raise reason from None
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise lost(request.carrier if isinstance(request, StockRequest) else None, error) from None


def _unpackable(error: CannotDecode, status: int) -> Fault:
    message = str(error)
    return Fault(FaultKind.UNREADABLE, f"{message}; {_LARGER}" if "too large" in message else message, status)


def _is_event_stream(response: ClientResponse | Answer | FirstAnswer) -> bool:
    """Whether a reply is framed as server-sent events, as some servers frame a single one: the first counts."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/event-stream"


async def _to_first_event(response: ClientResponse | Answer | FirstAnswer, cap: int) -> bytes | None:
    """Return the beginning of a body up to the end of its first event, or None if that is larger than the cap."""
    content, parser = response.content, EventParser(cap)
    parts: list[bytes] = []
    while not content.at_eof() and not parser.overflowed:
        parts.append(await content.readany())
        if parser.feed(parts[-1]):
            break
        if sum(map(len, parts)) > cap:  # comments count too
            return None
    return None if parser.overflowed else b"".join(parts)


async def _whole(response: ClientResponse | Answer | FirstAnswer, cap: int) -> bytes | None:
    """Return the whole body of a response, or None if it is larger than the cap.

    Raises whatever aiohttp does if the body ends early.
    """
    content = response.content
    parts: list[bytes] = []
    while not content.at_eof():
        part = await content.readany()
        cap -= len(part)
        if cap < 0:
            return None
        parts.append(part)
    return b"".join(parts)


async def _start(response: ClientResponse | Answer | FirstAnswer, cap: int) -> bytes:
    """Return as much of an error's body as can be had: its status has already said what happened."""
    parts: list[bytes] = []
    try:
        while cap > 0 and not response.content.at_eof():
            part = await response.content.readany()
            parts.append(part[:cap])
            cap -= len(part)
    except Exception:  # noqa: BLE001  # see the docstring
        return b"".join(parts)
    return b"".join(parts)


def _fault_of_proxy(error: Exception, host: str, proxy: Proxy) -> Fault | None:
    """Return what an exception says of the proxy itself, or None where it is about what lies beyond."""
    import aiohttp  # noqa: PLC0415  # see the module's docstring

    match error:
        case aiohttp.ClientHttpProxyError():
            return refused_by(proxy, error.status, "", host)
        case aiohttp.ClientProxyConnectionError():
            told = f"no connection to the proxy {proxy.name}: {_os_reason(error.os_error)}"
            return Fault(FaultKind.UNREACHABLE, told)
        case aiohttp.ClientConnectorDNSError() if error.host == proxy.host:
            return Fault(FaultKind.UNREACHABLE, f"no address found for the proxy {proxy.name}")
        case _:
            return None


def _fault_of(error: Exception, host: str, *, is_tls: bool) -> Fault:
    """Return what an exception from below amounts to, in words of ours: theirs quote URLs and headers."""
    import aiohttp  # noqa: PLC0415  # see the module's docstring
    from aiohttp.http_exceptions import HttpProcessingError  # noqa: PLC0415

    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "it was refused"
            file = os.environ.get("SSL_CERT_FILE")
            hint = "; SSL_CERT_FILE names no file" if file and not os.path.isfile(file) else ""  # noqa: PTH113
            return Fault(FaultKind.TLS, f"the certificate of {host} is not trusted: {reason}{hint}")
        case CertificateRefused():
            return Fault(FaultKind.TLS, f"{host} refused the client certificate, or wants one: {error}")
        case aiohttp.ClientSSLError() if (alert := refusal_in(error)) is not None:
            return Fault(FaultKind.TLS, f"{host} refused the client certificate, or wants one: {alert}")
        case aiohttp.ClientSSLError():
            reason = getattr(error.os_error, "reason", None) or "the handshake failed"
            # Until TLS 1.2 this is what a server says that wants a certificate: RFC 5246, section 7.4.6.
            hint = "; perhaps it wants a client certificate" if "ALERT_HANDSHAKE_FAILURE" in reason else ""
            return Fault(FaultKind.TLS, f"no TLS connection to {host}: {reason}{hint}")
        case aiohttp.ClientConnectorDNSError():
            return Fault(FaultKind.UNREACHABLE, f"no address found for {host}")
        case aiohttp.ClientConnectorError():
            where = f"{host}{_addresses_in(error.os_error, host)}"
            return Fault(FaultKind.UNREACHABLE, f"no connection to {where}: {_os_reason(error.os_error)}")
        case TimeoutError():
            return Fault(FaultKind.UNREACHABLE, f"no connection to {host} in time")
        case aiohttp.ClientPayloadError():
            return Fault(FaultKind.UNREADABLE, "the reply was cut off, or its framing is wrong")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return Fault(FaultKind.UNREADABLE, "the reply is not valid HTTP")
        case Unanswered() if is_tls:
            # So a server may refuse a client certificate under TLS 1.3, if it does not say so.
            told = f"the connection to {host} was lost before any answer; perhaps it wants another client certificate"
            return Fault(FaultKind.UNREACHABLE, told)
        case aiohttp.ClientConnectionError() | LostWhenKept() | Unanswered():
            return Fault(FaultKind.UNREACHABLE, f"the connection to {host} was lost")
        case _:
            return Fault(FaultKind.UNREACHABLE, f"the request to {host} failed: {type(error).__name__}")


def _addresses_in(error: OSError, host: str) -> str:
    """Return which address was tried last, in brackets, where that is another than the host: it may have moved."""
    found = dict.fromkeys(_ADDRESS.findall(str(error)))
    return f" ({', '.join(found)})" if found and host not in found else ""


def _os_reason(error: OSError) -> str:
    return os.strerror(error.errno) if isinstance(error.errno, int) and error.errno > 0 else "no address answered"
