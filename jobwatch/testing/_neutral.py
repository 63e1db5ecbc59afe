"""The neutral API: what real servers do and the two vendors here do not, under plain names.

The docstring of `jobwatch.testing` lists its paths.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, assert_never
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from .._errors import ConfigError
from .._models import JSON, Problem
from ._answer import Answer, Dialect, json_answer, phrase
from ._job import NEUTRAL_ENDS, JobOptions, ServedJob, Step, stamp

ROOT = "/neutral"

_MONITORED = {"succeeded": 303, "partial": 207, "failed": 422, "cancelled": 409, "finished": 204}
_BAD = frozenset({"partial", "failed"})


class Pages(Struct, frozen=True):
    """How the neutral API answers with long lists.

    Attributes:
        size: How many items a page has.
        next: How the next page is told: "url" or "token" (for ``?page=``) under ``next``, or "link", a header.
        newest_first: Whether a history begins with the last state.
    """

    size: int = 100
    next: Literal["url", "token", "link"] = "url"
    newest_first: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.next not in {"url", "token", "link"}:
            raise ConfigError(f"{self} makes no pages: give a size of 1 or more, and next='url', 'token' or 'link'")


class View(enum.Enum):
    """In which way a job, or several, are asked about."""

    RECORD = enum.auto()
    WORD = enum.auto()
    MONITOR = enum.auto()
    TURN = enum.auto()
    PARTS = enum.auto()
    HISTORY = enum.auto()
    OUTPUT = enum.auto()
    PROBLEM = enum.auto()
    EVENTS = enum.auto()
    JOBS = enum.auto()
    FIND = enum.auto()
    PROJECT = enum.auto()
    RPC = enum.auto()
    GRAPHQL = enum.auto()


_METHODS = {
    View.OUTPUT: ("GET", "POST"),
    View.PROBLEM: ("GET", "POST"),
    View.JOBS: ("GET", "POST"),
    View.FIND: ("POST",),
    View.RPC: ("POST",),
    View.GRAPHQL: ("POST",),
}
_OF_ONE = {
    "word": View.WORD,
    "monitor": View.MONITOR,
    "parts": View.PARTS,
    "history": View.HISTORY,
    "output": View.OUTPUT,
    "problem": View.PROBLEM,
    "events": View.EVENTS,
}
_HELD = frozenset({View.RECORD, View.WORD, View.MONITOR, View.TURN, View.RPC, View.GRAPHQL})


class Target(Struct, frozen=True):
    """What a request asks about.

    Attributes:
        view: In which way; None where the API has no such path.
        job_id: The job.
        project_id: The project whose jobs are asked for.
        turn: The number of a turn.
        wait: Seconds for which the answer may be held.
        sent: What was sent as JSON, where that is an object.
    """

    view: View | None
    job_id: str | None = None
    project_id: str | None = None
    turn: int = 0
    wait: float = 0.0
    sent: Mapping[str, JSON] = {}

    @property
    def is_for_stream(self) -> bool:
        """Whether it asks for a stream of events."""
        return self.view is View.EVENTS


class Asked(Struct, frozen=True):
    """A request as far as the neutral API reads it: its target, its method, its path and its query."""

    target: Target
    method: str
    path: str
    query: Mapping[str, str]


class Served(Struct, frozen=True):
    """What the server has, for one answer.

    Attributes:
        jobs: The jobs of this API, by their ids, in the order in which they were added.
        record: The record of a job as it is now, or None before its first step and when it is forgotten.
        steps: The states that a job has entered.
        origin: What a URL begins with.
        pages: How long lists are answered.
        epoch: The wall time at which the server started.
    """

    jobs: Mapping[str, ServedJob]
    record: Callable[[ServedJob], dict[str, JSON] | None]
    steps: Callable[[ServedJob], tuple[Step, ...]]
    origin: str
    pages: Pages
    epoch: datetime


# --- what is asked ------------------------------------------------------------------------------------------------


def target_of(
    method: str, parts: Sequence[str], query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Target:
    """Return what a request asks about, from the parts of its path behind `ROOT`."""
    sent = _sent(body)
    wait = _wait(query, headers)
    match parts:
        case ["jobs"]:
            job_id = sent.get("id") if method == "POST" else None
            return Target(View.JOBS, job_id if isinstance(job_id, str) else None, sent=sent)
        case ["jobs", "find"]:
            return Target(View.FIND, sent=sent)
        case ["jobs", job_id]:
            return Target(View.RECORD, job_id, wait=wait)
        case ["jobs", job_id, "turns", turn] if turn.isascii() and turn.isdigit() and len(turn) < 10:
            return Target(View.TURN, job_id, turn=int(turn), wait=wait)
        case ["jobs", job_id, view] if view in _OF_ONE:
            return Target(_OF_ONE[view], job_id, wait=wait)
        case ["projects", project_id, "jobs"]:
            return Target(View.PROJECT, project_id=project_id)
        case ["rpc"]:
            return Target(View.RPC, _text_at(sent, "params", "id"), wait=wait, sent=sent)
        case ["graphql"]:
            return Target(View.GRAPHQL, _text_at(sent, "variables", "id"), wait=wait, sent=sent)
        case _:
            return Target(None)


def _sent(body: bytes) -> Mapping[str, JSON]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body else {}
    except msgspec.DecodeError:
        return {}


def _wait(query: Mapping[str, str], headers: Mapping[str, str]) -> float:
    preferred = headers.get("Prefer", "").partition("wait=")[2].partition(",")[0]
    try:
        wait = float(query.get("wait") or preferred or 0)
    except ValueError:
        return 0.0
    return wait if 0.0 < wait < math.inf else 0.0


def _text_at(sent: Mapping[str, JSON], key: str, inner: str) -> str | None:
    params = sent.get(key)
    value = params.get(inner) if isinstance(params, dict) else None
    return value if isinstance(value, str) else None


def holds(target: Target, job: ServedJob, now: float) -> bool:
    """Return whether a request is held: it asks for that, and its job is there and goes on."""
    steps = job.until(now)
    return target.wait > 0 and target.view in _HELD and bool(steps) and not is_end(steps[-1], job.options)


# --- a record -----------------------------------------------------------------------------------------------------


def is_end(step: Step, options: JobOptions) -> bool:
    """Return whether a job of the neutral API stays in a state."""
    return _like(step, options) in NEUTRAL_ENDS


def forgotten_at(job: ServedJob) -> float:
    """Return when a job is not known any more, in seconds since the server was started, or infinity."""
    last = job.until(math.inf)[-1]
    return last.at + job.options.get("kept", math.inf) if is_end(last, job.options) else math.inf


def _like(step: Step, options: JobOptions) -> str:
    """Return the neutral word that a job's word is like."""
    word = step.status.casefold()
    return next((like for end, like in options.get("ends", {}).items() if end.casefold() == word), word)


