"""What a FastAPI endpoint may return: a job as it is, with and without an annotated type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI

from jobwatch import Change, ChangeKind, Health, Job, Phase, Transition, WatcherHealth
from jobwatch.apis import CAPYDB
from jobwatch.apis.capydb import CapyJob
from jobwatch.testing import JobServer

from .project.documents import blocks

AT = datetime(2026, 1, 2, tzinfo=UTC)
TRANSITION = Transition("job_1", 1, "RUNNING", Phase.RUNNING, None, AT)
CHANGE = Change(job_id="job_1", seq=1, kind=ChangeKind.STATE, seen_at=AT, transition=TRANSITION)
HEALTH = WatcherHealth(jobs=2, troubled={Health.STALE: 1}, undelivered=0)

app = FastAPI()


def read() -> Job[CapyJob]:
    job = CAPYDB.job(b'{"job":{"id":"job_1","state":"completed","started_at":"2026-01-02T00:00:00Z"}}', "job_1")
    assert isinstance(job, Job)
    return job


@app.get("/plain")
async def plain():  # type: ignore[no-untyped-def]
    return read()


@app.get("/typed")
async def typed() -> Job:
    return read()


@app.get("/of-an-api")
async def of_an_api() -> Job[CapyJob]:
    return read()


@app.get("/several")
async def several() -> list[Job[CapyJob]]:
    return [read()]


@app.get("/within")
async def within() -> dict[str, Transition | Change | WatcherHealth | None]:
    return {"transition": TRANSITION, "change": CHANGE, "health": HEALTH, "nothing": None}


async def got(path: str, app: FastAPI = app) -> tuple[int, object]:
    """Ask an application as a server does, and return its status and the JSON."""
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await app(scope, receive, send)
    body = b"".join(bytes(each.get("body", b"")) for each in sent)  # type: ignore[call-overload]
    status = sent[0]["status"]
    assert isinstance(status, int)
    return status, msgspec.json.decode(body)


@pytest.mark.parametrize("path", ["/plain", "/typed", "/of-an-api"])
async def test_an_endpoint_returns_a_job_as_it_is(path: str) -> None:
    status, told = await got(path)
    assert status == 200
    assert isinstance(told, dict)
    assert told == dict(read())
    assert (told["status"], told["started_at"], told["wire"]["state"]) == (
        "completed",
        "2026-01-02T00:00:00Z",
        "completed",
    )


async def test_so_it_does_within_lists_and_dicts() -> None:
    assert await got("/several") == (200, [dict(read())])
    assert await got("/within") == (
        200,
        {"transition": dict(TRANSITION), "change": dict(CHANGE), "health": dict(HEALTH), "nothing": None},
    )


async def test_its_description_says_that_they_are_objects() -> None:
    status, told = await got("/openapi.json")
    assert status == 200
    assert isinstance(told, dict)
    schema = told["paths"]["/typed"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["type"] == "object"


async def test_the_service_that_the_page_shows(job_server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    job_server.add("capydb", "job_1", [("running", 0), ("completed", 0)], result={"tables": 3})
    monkeypatch.setenv("CAPYDB_API_URL", job_server.url_of("capydb"))
    monkeypatch.setenv("CAPYDB_API_KEY", str(job_server.token))
    (block,) = [block for block in blocks("python", "jobwatch/_models/README.md") if "FastAPI(" in block.text]
    names: dict[str, Any] = {}
    exec(compile(block.text, "page", "exec", dont_inherit=True), names)
    async with names["lifespan"](names["app"]):
        status, told = await got("/restores/job_1", names["app"])
    assert status == 200
    assert isinstance(told, dict)
    assert (told["id"], told["phase"], told["result"]) == ("job_1", "succeeded", {"tables": 3})
