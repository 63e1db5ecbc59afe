"""The further pages of a reply: one request each, on the same origin, in turn, and within the time of one look."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .._models import Fault, FaultKind
from .._reading.reply import Reply
from .target import Target
from .urls import next_url, quoted, with_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from yarl import URL

    from .._core.source import Turn
    from .._models import Job
    from .._reading.bodies import Steps
    from .._reading.pages import Paging, Step
    from .transport import Transport

TIME_LIMIT: Final = 30.0
"""How long the answers to the requests for further pages may take together, in seconds; waits for turns apart."""


class Pages(Struct, frozen=True):
    """The pages of a reply.

    Attributes:
        replies: Those that could be read, in order.
        fault: Why there is more than these; None where there is no more, or no more was wanted.
    """

    replies: tuple[Reply, ...]
    fault: Fault | None = None


class JobsFound:
    """The jobs of a list, page by page; what moves to a later page while they are read is told once.

    Of one that a page shows to have ended, and a later page in another state, nothing is told: either may be wrong.

    Args:
        read: Reads the jobs of a page.
        wants_more: Whether with these jobs further ones are wanted.
    """

    def __init__(
        self, read: Callable[[bytes], tuple[Job, ...] | Fault], wants_more: Callable[[Sequence[Job]], bool]
    ) -> None:
        self._read = read
        self._wants_more = wants_more
        self._jobs: list[Job] = []
        self._torn: set[str] = set()
        self._fault: Fault | None = None

    def enter(self, page: Reply) -> bool:
        """Take in a page; return whether the next one is wanted."""
        told = self._read(page.body)
        if isinstance(told, Fault):
            self._fault = told
            return False
        known = {job.id: job for job in self._jobs}
        self._torn |= {job.id for job in told if job.id in known and _has_gone_on(known[job.id], job)}
        self._jobs += [job for job in told if job.id not in known]
        return self._wants_more(self._jobs)

    def on(self, pages: Pages) -> tuple[Job, ...] | Fault:
        """Return the jobs of all pages, or why one of them cannot be read: never a list that is shorter than it is."""
        return self._fault or pages.fault or tuple(job for job in self._jobs if job.id not in self._torn)


def _has_gone_on(before: Job, after: Job) -> bool:
    """Whether a job is in another state after its end."""
    return before.phase.ended and (before.phase, before.status, before.attempt) != (
        after.phase,
        after.status,
        after.attempt,
    )


async def pages_of(
    transport: Transport,
    target: Target,
    paging: Paging,
    first: Reply,
    *,
    turn: Turn,
    wants_more: Callable[[Reply], bool] = lambda _: True,
    complete: Callable[[str], str] | None = None,
) -> Pages:
    """Return a reply with the pages that follow it.

    Args:
        transport: What sends the requests.
        target: What was asked for.
        paging: How the reply goes on.
        first: The first page.
        turn: Awaited before each request.
        wants_more: Whether what follows a page is wanted at all.
        complete: Adds to a path and query what goes into each, if anything does.
    """
    replies, met, left = [first], {_name(target)}, TIME_LIMIT
    time = asyncio.get_running_loop().time
    while wants_more(replies[-1]):
        step = paging.next(replies[-1].body, replies[-1].headers)
        if step is None:
            break
        following = step if isinstance(step, Fault) else following_target(target, paging, step)
        if isinstance(following, Fault):
            return Pages(tuple(replies), following)
        if _name(following) in met:
            break  # some servers name the last page as the one after it
        if len(replies) >= paging.most:
            return Pages(tuple(replies), _fault(len(replies) + 1, f"is one more than the {paging.most} that are read"))
        met.add(_name(following))
        if (fault := await turn()) is not None:
            return Pages(tuple(replies), fault)
        asked_at = time()
        asked = following if complete is None else _completed(following, complete)
        reply = await _answer(transport, asked, turn, left)
        left -= time() - asked_at
        if isinstance(reply, Fault):
            return Pages(tuple(replies), _of_page(reply, len(replies) + 1))
        replies.append(reply)
        target = following
    return Pages(tuple(replies))


async def _answer(transport: Transport, target: Target, turn: Turn, left: float) -> Reply | Fault:
    try:
        async with asyncio.timeout(max(left, 0.0)):
            return await transport.get(target, turn=turn)
    except TimeoutError:
        return Fault(FaultKind.UNREACHABLE, f"its pages took more than {TIME_LIMIT:g} s together")


def following_target(target: Target, paging: Paging, step: Step) -> Target | Fault:
    """Return the request for the next page, or why it cannot be made."""
    if step.is_url:
        url = next_url(target.url, [_as_asked(target.url, step.text)], 200)
        if isinstance(url, Fault):
            what = url.message.removeprefix("redirected ")
            told = "has no usable URL" if what.startswith("without") else f"leads {what}"
            return Fault(FaultKind.REFUSED, f"the next page {told}")
        return _like(target, url, target.body)
    if paging.body:
        return _like(target, target.url, _with_token(target.body or b"{}", paging.body, step.text))
    path_and_query = with_secret(target.url.raw_path_qs, f"{paging.query}={quoted(step.text)}")
    url = next_url(target.url, [path_and_query], 200)
    return url if isinstance(url, Fault) else _like(target, url, target.body)


def _like(target: Target, url: URL, body: bytes | None) -> Target:
    """Return a request that is made as another one is."""
    made = Target(str(url.origin()), url.raw_path, url.raw_query_string or None, body)
    made.headers, made.is_head = target.headers, target.is_head
    return made


def _completed(target: Target, complete: Callable[[str], str]) -> Target:
    url = next_url(target.url, [complete(target.url.raw_path_qs)], 200)
    return target if isinstance(url, Fault) else _like(target, url, target.body)


def _as_asked(url: URL, reference: str) -> str:
    """Return a URL of our own host with the scheme that it was asked by.

    Behind a proxy that ends TLS, servers write http:// for what they serve by https://.
    """
    plain = f"http://{url.host_port_subcomponent}/"
    is_ours = url.scheme == "https" and reference[: len(plain)].lower() == plain
    return f"https{reference[4:]}" if is_ours else reference


def _with_token(body: bytes, path: Steps, token: str) -> bytes:
    whole = msgspec.json.decode(body)
    holder = whole
    for step in path[:-1]:
        holder = holder.setdefault(step, {})
    holder[path[-1]] = token
    return msgspec.json.encode(whole)


def _of_page(fault: Fault, number: int) -> Fault:
    """Return the fault of a further page: one that is not there says nothing of whether the job is."""
    kind = FaultKind.UNREACHABLE if fault.kind in (FaultKind.NOT_FOUND, FaultKind.GONE) else fault.kind
    return replace(fault, kind=kind, message=f"page {number}: {fault.message}")


def _fault(number: int, why: str) -> Fault:
    return Fault(FaultKind.UNREADABLE, f"page {number} {why}")


def _name(target: Target) -> tuple[str, bytes | None]:
    return str(target.url), target.body