def _record(job_id: str, steps: tuple[Step, ...], options: JobOptions, epoch: datetime) -> dict[str, JSON]:
    last = steps[-1]
    starts = [step.at for step in steps if step.status.casefold() == "running"]
    record: dict[str, JSON] = {"id": job_id, "state": last.status, "created": stamp(epoch, steps[0].at)}
    record |= {"started": stamp(epoch, starts[-1])} if starts else {}
    record |= {"ended": stamp(epoch, last.at)} if is_end(last, options) else {}
    record |= {"changed": stamp(epoch, last.at), "attempt": max(1, len(starts))}
    record["times"] = {step.status: stamp(epoch, step.at) for step in steps}
    given: dict[str, JSON] = {
        "kind": options.get("type"),
        "project": options.get("project_id"),
        "parent": options.get("parent_id"),
        "poll_ms": options.get("poll_ms"),
    }
    record |= {name: value for name, value in given.items() if value is not None}
    if "progress" in options:
        record["done"], record["total"] = options["progress"]
    return record | _asked(last, options) | _ending(last, options)


def _asked(last: Step, options: JobOptions) -> dict[str, JSON]:
    if last.status.casefold() != "blocked" or not {"asks", "asks_url"} & set(options):
        return {}
    return {"asks": {"text": options.get("asks"), "url": options.get("asks_url")}}


def _ending(last: Step, options: JobOptions) -> dict[str, JSON]:
    """Return the fields that come with an end."""
    like = _like(last, options)
    if like not in NEUTRAL_ENDS:
        return {}
    fields: dict[str, JSON] = {"exit_code": options["exit_code"]} if "exit_code" in options else {}
    if "error" in options and like in _BAD:
        error = options["error"]
        problem = Problem(error) if isinstance(error, str) else error
        fields["problem"] = {"code": problem.code, "text": problem.message}
    if "result" in options and like in {"succeeded", "partial", "finished"}:
        fields["output"] = options["result"]
    return fields


