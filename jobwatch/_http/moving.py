"""The source for HTTP APIs whose jobs go on at another place, or whose replies may come from another origin.

Each place is asked by a source of its own: one for each API and origin. What goes to which:

1. The API's own origin gets what its table says.
2. Another origin is asked only if the table allows it, and gets nothing that came from a variable (token, headers, a
   part of the query), but for a token that the table names for that origin.
3. Another table's variables go to the first one's origin only if that is where that table itself is served, or if they
   are the same variables.
4. A URL that a reply names is asked without the token, should it hold that, and not at all if it holds another secret.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from .._core.moves import Onward, Place
from .._core.source import Seen
from .._errors import ConfigError
from .._models import UNCHANGED, Fault, FaultKind, Job, printable
from .._reading.reply import Reply
from ..apis import APIS
from .requests import Given, variables_of
from .secrets import spellings
from .source import HttpSource, Memo, believed_until, is_same_again, is_state_known
from .tasks import at_once
from .tls import without_certificate
from .transport import MAX_HOPS
from .urls import Elsewhere, origin_of, resolved

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.source import Turn
    from .._reading.api import AllowedOrigin, JobAPI
    from .target import Target
    from .tls import TLSContext


class _There(Struct, frozen=True):
    """A place made ready to be asked.

    Attributes:
        source: Asks it.
        target: The URL.
        job_id: The id that the reply is read for.
        url: The URL as text, without a token.
        name: What tells the place from others.
    """

    source: HttpSource
    target: Target
    job_id: str
    url: str
    name: str


class MovingSource(HttpSource):
    """Asks about jobs where they are told of now; for arguments see `HttpSource`.

    Raises:
        ConfigError: A variable is missing that the table names for another origin.
    """

    has_moves = True

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
    ) -> None:
        self._allowed: dict[str, AllowedOrigin] = {each.origin: each for each in api.allowed_origins}
        for each in api.allowed_origins:
            if each.token and not os.environ.get(each.token, "").strip():
                raise ConfigError(f"{each.origin} needs the environment variable {each.token}")
        super().__init__(
            api,
            given,
            api_version,
            streams=streams,
            max_connections=max_connections,
            max_body=max_body,
            request_timeout=request_timeout,
            tls=tls,
            elsewhere=frozenset(self._allowed),
        )
        self._given = given
        self._api_version = api_version
        self._max_connections = max_connections
        self._max_body = max_body
        self._limit = request_timeout
        self._tls = tls
        self._home = origin_of(self._requests.base_url())
        self._sources: dict[tuple[str, str, bool], HttpSource] = {}

    async def job(
        self,
        job_id: str,
        status: str | None = None,
        memo: object = None,
        turn: Turn = at_once,
        place: Place | None = None,
        *,
        hold: float = 0.0,  # noqa: ARG002 - a table of jobs that move has no `long_poll`
    ) -> Seen:
        """Ask about one job; for arguments see `Source`."""
        if not self.late.is_done:
            await self.late.done()
        try:
            there = self._there(job_id, place)
        except ConfigError as error:
            return Seen(Fault(FaultKind.REFUSED, f"the job goes on where it cannot be asked about: {error}"))
        etag = memo.etag if isinstance(memo, Memo) and self._is_believed(memo) else None
        reply, is_elsewhere = await self._replied(there, etag, turn)
        if isinstance(reply, Fault):
            return Seen(reply)
        wait = there.source.wait_told(reply, there.job_id, memo)
        self._is_scarce = reply.rate is not None and reply.rate.remaining < (reply.rate.limit or 0) / 10
        api = there.source.api
        told = None if api.continues is None else api.continues.found(reply, there.job_id)
        onward = None if told is None else told if isinstance(told, Fault) else self._onward(there, told, place)
        if isinstance(onward, Fault):
            return Seen(self._masked(onward), rate=reply.rate, looks=reply.looks, retry_after=wait)
        fingerprint = hash((reply.http_status, reply.body, *sorted(reply.headers.items())))
        if memo is not None and is_same_again(memo, reply, fingerprint):
            return Seen(UNCHANGED, memo, rate=reply.rate, looks=reply.looks, retry_after=wait, cached_for=reply.age)
        any_id = place is not None and place.is_url
        job = self._masked(api.job(reply.body, there.job_id, reply.http_status, any_id=any_id, headers=reply.headers))
        if isinstance(job, Fault):
            what = UNCHANGED if onward is not None and job.kind is FaultKind.UNREADABLE else job
            return Seen(what, rate=reply.rate, looks=reply.looks, retry_after=wait, onward=onward)
        kept: object = fingerprint
        if reply.etag is not None and not is_elsewhere and not api.wanted_headers:  # a 304 need not repeat those
            kept = Memo(fingerprint, reply.etag, believed_until(job, reply), wait)
        job = self._as_of_here(job, job_id, place)
        seen = Seen(job, kept, reply.server_time, rate=reply.rate, looks=reply.looks, retry_after=wait, onward=onward)
        if reply.age is not None:
            seen = replace(seen, cached_for=reply.age)
        if api.history_path is None or any_id or is_state_known(status, job):
            return seen
        told_job, fault = await there.source.told(replace(job, id=there.job_id), turn)
        return replace(seen, what=self._as_of_here(told_job, job_id, place), aside=fault)

    async def details(self, job: Job, told: Callable[[Job], None], turn: Turn = at_once) -> Fault | None:
        """Ask for what is told of a job's end by requests of its own, which name the id that it has now."""
        if job.now is None:
            return await super().details(job, told, turn)
        if "://" in job.now:  # what its id is there, nobody has said
            return None
        job_id = job.id
        return await super().details(replace(job, id=job.now), lambda found: told(replace(found, id=job_id)), turn)

    def how_far(self, asker: object, since: float) -> str | None:
        """Return how far a question is that has no answer yet, to whichever origin; for arguments see `Source`."""
        transports = (source.transport for source in (self, *self._sources.values()))
        return next(filter(None, (transport.how_far(asker, since) for transport in transports)), None)

    async def aclose(self) -> None:
        """Close every connection; what is under way ends with a fault."""
        await super().aclose()
        for source in self._sources.values():
            await source.aclose()

    def secrets(self) -> frozenset[str]:
        """Return the secrets that are sent, to any origin, and those that were sent before them."""
        tokens = (os.environ.get(each.token, "").strip() for each in self._allowed.values() if each.token)
        known = super().secrets().union(*map(spellings, tokens))
        return known.union(*(source.secrets() for source in self._sources.values()))

    # --- where it is asked ----------------------------------------------------------------------------------

    def _as_of_here(self, job: Job, job_id: str, place: Place | None) -> Job:
        if place is None:
            return job
        if not place.hops:  # it is where it was from the beginning, and only read in another way
            return replace(job, id=job_id, api=self.name)
        return replace(job, id=job_id, api=self.name, now=place.at, hops=place.hops)

    def _there(self, job_id: str, place: Place | None) -> _There:
        """Return a place made ready; raise ConfigError where it cannot be asked."""
        if place is None:
            asked = self._requests.job(job_id)
            url = self._requests.url_of(asked)
            name = (resolved(url, url) or url) if self._is_url_kind else job_id
            return _There(self, self._targets.get(job_id) or self._target_of(job_id), job_id, url, Place(name).name)
        api = self._named(place.api)
        if not place.is_url:
            source = self._source_of(api, "", is_url=False)
            asked = source.requests.job(place.at)
            return _There(source, source.prepared(asked), place.at, source.requests.url_of(asked), place.name)
        at = place.at if place.hops else self._requests.url_of(self._requests.job(place.at))
        origin = origin_of(at)
        if origin != self._home and origin not in self._allowed:
            raise ConfigError(f"{origin} is not among allowed_origins any more")
        source = self._source_of(api, origin, is_url=True)
        asked = source.requests.job(at)
        return _There(source, source.prepared(asked), job_id, at, Place(at, place.api).name)

    @property
    def _is_url_kind(self) -> bool:
        return self.api.continues is None or self.api.continues.is_url

    def _named(self, name: str) -> JobAPI:
        if not name or name == self.api.name:
            return self.api
        found = self.api.others.get(name) or APIS.get(name)
        if found is None:
            raise ConfigError(f"there is no table called {printable(name)} beside {self.api.name}")
        return found

    def _source_of(self, api: JobAPI, origin: str, *, is_url: bool) -> HttpSource:
        """Return what asks one API at one origin, with no secret that is not meant for that."""
        if api is self.api and not is_url:
            return self
        key = (api.name, origin, is_url)
        if key not in self._sources:
            self._sources[key] = self._made(api, origin, is_url=is_url)
        return self._sources[key]

    def _made(self, api: JobAPI, origin: str, *, is_url: bool) -> HttpSource:
        own = _own_origin(api) if api is not self.api else self._home
        base_url = origin if is_url else (None if own else self._requests.base_url())
        at = origin or own or self._home
        if at != self._home and at not in self._allowed:
            raise ConfigError(f"{at} is not among allowed_origins")
        is_ours = at == self._home and (own == at or variables_of(api) <= variables_of(self.api))
        if is_url:
            api = replace(api, job_path="{url}")
        token, token_file, version = None, None, None
        if is_ours:
            if api.token_variable == self.api.token_variable:
                token, token_file = self._given.token, self._given.token_file
            version = self._api_version if api.name == self.api.name else None
        else:
            allowed = self._allowed.get(at)
            api = _without_secrets(api, "" if allowed is None else allowed.token)
        params = {name: value for name, value in self._given.params.items() if name in api.params}
        headers = self._given.headers if at == self._home else None
        given = Given(token, base_url, params, token_file, self._given.proxy, headers=headers)
        elsewhere = frozenset({*self._allowed, self._home} - {at})
        return HttpSource(
            api,
            given,
            version,
            streams=False,
            max_connections=self._max_connections,
            max_body=self._max_body,
            request_timeout=self._limit,
            tls=self._tls if at == self._home or self._tls is None else without_certificate(self._tls),
            elsewhere=elsewhere,
        )

    # --- what it answers ------------------------------------------------------------------------------------

    async def _replied(self, there: _There, etag: str | None, turn: Turn) -> tuple[Reply | Fault, bool]:
        """Return the answer, and whether another origin gave it, which a redirect led to."""
        source, target = there.source, there.target
        for hop in range(MAX_HOPS + 1):
            reply = await source.transport.get(target, etag=None if hop else etag, turn=turn)
            if not isinstance(reply, Elsewhere):
                return (self._masked(reply) if isinstance(reply, Fault) else reply), hop > 0
            url = self._clean(reply.url)
            if url is None or target.body is not None:
                return Fault(FaultKind.REFUSED, f"{reply.message}: not followed", reply.http_status), True
            try:
                source = self._source_of(there.source.api, origin_of(url), is_url=True)
                target = source.prepared(source.requests.job(url))
            except ConfigError as error:
                return Fault(FaultKind.REFUSED, f"{reply.message}: {error}", reply.http_status), True
            if (fault := await turn()) is not None:
                return fault, True
        return Fault(FaultKind.REFUSED, f"more than {MAX_HOPS} redirects"), True

    def _onward(self, there: _There, told: str, place: Place | None) -> Onward | Fault | None:
        """Return where a reply says that the job goes on; None where that is where it was asked."""
        continues = there.source.api.continues
        if continues is None:
            return None
        by_header = self.api.by_header.get(continues.header, "")
        api = continues.api or by_header or ("" if place is None else place.api)
        api = "" if api == self.api.name else api
        if not continues.is_url:
            onward = Place(told, api)
            is_here = told == there.job_id and api == ("" if place is None else place.api)
        else:
            found = resolved(there.url, told)
            if found is None:
                return Fault(FaultKind.UNREADABLE, "the reply names no URL that can be read where the job goes on")
            url = self._clean(found)
            if url is None:
                return Fault(FaultKind.REFUSED, "the job goes on at a URL that holds a secret: not followed")
            origin = origin_of(url)
            if origin != self._home and origin not in self._allowed:
                hint = f'not followed; if that is right: allowed_origins = ["{printable(origin)}"]'
                return Fault(FaultKind.REFUSED, f"the job goes on at another origin, {printable(origin)}: {hint}")
            onward = Place(url, api, is_url=True)
            is_here = url == resolved(there.url, there.url) and api == ("" if place is None else place.api)
        return None if is_here else Onward(onward, there.name)

    def _clean(self, url: str) -> str | None:
        """Return a URL without the token that a server may have put into it; None where it holds another secret."""
        for source in (self, *self._sources.values()):
            url = source.requests.without_token(url)
        return None if any(each.requests.holds_secret(url) for each in (self, *self._sources.values())) else url


def _own_origin(api: JobAPI) -> str:
    """Return the origin that a table itself says it is served at; empty where it leaves that to others."""
    base_url = os.environ.get(api.base_url_variable) or api.base_url
    try:
        return origin_of(base_url) if base_url and "{" not in base_url else ""
    except ValueError:
        return ""


def _without_secrets(api: JobAPI, token_variable: str) -> JobAPI:
    """Return an API that sends nothing that came from a variable, but for one token."""
    return replace(
        api,
        token_variable=token_variable,
        token_is_optional=not token_variable,
        base_url_variable="",
        headers={name: value for name, value in api.headers.items() if "{" not in value},
        query={name: value for name, value in api.query.items() if "{" not in value},
        version_header=None,
    )
