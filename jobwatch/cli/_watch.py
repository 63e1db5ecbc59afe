"""``jobwatch watch``: everything that runs, for as long as one likes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from .._client.access import check_token, engine_of, learned_by
from .._core.ends import ACCEPTABLE, outcomes_of
from .._errors import ConfigError, JournalError
from .._models import Outcome
from .._report.overview import Overview
from .._serving.page.address import address_of
from .._watching.changes import Health
from .._watching.journal_view import JournalView
from .._watching.own import OwnWatch
from .._watching.watcher import Watcher
from ._clients import api_for, api_named, client_for, history_for, mask_secrets_of, token_origin
from ._exit_codes import BROKEN_PIPE, SUCCESS, USAGE, Verdict, code_of_signal, codes_of
from ._lines import JsonLines, PlainLines
from ._output import note, silence
from ._render import safe
from ._signals import run as run_until_signal
from ._wait import is_terminal, telling_for
from ._watch_ends import end_of
from ._watch_lines import LineView
from ._watch_news import Feed, News
from ._watch_page import PageFace, served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractContextManager
    from typing import Protocol

    from .._client.client import Client
    from .._serving.page.address import Address
    from ._arguments import Options
    from ._render import OutcomeRecord
    from ._run import Display
    from ._telling import Telling
    from ._watch_news import Viewer

    class Face(Viewer, Protocol):
        """The viewer that somebody sits before, or that prints.

        Attributes:
            every: After how many seconds it is to be called though nothing is new.
        """

        every: float

        @property
        def stays(self) -> bool:
            """Whether it stays when all jobs have ended: somebody can look at them, and leave by a key."""
            ...

        async def until_quit(self) -> None:
            """Wait until somebody has seen enough."""
            ...


_INTERRUPTED = code_of_signal(2)
"""The exit code of a view that was left while jobs that were named go on: that of Ctrl-C."""


def run(options: Options) -> int:
    """Watch jobs until the user has seen enough, or all that were named have ended and nobody is there to see more."""
    plan = _plan(options)
    return run_until_signal(_watch(options, plan), verbose=options.verbose)


class Plan(Struct, frozen=True):
    """What the options ask for; known to be right before anything is asked.

    Attributes:
        verdict: What the command makes of how jobs end.
        telling: Makes what tells somebody, of the API's name and the number of jobs; None if more come.
        client: Asks about the jobs; None where a journal is read.
        address: Where a page of the jobs is to be served, if it is.
    """

    verdict: Verdict
    telling: Callable[[str, int | None], Telling | None]
    client: Client | None
    address: Address | None


class Opened(Struct, frozen=True):
    """Where jobs come from, opened.

    Attributes:
        feed: Reads them.
        what: What is watched, in words for a title.
        api: The name of their API.
        job_ids: The jobs that were named.
        is_lasting: Whether more may come.
        is_journal: Whether a journal is read.
    """

    feed: Feed
    what: str
    api: str
    job_ids: tuple[str, ...] = ()
    is_lasting: bool = True
    is_journal: bool = False

    @property
    def outcomes(self) -> list[Outcome]:
        """How those of the named jobs ended that have."""
        rows = map(self.feed.overview.row, self.job_ids)
        return [row.job.outcome for row in rows if row is not None and row.job.outcome is not None]

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to come: all jobs that were named have ended, and there are no others."""
        return not self.is_lasting and len(self.outcomes) == len(self.job_ids)


def _plan(options: Options) -> Plan:
    ways = {"JOB": options.jobs, "--project": options.projects, "--journal": options.journal}
    given = [name for name, value in ways.items() if value]
    if not given:
        raise ConfigError("nothing to watch: give the ids of jobs, --project ID or --journal FILE")
    if options.journal is not None and len(given) > 1:
        raise ConfigError("--journal shows what its service watches: leave out jobs and --project")
    if "-" in options.jobs:
        raise ConfigError("watch reads no response from standard input: jobwatch wait - does, or give the job's id")
    verdict = Verdict(
        options.no_fail, outcomes_of("--accept", options.accept or (), ACCEPTABLE), codes_of(options.exit_code or ())
    )
    address = None if options.serve is None else address_of(options.serve)
    client = None if options.journal is not None else client_for(options)
    if client is not None and options.projects and not client.has_lists:
        raise ConfigError(f"{client.name} documents no list of jobs: give each job by its id")
    return Plan(verdict, telling_for(options, verdict), client, address)


@contextlib.asynccontextmanager
async def opened(options: Options, client: Client | None) -> AsyncGenerator[Opened]:
    """Open what the options name, and feed an overview from it: the only place where that is decided.

    Args:
        options: The options of ``jobwatch watch``.
        client: Asks about jobs and projects; None where a journal is read.

    Raises:
        ConfigError: There is nothing of that kind, or it cannot be read.
    """
    if client is None:
        yield _journal(options)
        return
    async with client, Watcher(client, follow_interval=options.follow_interval or 30.0) as watcher:
        if options.token_command is not None:
            await check_token(client)
        job_ids = await watcher.add(*options.jobs) if options.jobs else ()
        for project in options.projects or ():
            await watcher.add_project(project)
        async with OwnWatch(client, watcher) as source:
            outputs = client.api.output if options.source is None else None
            feed = Feed(source, Overview(learned_by(client)), engine_of(client).unix, outputs)
            yield Opened(feed, _what(job_ids, options.projects or ()), client.name, job_ids, bool(options.projects))