def of_its_time(job: ServedJob, steps: tuple[Step, ...], now: float, served: Served) -> dict[str, JSON]:
    """Return the fields of a record that depend on when it is asked for, and on other jobs."""
    fields: dict[str, JSON] = {}
    if {"generation", "behind"} & set(job.options):
        asked = job.options.get("generation", 1)
        is_behind = now < steps[0].at + job.options.get("behind", 0.0)
        fields |= {"generation": asked, "seen_generation": asked - 1 if is_behind else asked}
    place = job.options.get("moves_to")
    if place is not None and "://" in place:
        fields["moved_to"] = {"url": place}
    elif place is not None and place in served.jobs and served.steps(served.jobs[place]):
        fields["moved_to"] = {"id": place, "url": f"{served.origin}{ROOT}/jobs/{place}"}
    return fields


def _problem(status: int, _request_id: str, detail: str | None) -> Answer:
    name = phrase(status)
    error: JSON = {"code": name.upper().replace(" ", "_"), "message": detail or name}
    return json_answer({"error": error}, status)


def _event(job_id: str, step: Step, options: JobOptions, epoch: datetime) -> bytes:
    data: JSON = {"id": job_id, "state": step.status, "at": stamp(epoch, step.at)}
    return b"event: %b\ndata: %b\n\n" % (b"end" if is_end(step, options) else b"state", msgspec.json.encode(data))


NEUTRAL = Dialect("neutral", ROOT, _record, lambda _: "id", lambda record, _: record, _problem, _event, is_end)


# --- the answers --------------------------------------------------------------------------------------------------


def answered(asked: Asked, served: Served) -> Answer:
    """Return the answer to a request that is let in."""
    target = asked.target
    if target.view is None:
        return _problem(404, "", "there is no such path")
    methods = _METHODS.get(target.view, ("GET", "HEAD"))
    if asked.method not in methods:
        return _problem(405, "", None).plus({"Allow": ", ".join(methods)})
    answer = _viewed(target.view, asked, served)
    return _as_event(answer) if asked.query.get("as") == "event" and answer.body else answer


def _viewed(view: View, asked: Asked, served: Served) -> Answer:
    match view:
        case View.JOBS if asked.method == "POST":
            return _started(asked.target, served)
        case View.JOBS | View.FIND | View.PROJECT:
            return _several(asked, served)
        case View.RPC:
            return _rpc(asked.target, served)
        case View.GRAPHQL:
            return _graphql(asked.target, served)
        case _:
            pass
    job = served.jobs.get(asked.target.job_id or "")
    record = None if job is None else served.record(job)
    if job is None or record is None:
        return _problem(404, "", "there is no such job")
    return _one(view, asked, served, job, record)


def _one(view: View, asked: Asked, served: Served, job: ServedJob, record: dict[str, JSON]) -> Answer:
    hints = {"Retry-After": job.options["retry_after"]} if "retry_after" in job.options else {}
    match view:
        case View.RECORD | View.EVENTS:
            return json_answer(record).plus({"X-Job-Id": job.id, "X-Job-State": str(record.get("state")), **hints})
        case View.WORD:
            return Answer(200, str(record.get("state")).encode(), "text/plain; charset=utf-8").plus(hints)
        case View.MONITOR:
            return _monitored(served, job, record, hints)
        case View.TURN:
            return _turned(asked.target.turn, served, job, record)
        case View.OUTPUT | View.PROBLEM:
            name = "output" if view is View.OUTPUT else "problem"
            none = _problem(404, "", f"there is no {name} of this job")
            return json_answer({name: record[name]}) if name in record else none
        case View.PARTS:
            parts = [each for each in served.jobs.values() if each.options.get("parent_id") == job.id]
            return _paged("parts", _records(parts, served), asked, served, {"id": job.id})
        case View.HISTORY:
            entries: list[JSON] = [
                {"state": step.status, "at": stamp(served.epoch, step.at)} for step in served.steps(job)
            ]
            return _paged("entries", entries[:: -1 if served.pages.newest_first else 1], asked, served, {"id": job.id})
        case View.JOBS | View.FIND | View.PROJECT | View.RPC | View.GRAPHQL:
            raise AssertionError(view)  # a view of no one job
        case _:
            assert_never(view)


def _monitored(served: Served, job: ServedJob, record: dict[str, JSON], hints: Mapping[str, str]) -> Answer:
    status = _MONITORED.get(_like(served.steps(job)[-1], job.options), 202)
    if status == 303:
        return Answer(status).plus({"Location": f"{ROOT}/jobs/{job.id}/output"})
    return Answer(status) if status == 204 else json_answer(record, status).plus(hints)


