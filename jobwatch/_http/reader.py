"""Reads answers: bounded bodies, without their codings, and what they amount to for one API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from .._models import Fault, FaultKind
from . import answer as answers
from .answer import judged, with_headers
from .bodies import is_event_stream, start, to_first_event, whole
from .codings import CannotDecode, is_plain, unpacked
from .proxies import told_by
from .sse import first_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._reading.reply import Reply
    from .answer import HintReader, ProblemReader, Refusal, Verdict
    from .bodies import Response
    from .credentials import Credentials
    from .proxies import Proxy
    from .target import Target

ERROR_BODY_CAP: Final = 64 * 1024

_PERHAPS: Final = "a token that it refuses is answered so, too"
_LARGER: Final = 'max_body = "16MiB" in the table, Client(max_body=) or --max-body lets it be larger'


class AnswerReader:
    """Reads the answers of one API.

    Args:
        credentials: What was sent, and no fault is to quote.
        problem: How this API words its errors; its findings go into the fault.
        verdict: What this API means by HTTP statuses that would not be read; see `judged`.
        unauthorized: Says whether the API refuses the token by a reply; None where that may be so, or otherwise.
        retry_after: Reads from a body for how many seconds it asks to stay away.
        states: The HTTP statuses that tell a state of the job.
        wanted: The headers that the API reads, by their names in lower case.
        max_body: The largest body that is read, in bytes, as received and without its content coding.
        clock: Tells our own time, in Unix seconds.
        proxy: What leads to the origin, in place of a direct connection.

    Attributes:
        refusal: The last fault by which the API refuses the token, or may do so, in words of its own. Whoever was
            just given a fault tells by identity whether it is that.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        problem: ProblemReader | None,
        verdict: Verdict | None,
        unauthorized: Refusal | None,
        retry_after: HintReader | None,
        states: frozenset[int],
        wanted: tuple[str, ...],
        max_body: int,
        clock: Callable[[], float],
        proxy: Proxy | None,
    ) -> None:
        self._credentials = credentials
        self._problem = problem
        self._verdict = verdict
        self._unauthorized = unauthorized
        self.refusal: Fault | None = None
        self._retry_after = retry_after
        self._states = states
        self._wanted = wanted
        self._max_body = max_body
        self._clock = clock
        self._proxy = proxy

    def __repr__(self) -> str:
        return "AnswerReader()"

    async def read(self, response: Response, target: Target, etag: str | None) -> Reply | Fault:
        """Return what an answer amounts to.

        Args:
            response: The answer, whose head has come.
            target: What was asked for.
            etag: The validator that was sent, if one was.
        """
        if (answer := self.read_at_once(response, target, etag)) is not None:
            return answer
        if not 200 <= response.status <= 299:
            return self._amounts_to(response, target, etag, await start(response, ERROR_BODY_CAP))
        is_read_on = "Content-Encoding" in response.headers or not is_event_stream(response)
        body = await (whole if is_read_on else to_first_event)(response, self._max_body)
        return self._amounts_to(response, target, etag, body)

    def read_at_once(self, response: Response, target: Target, etag: str | None) -> Reply | Fault | None:
        """Return what an answer amounts to that has come whole, as nearly all have; None of one that has not."""
        content = response.content
        if not content.is_eof() or content.exception() is not None:
            return None
        return self._amounts_to(response, target, etag, content.read_nowait())

    def _amounts_to(self, response: Response, target: Target, etag: str | None, body: bytes | None) -> Reply | Fault:
        status, headers = response.status, response.headers
        good = 200 <= status <= 299
        if body is None or (good and len(body) > self._max_body):
            trouble = f"the reply is too large: over {self._max_body} bytes; {_LARGER}"
            return Fault(FaultKind.UNREADABLE, trouble, status)
        coding = headers.get(answers.CONTENT_ENCODING)
        if coding is not None and not is_plain(coding):
            try:
                body = unpacked(coding, body, self._max_body if good else ERROR_BODY_CAP)
            except CannotDecode as error:
                if good or status in self._states:
                    return self._credentials.scrubbed(_unpackable(error, status), target.url, target.body)
                body = b""  # the status has already said what happened
        if good and not body.startswith((b"{", b"[")) and is_event_stream(response):
            body = first_data(body)
        is_refused = False if self._unauthorized is None else self._is_refused(self._unauthorized, status, body)
        answer = judged(
            status,
            headers,
            body,
            etag=etag,
            problem=self._problem,
            verdict=self._verdict,
            hint=self._retry_after,
            is_unauthorized=is_refused is True,
            clock=self._clock,
        )
        if not isinstance(answer, Fault):
            return with_headers(answer, headers, self._wanted) if self._wanted else answer
        if is_refused is not False:
            return self._refused(answer, response, target, body, is_certain=is_refused is True)
        return self._told(answer, response, target, body)

    @staticmethod
    def _is_refused(unauthorized: Refusal, status: int, body: bytes) -> bool | None:
        if len(body) > ERROR_BODY_CAP:
            return False
        try:
            return unauthorized(status, body)
        except Exception:  # noqa: BLE001  # whatever it trips over, the status still says what happened
            return False

    def _refused(self, fault: Fault, response: Response, target: Target, body: bytes, *, is_certain: bool) -> Fault:
        """Return a fault by which the API refuses the token, or may do so."""
        if not is_certain:
            if fault.kind not in (FaultKind.UNREACHABLE, FaultKind.REFUSED, FaultKind.AUTH):
                return self._told(fault, response, target, body)
            if fault.kind is not FaultKind.AUTH:
                fault = replace(fault, message=f"{fault.message}; {_PERHAPS}")
        self.refusal = self._told(fault, response, target, body)
        return self.refusal

    def _told(self, fault: Fault, response: Response, target: Target, body: bytes) -> Fault:
        """Return a fault with what is known of where it comes from, and without what is secret."""
        if self._proxy is not None and target.url.scheme == "http":  # within TLS no proxy can answer
            fault = told_by(self._proxy, fault, response.headers)
        if response.status == 400 and b"SSL certificate" in body and target.url.scheme == "https":
            told = f"{target.url.host} refused the client certificate, or wants one"  # nginx says so in HTML
            fault = replace(fault, kind=FaultKind.TLS, message=told)
        if fault.kind is FaultKind.NOT_FOUND or fault.kind is FaultKind.GONE:
            # What was asked, and not where redirects led; a query may hold what is secret, and is never told.
            fault = replace(fault, url=f"{target.url.origin()}{target.url.raw_path}")
        return self._credentials.scrubbed(fault, target.url, target.body)


def _unpackable(error: CannotDecode, status: int) -> Fault:
    message = str(error)
    return Fault(FaultKind.UNREADABLE, f"{message}; {_LARGER}" if "too large" in message else message, status)
