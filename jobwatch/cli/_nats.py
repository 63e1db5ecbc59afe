"""``jobwatch nats``: workers, and what is watched, on NATS JetStream."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._client.access import check_token, job_id_of, place_of
from .._client.client import Client
from .._errors import ConfigError, JobwatchError, LookError
from .._http.secrets import spellings
from .._http.tls import context_of
from .._http.urls import segment
from ..nats._budget import BudgetStanding, WorkerShare, standings
from ..nats._connection import ServerOptions, connect
from ..nats._jobs import Jobs, Standing
from ..nats._projects import Projects
from ..nats._server import EmbeddedServer
from ..nats._stream import open_streams
from ..nats._subjects import place_token
from ..nats._watcher import tokenless_client
from ..nats._worker import Worker
from ._clients import api_for, client_for, params_for, params_in_urls
from ._exit_codes import code_of_signal
from ._lines import print_columns, print_json
from ._output import brief, mask, note, say
from ._render import moment, safe
from ._signals import run as run_until_signal

if TYPE_CHECKING:
    from .._core.tracker import Watched
    from ._arguments import Options

VARIABLE = "JOBWATCH_NATS_URL"

_USUAL = "nats://127.0.0.1:4222"
_UNREACHED = 7
_STOPPED = (code_of_signal(2), code_of_signal(15))
_HEADINGS = ("JOB", "STATUS", "NEXT LOOK", "SEEN", "LOOKS", "CHANGES")


def run(options: Options) -> int:
    """Do what the action says."""
    if options.action in ("add", "remove") and bool(options.jobs) == bool(options.project):
        raise ConfigError(f"nats {options.action} takes the ids of jobs, or --project ID")
    if options.follow and not options.project:
        raise ConfigError("--follow goes with --project")
    server = _server(options)
    try:
        if options.action == "worker":
            code = run_until_signal(_work(client_for(options), server, options), verbose=options.verbose)
            return 0 if code in _STOPPED else code
        if options.project and options.action == "add" and not options.follow:
            return run_until_signal(_add_project(client_for(options), server, options), verbose=options.verbose)
        return run_until_signal(_on_jobs(_where(options), server, options), verbose=options.verbose)
    except (ConfigError, LookError):
        raise
    except JobwatchError as error:
        note(f"error: {error}")
        return _UNREACHED


def _server(options: Options) -> ServerOptions:
    url = options.url or os.environ.get(VARIABLE) or _USUAL
    for each in url.split(","):
        password = urlsplit(each.strip()).password
        if password:
            mask(spellings(password))
            if options.url:
                note(f"others on this machine can read the user and password of --url: {VARIABLE} hides them")
    try:
        tls = context_of(options.nats_tls_cert, options.nats_tls_key, options.nats_tls_ca)
    except ConfigError as error:
        raise ConfigError(str(error).replace("--tls-", "--nats-tls-")) from None
    return ServerOptions(
        url=url,
        prefix=options.prefix,
        shards=options.shards,
        replicas=options.replicas,
        credentials=options.credentials,
        tls=tls,
    )


def _where(options: Options) -> Client:
    """Return a client that only knows where the jobs are: what is watched is no business of a token's."""
    if options.source is not None:
        return client_for(options)
    api = api_for(options)
    return tokenless_client(api, options.base_url, params_in_urls(api, options) | params_for(options))


# --- worker ----------------------------------------------------------------------------------------------------------


async def _work(client: Client, server: ServerOptions, options: Options) -> int:
    if options.store is not None and not options.embedded:
        raise ConfigError("--store goes with --embedded: another server keeps its data where it was told to")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(client)
        if options.token_command is not None:
            await check_token(client)
        own = await stack.enter_async_context(_embedded(server, options)) if options.embedded else None
        worker = Worker(
            client,
            server,
            concurrency=options.concurrency,
            budget=options.budget,
            **{
                name: value
                for name, value in (("keep", options.keep), ("stale_after", options.stale_after))
                if value is not None
            },
        )
        ready = asyncio.Event()
        said = f"looking at jobs of {safe(client.name)} at {safe(place_of(client))} for {safe(server.servers)}"
        saying = asyncio.create_task(_say_when(ready, said), name="jobwatch worker is ready")
        try:
            await (worker.run(ready) if own is None else _work_with(own, worker, ready))
        finally:
            saying.cancel()
    return 0


async def _say_when(ready: asyncio.Event, text: str) -> None:
    await ready.wait()
    note(text)


async def _work_with(own: EmbeddedServer, worker: Worker, ready: asyncio.Event) -> None:
    """Let a worker work for as long as its own server runs: nobody else would start that again."""
    working = asyncio.create_task(worker.run(ready), name="jobwatch worker")
    ending = asyncio.create_task(own.ended(), name="jobwatch own server")
    try:
        await asyncio.wait([working, ending], return_when=asyncio.FIRST_COMPLETED)
        has_ended = ending.done()
    finally:
        working.cancel()  # once: it lets looks under way end
        ending.cancel()
        await asyncio.wait([working, ending])
    if has_ended:
        raise JobwatchError("the NATS server that was started here has ended; the same command goes on with its data")
    working.result()


def _embedded(server: ServerOptions, options: Options) -> EmbeddedServer:
    if "," in server.url or options.credentials or server.tls:
        raise ConfigError("--embedded starts one server on loopback: leave out credentials, TLS and other servers")
    where = urlsplit(server.url)
    if where.hostname not in ("127.0.0.1", "localhost"):
        raise ConfigError(f"--embedded starts a server on loopback, and --url names {where.hostname}")
    folder = Path(options.store) if options.store else _usual_store()
    note(f"a NATS server of its own keeps its data in {safe(str(folder))}")
    return EmbeddedServer(folder, where.port or 4222)