def _journal(options: Options) -> Opened:
    path = options.journal or ""
    try:
        source = JournalView(path)
    except JournalError as error:
        raise ConfigError(str(error)) from None
    _know_api(source.api, options)
    history = history_for(options)
    feed = Feed(source, Overview(history), time.time)
    return Opened(feed, f"Journal {path}", source.api, is_journal=True)


def _know_api(name: str, options: Options) -> None:
    """Mask the token of a journal's API, which the words of its jobs may quote, where the environment holds it."""
    if options.api is None:
        with contextlib.suppress(ConfigError):  # its table need not be here
            mask_secrets_of(api_named(name))
        return
    api = api_for(options)
    if api.name != name:
        raise ConfigError(f"the journal {options.journal} holds jobs of {name}, and --api says {api.name}")
    mask_secrets_of(api)


def _what(job_ids: tuple[str, ...], projects: list[str] | tuple[str, ...]) -> str:
    jobs = "" if not job_ids else "1 job" if len(job_ids) == 1 else f"{len(job_ids)} jobs"
    named = f"project {', '.join(projects)}" if projects else ""
    return " and ".join(filter(None, (jobs, named)))


async def _watch(options: Options, plan: Plan) -> int:
    async with (
        opened(options, plan.client) as source,
        served(plan.address, source.feed, is_lasting=source.is_lasting) as page,
    ):
        overview = source.feed.overview
        telling = plan.telling(source.api, None if source.is_lasting else len(source.job_ids))
        viewers: list[Viewer] = [] if telling is None else [TellingView(telling, is_journal=source.is_journal)]
        if page is not None:
            viewers.append(page)
        is_over = False
        try:
            with face_for(options, source) as face:
                every = face.every if page is None else min(face.every, page.every)
                await _show(source, [*viewers, face], face, every)
                is_over = source.has_ended
                if page is not None and is_over:
                    page.end()
            code = _code(source, plan.verdict)
        except BrokenPipeError:
            silence()
            code = BROKEN_PIPE
        except OSError as error:
            silence()
            note(f"error: cannot write the output: {safe(error.strerror or type(error).__name__)}")
            code = USAGE
        finally:
            if telling is not None:
                ended = [end_of(row) for row in overview.rows() if not row.goes_on]
                await telling.finish(ended, is_stopped=not is_over)
    refused = any(row.health is Health.AUTH for row in overview.rows())
    if refused and plan.client is not None and options.source is None:
        note(f"the token came from {token_origin(plan.client.api, options)}")
    return code


async def _show(source: Opened, viewers: list[Viewer], face: Face, every: float) -> None:
    """Show jobs until somebody has seen enough, or there is nothing more to come and nobody to look at it."""

    def is_over(_: Overview) -> bool:
        return source.has_ended and not face.stays

    feeding = asyncio.create_task(source.feed.run(viewers, every, is_over), name="jobwatch feed")
    leaving = asyncio.create_task(face.until_quit(), name="jobwatch quit")
    try:
        await asyncio.wait([feeding, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (feeding, leaving):
            task.cancel()
        await asyncio.wait([feeding, leaving])
    if not feeding.cancelled():
        feeding.result()


def _code(source: Opened, verdict: Verdict) -> int:
    if source.is_lasting:
        return SUCCESS
    return verdict.exit_code(source.outcomes) if source.has_ended else _INTERRUPTED


def face_for(options: Options, source: Opened) -> AbstractContextManager[Face]:
    """Return what suits stdout: a live table for a terminal, else lines; nothing where a page shows the jobs."""
    if options.json:
        return LinesFace(JsonLines(), source)
    if options.serve is not None:
        return PageFace()
    if is_terminal():
        try:
            from ._watch_live import LiveFace  # noqa: PLC0415 - rich is an extra, and takes long to import
        except ImportError:
            note("for a live table, install rich: pip install 'jobwatch-client[cli]'")
        else:
            return LiveFace(source.feed.overview, source.what, is_lasting=source.is_lasting)
    return LinesFace(PlainLines(source.job_ids), source)


class LinesFace:
    """Prints lines, until a signal ends it or all jobs have ended that were named."""

    every = 1.0
    stays = False

    def __init__(self, display: Display, source: Opened) -> None:
        self._view = LineView(display, is_journal=source.is_journal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def take(self, news: News) -> None:
        """Print what is new."""
        self._view.take(news)

    async def until_quit(self) -> None:
        """Wait for ever."""
        await asyncio.get_running_loop().create_future()


class TellingView:
    """Tells somebody how jobs end, and that they wait for a person.

    Args:
        telling: Tells.
        is_journal: Whether a journal is read: then the ends that it held before are not told.
    """

    def __init__(self, telling: Telling, *, is_journal: bool) -> None:
        self._telling = telling
        self._is_journal = is_journal
        self._blocked: dict[str, OutcomeRecord] = {}

    def take(self, news: News) -> None:
        """Tell what is new."""
        for row in news.rows:
            if row.asks and row.blocked_since is not None:
                self._blocked[row.job_id] = end_of(row)
            else:
                self._blocked.pop(row.job_id, None)
        for job_id in news.gone:
            self._blocked.pop(job_id, None)
        if not (self._is_journal and news.is_first):
            for record in news.ended:
                self._telling.ended(record)
        self._telling.blocked(self._blocked.values())