def _turned(turn: int, served: Served, job: ServedJob, record: dict[str, JSON]) -> Answer:
    # The turn before the present one may be asked for again: its answer may have been lost.
    if turn not in {job.turn - 1, job.turn}:
        return _problem(410, "", "this turn is over")
    job.turn = turn + 1
    if is_end(served.steps(job)[-1], job.options):
        return json_answer(record)
    place = f"{ROOT}/jobs/{job.id}/turns/{job.turn}"
    return json_answer(record | {"next": served.origin + place}).plus({"Location": place})


def _started(target: Target, served: Served) -> Answer:
    job = served.jobs.get(target.job_id or "")
    record = None if job is None else served.record(job)
    if job is None or record is None:
        return _problem(422, "", 'send the id of a job that was added: {"id": ...}')
    match job.options.get("start", "id"):
        case "location":
            thing: JSON = {"id": "thing_1", "state": "ready"}
            return json_answer(thing, 202).plus({"Location": f"{ROOT}/jobs/{job.id}"})
        case "over":
            return Answer(204)
        case _:
            return json_answer({"id": job.id, "state": record.get("state")}, 202)


def _several(asked: Asked, served: Served) -> Answer:
    target = asked.target
    jobs = list(served.jobs.values())
    if target.view is View.PROJECT:
        jobs = [job for job in jobs if job.options.get("project_id") == target.project_id]
    elif target.view is View.FIND:
        ids = target.sent.get("ids")
        jobs = [job for job in jobs if isinstance(ids, list) and job.id in ids]
    elif "ids" in asked.query:
        jobs = [job for job in jobs if job.id in asked.query["ids"].split(",")]
    known = [job for job in jobs if served.steps(job)]
    for job in known:
        job.listed += 1
    return _paged("jobs", _records(known, served), asked, served, {})


def _records(jobs: Sequence[ServedJob], served: Served) -> list[JSON]:
    return [record for record in map(served.record, jobs) if record is not None]


def _paged(name: str, items: list[JSON], asked: Asked, served: Served, more: Mapping[str, JSON]) -> Answer:
    """Return one page of a list: that which the query names, of the size that it and the server allow."""
    number, limit = (_count(asked.query.get(key, usual)) for key, usual in (("page", "1"), ("limit", "1000000")))
    if not number or not limit:
        return _problem(400, "", "page and limit are numbers from 1 on")
    size = min(limit, served.pages.size)
    begin = (number - 1) * size
    body: dict[str, JSON] = {**more, name: items[begin : begin + size], "total": len(items)}
    if begin + size >= len(items):
        return json_answer(body)
    url = f"{served.origin}{asked.path}?{urlencode({**asked.query, 'page': number + 1})}"
    match served.pages.next:
        case "url":
            return json_answer(body | {"next": url})
        case "token":
            return json_answer(body | {"next": str(number + 1)})
        case "link":
            return json_answer(body).plus({"Link": f'<{url}>; rel="next"'})


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _rpc(target: Target, served: Served) -> Answer:
    request_id = target.sent.get("id")
    job = served.jobs.get(target.job_id or "")
    record = None if job is None else served.record(job)
    match target.sent.get("method"):
        case "job.get" | "job.start" if target.job_id is None:
            error = -32602, "params need an id"
        case "job.get" if record is None:
            error = -32001, "there is no such job"
        case "job.get":
            return json_answer({"jsonrpc": "2.0", "id": request_id, "result": record})
        case "job.start" if record is not None:
            started: JSON = {"id": record["id"], "state": record.get("state")}
            return json_answer({"jsonrpc": "2.0", "id": request_id, "result": started})
        case "job.start":
            error = -32001, "there is no such job"
        case str(name):
            error = -32601, f"there is no method {name}"
        case _:
            error = -32600, "that is no request"
    code, message = error
    return json_answer({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}})


def _graphql(target: Target, served: Served) -> Answer:
    job = served.jobs.get(target.job_id or "")
    record = None if job is None else served.record(job)
    if record is not None:
        return json_answer({"data": {"job": record}})
    missing: JSON = [{"message": "there is no such job", "path": ["job"], "extensions": {"code": "NOT_FOUND"}}]
    return json_answer({"data": {"job": None}, "errors": missing})


def _as_event(answer: Answer) -> Answer:
    """Frame an answer as one event of a stream, with an id and in two lines where it has a line end."""
    data = b"".join(b"data: %b\n" % line for line in answer.body.split(b"\n"))
    body = b"event: message\n%b\n" % data
    return msgspec.structs.replace(answer, body=body, content_type="text/event-stream")