def _usual_store() -> Path:
    try:
        from platformdirs import user_data_path  # noqa: PLC0415 - comes with the extra "cli"
    except ImportError:
        raise ConfigError("say where the server is to keep its data: --store DIR") from None
    return user_data_path("jobwatch", appauthor=False) / "nats"


# --- what is watched -------------------------------------------------------------------------------------------------


async def _add_project(client: Client, server: ServerOptions, options: Options) -> int:
    async with client:
        jobs = await client.jobs(options.project, options.limit)
        going_on = [client.watched(job.id) for job in jobs if not job.phase.ended]
        return await _with_jobs(client, server, options, going_on)


async def _on_jobs(client: Client, server: ServerOptions, options: Options) -> int:
    async with client:
        watched = [client.watched(job_id) for job_id in options.jobs] if options.action == "add" else []
        return await _with_jobs(client, server, options, watched)


async def _with_jobs(client: Client, server: ServerOptions, options: Options, watched: list[Watched]) -> int:
    place = place_token(client.name, place_of(client))
    async with await connect(server, f"jobwatch nats {options.action}") as connection:
        streams = await open_streams(connection, place)
        jobs, projects = Jobs(streams), Projects(streams)
        match options.action:
            case "add" if options.follow:
                _check_list(client, options.project)
                is_new = await projects.add(options.project)
                _tell_of_project(options.project, "followed" if is_new else "followed already", options)
            case "remove" if options.project:
                was_followed = await projects.drop(options.project)
                what = "not followed any more" if was_followed else "was not followed"
                _tell_of_project(options.project, what, options)
            case "add":
                _tell("added", "watched already, or its end is known", set(await jobs.add(watched)), watched, options)
            case "remove":
                for job_id in [job_id_of(client, given) for given in options.jobs]:
                    _tell_one(job_id, "removed" if await jobs.remove(job_id) else "was not watched", options)
            case _:
                await _list(jobs, options)
                await _list_projects(projects, options)
                _list_budgets(await standings(connection, client), options)
    return 0


def _tell(new: str, old: str, news: set[str], watched: list[Watched], options: Options) -> None:
    for each in watched:
        _tell_one(each.job_id, new if each.job_id in news else old, options)


def _tell_one(job_id: str, what: str, options: Options) -> None:
    if options.json:
        print_json({"type": "job", "job_id": job_id, "told": what})
    else:
        say(f"{safe(job_id)}: {what}")


def _check_list(client: Client, project_id: str) -> None:
    if not client.has_lists:
        raise ConfigError(f"{client.name} documents no list of jobs; add each job by its id")
    segment(project_id, "project")


def _tell_of_project(project_id: str, what: str, options: Options) -> None:
    if options.json:
        print_json({"type": "project", "project_id": project_id, "told": what})
    else:
        say(f"project {safe(project_id)}: {what}")


async def _list_projects(projects: Projects, options: Options) -> None:
    async for each in projects.all():
        if options.json:
            print_json({"type": "project", **dict(each)})
        else:
            listed = "not listed yet" if each.listed is None else f"{each.listed} jobs listed"
            fault = "" if each.fault is None else f"; {safe(each.fault)}"
            note(f"project {safe(each.project_id)}: {listed}{fault}")


async def _list(jobs: Jobs, options: Options) -> None:
    rows: list[tuple[str, ...]] = [_HEADINGS]
    watched = over = due = 0
    async for each in jobs.all():
        watched, over, due = watched + (each.outcome is None), over + (each.outcome is not None), due + each.is_due
        if options.json:
            print_json({"type": "job", **dict(each)})
        else:
            rows.append(_row(each))
    readers = await jobs.readers()
    if options.json:
        for name, unread in readers.items():
            print_json({"type": "reader", "name": name, "unread": unread})
        return
    if len(rows) > 1:
        print_columns(rows)
    behind = ", ".join(f"{safe(name)} {unread} behind" for name, unread in readers.items()) or "no reader"
    note(f"{watched} watched, {due} of them due or looked at now; {over} over; {behind}")


def _list_budgets(budgets: tuple[BudgetStanding, ...], options: Options) -> None:
    for each in budgets:
        if options.json:
            print_json({"type": "budget", **dict(each)})
        else:
            note(f"budget {safe(each.account)}: {_told_of(each)}")


def _told_of(budget: BudgetStanding) -> str:
    rate = "as many requests as the API allows" if budget.rate is None else f"{budget.rate:.3g} requests a second"
    held = [
        safe(each.worker) + ("" if each.rate is None else f" {each.rate:.3g}") + _given_to(each)
        for each in budget.workers
    ]
    parts = [
        rate + (", slowed by the API" if budget.slowed else ""),
        *([f"no requests for {budget.paused_for:.0f} s, as the API asks"] if budget.paused_for else []),
        ", ".join(held) or "no worker",
    ]
    return "; ".join(parts)


def _given_to(share: WorkerShare) -> str:
    return "" if share.max_rate is None else f" (--max-rate {share.max_rate:g})"


def _row(each: Standing) -> tuple[str, ...]:
    if each.outcome is not None:
        why = "" if each.error is None else f", {brief(each.error.text)}"
        next_look = f"none: {each.outcome.value}{why}"
    else:
        next_look = "due" if each.due_at is None else moment(datetime.fromtimestamp(round(each.due_at), UTC))
    seen = each.health.value if each.fault is None else f"{each.health.value}: {safe(each.fault.message)}"
    return safe(each.job_id), safe(each.status or "-"), next_look, seen, str(each.looks), str(each.changes)
