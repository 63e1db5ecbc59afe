"""Where a reply says when to come back: read from a body, put together with the header, refused where it is none."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobwatch import Client, Fault, FaultKind, JobAPI, Pace
from jobwatch._core.source import Seen
from jobwatch._http.requests import Given
from jobwatch._http.source import HttpSource
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError
from jobwatch.cli import main
from tests.table_server import TableServer, in_order

FAST = Pace(min_interval=0.001, max_interval=0.001)
MINIMAL = 'job = "https://a.test/{job_id}"\nid = "id"\nstatus = "s"\n'


def _api(text: str) -> JobAPI:
    return api_of(tomllib.loads(text), "own")


def _told(key: str, body: object) -> float | None:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return _api(f"{MINIMAL}retry_after = {key}").retry_after(raw, "j")


@pytest.mark.parametrize(
    ("key", "body", "seconds"),
    [
        ('"wait"', {"wait": 7}, 7.0),
        ('"wait"', {"wait": 2.5}, 2.5),
        ('"wait"', {"wait": "7"}, 7.0),
        ('"wait"', {"wait": " 5s "}, 5.0),
        ('"wait"', {"wait": "PT1M"}, 60.0),
        ('"wait"', {"wait": 0}, 0.0),
        ('"pollIntervalMs"', {"pollIntervalMs": 1500}, 1.5),
        ('"poll_interval_ms"', {"poll_interval_ms": "1500"}, 1.5),
        ('"poll_interval_ms"', {"poll_interval_ms": "5s"}, 5.0),
        ('"pollMillis"', {"pollMillis": 100}, 0.1),
        ('"retryAfterInMilliseconds"', {"retryAfterInMilliseconds": 100}, 0.1),
        ('"retryAfterSeconds"', {"retryAfterSeconds": 3}, 3.0),
        ('"minutes"', {"minutes": 2}, 120.0),
        ('"params"', {"params": 5}, 5.0),
        ('"terms"', {"terms": 5}, 5.0),
        ('"MS"', {"MS": 5}, 5.0),
        ('{ path = "poll.interval", unit = "ms" }', {"poll": {"interval": 250}}, 0.25),
        ('{ path = "wait_ms", unit = "s" }', {"wait_ms": 3}, 3.0),
        ('{ path = "h", unit = "h" }', {"h": 1}, 3600.0),
        ('["a", "b_ms"]', {"b_ms": 100}, 0.1),
        ('["a", "b"]', {"a": None, "b": 4}, 4.0),
        ('"max_by(tasks, &wait).wait"', {"tasks": [{"wait": 3}, {"wait": 9}]}, 9.0),
        ('"tasks[?id=={job_id}].wait | [0]"', {"tasks": [{"id": "i", "wait": 3}, {"id": "j", "wait": 9}]}, 9.0),
    ],
)
def test_a_place_says_when_to_come_back(key: str, body: object, seconds: float) -> None:
    assert _told(key, body) == seconds


@pytest.mark.parametrize(
    "value", [None, True, -1, "soon", "", [5], {"a": 5}, 1e308, "-5", "1e3", "Tue, 06 Jan 2026 12:01:30 GMT"]
)
def test_nonsense_says_nothing(value: object) -> None:
    told = _told('{ path = "wait", unit = "h" }', {"wait": value})
    assert told is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"3", b"{", b"<p>", b"\xff", b'{"wait":1e999}', b'{"other":1}'])
def test_a_body_without_it_says_nothing(body: bytes) -> None:
    assert _told('"wait"', body) is None


def test_it_lies_where_the_job_does_or_beside_it() -> None:
    text = MINIMAL + 'root = "data.job"\n'
    body = b'{"wait":1,"data":{"job":{"wait":2}}}'
    assert _api(text + 'retry_after = "wait"').retry_after(body) == 2.0
    assert _api(text + 'retry_after = "$.wait"').retry_after(body) == 1.0
    assert _api(text + 'retry_after = "$.wait"').retry_after(b'{"wait":1,"data":null}') == 1.0
    assert _api(text + 'retry_after = "wait"').retry_after(b'{"wait":1,"data":null}') is None


def test_a_table_without_it_reads_nothing() -> None:
    assert _api(MINIMAL).read_retry_after is None


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        ('retry_after = { path = "a", unit = "min" }', "retry_after.unit"),
        ('retry_after = { place = "a" }', "retry_after.place: there is no such key"),
        ("retry_after = 5", "retry_after"),
        ('retry_after = "a["', "retry_after"),
        ('retry_after = { path = "nosuch(a)" }', "retry_after.path"),
        ('retry_after = "{other}"', "{other} is no parameter"),
    ],
)
def test_what_is_no_place_is_refused(line: str, trouble: str) -> None:
    with pytest.raises(TableError) as refused:
        _api(MINIMAL + line)
    assert trouble in str(refused.value)


# --- header and body -------------------------------------------------------------------------------------------------


async def _looked(*answers: Any, key: str = 'retry_after = "wait"') -> list[Seen]:
    """Return what looks at one job showed, one after the other, each with what the one before wants back."""
    async with TableServer(in_order(*answers)) as server:
        text = MINIMAL.replace("https://a.test", server.url) + key
        source = HttpSource(_api(text), Given(None, None, None))
        seen: list[Seen] = []
        for _ in answers:
            seen.append(await source.job("j", "x", seen[-1].memo if seen else None))
        await source.aclose()
        return seen


@pytest.mark.parametrize(
    ("header", "body", "waited"), [("3", 7, 7.0), ("9", 7, 9.0), ("soon", 7, 7.0), ("3", "no", 3.0)]
)
async def test_of_header_and_body_the_longer_counts(header: str, body: object, waited: float) -> None:
    (seen,) = await _looked((200, {"id": "j", "s": "x", "wait": body}, {"Retry-After": header}))
    assert seen.retry_after == waited


async def test_the_same_again_carries_what_its_body_says_and_a_304_what_it_said() -> None:
    body = {"id": "j", "s": "x", "wait": 7}
    again = await _looked((200, body, {}), (200, body, {}))
    assert [seen.retry_after for seen in again] == [7.0, 7.0]
    unchanged = await _looked((200, body, {"ETag": '"v"'}), (304, b"", {}), (304, b"", {"Retry-After": "8"}))
    assert [seen.retry_after for seen in unchanged] == [7.0, 7.0, 8.0]


@pytest.mark.parametrize(("status", "kind"), [(429, FaultKind.RATE_LIMITED), (503, FaultKind.UNREACHABLE)])
async def test_a_refusal_for_now_may_say_it_in_its_body(status: int, kind: FaultKind) -> None:
    told = await _looked((status, {"wait": 2.5}, {}), (status, {"wait": 2.5}, {"Retry-After": "4"}))
    faults = [seen.what for seen in told]
    assert [(fault.kind, fault.retry_after) for fault in faults if isinstance(fault, Fault)] == [
        (kind, 2.5),
        (kind, 4.0),
    ]


async def test_a_client_waits_as_the_body_says() -> None:
    times: list[float] = []

    def answer(_request: object) -> object:
        times.append(loop.time())
        return {"id": "j", "s": "running" if len(times) < 2 else "done", "wait_ms": 40}

    loop = asyncio.get_running_loop()
    async with TableServer(answer) as server:
        text = (
            MINIMAL.replace("https://a.test", server.url) + 'retry_after = "wait_ms"\nwords = { succeeded = ["done"] }'
        )
        async with Client(_api(text), pace=FAST) as client:
            await client.wait_for("j")
    assert times[1] - times[0] >= 0.04


def test_check_says_what_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, sample = tmp_path / "own.toml", tmp_path / "sample.json"
    file.write_text(MINIMAL + 'retry_after = "wait_ms"')
    assert main(["apis", "--check", str(file)]) == 0
    assert "no sooner than a reply says under retry_after" in capsys.readouterr().out
    for wait, said in ((1500, "asks to come back after 1.5 s, and not sooner"), ("soon", "not found: retry_after")):
        sample.write_bytes(msgspec.json.encode({"id": "j", "s": "running", "wait_ms": wait}))
        assert main(["apis", "--check", str(file), "--body", str(sample)]) == 0
        assert said in capsys.readouterr().out
