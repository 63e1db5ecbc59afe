"""The server of the page, asked as no browser would ask it, and read by some that hardly read."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from jobwatch import ConfigError, Phase
from jobwatch._report.overview import Overview
from jobwatch._serving.page import feed as feeds
from jobwatch._serving.page import server as servers
from jobwatch._serving.page.address import Address
from jobwatch._serving.page.feed import Feed
from jobwatch._serving.page.guard import HEADERS
from jobwatch._serving.page.rows import jobs_events, record_of
from jobwatch._serving.page.server import MOST_READERS, Server
from tests.conftest import at_most, in_time, soon
from tests.page.reading import Reader
from tests.page.staged import ORIGIN, Stage, record

NOW = 1_780_000_000.0


def running(number: int, progress: float = 0.0) -> Any:
    return record(f"job_{number:05}", [("RUNNING", Phase.RUNNING, NOW)], progress=progress)


def bearer(stage: Stage) -> dict[str, str]:
    return {"Authorization": f"Bearer {stage.key}"}


@asynccontextmanager
async def one_job_read() -> AsyncIterator[tuple[Stage, Reader]]:
    """Show one job, and read what is told of it from after the beginning on."""
    async with Stage() as stage, aiohttp.ClientSession() as session:
        stage.put(running(1))
        async with session.get(f"{stage.origin}/events", headers=bearer(stage)) as answer:
            reader = Reader(answer)
            await reader.jobs()
            yield stage, reader


async def test_it_tells_of_all_jobs_and_then_of_each_that_changes() -> None:
    async with Stage() as stage, aiohttp.ClientSession() as session:
        stage.put(running(1), running(2))
        async with session.get(f"{stage.origin}/events", headers=bearer(stage)) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            reader = Reader(answer)
            first = await reader.jobs()
            assert first["anew"]
            assert [job["id"] for job in first["jobs"]] == ["job_00001", "job_00002"]
            stage.put(running(2, progress=0.5))
            told = await reader.jobs()
            assert [(job["id"], job["progress"]) for job in told["jobs"]] == [("job_00002", 0.5)]
            assert "anew" not in told
            stage.put(gone=["job_00001"])
            assert (await reader.jobs())["gone"] == ["job_00001"]


async def test_who_comes_back_is_told_what_was_missed_and_all_only_if_that_is_not_known_any_more() -> None:
    async with Stage() as stage, aiohttp.ClientSession() as session:
        stage.put(running(1), running(2))
        known = stage.overview.version
        stage.put(running(3))
        for version, ids, anew in ((known, ["job_00003"], False), (0, ["job_00001", "job_00002", "job_00003"], True)):
            async with session.get(f"{stage.origin}/events?since={version}", headers=bearer(stage)) as answer:
                told = await Reader(answer).jobs()
                assert [job["id"] for job in told["jobs"]] == ids
                assert told.get("anew", False) is anew
        for since in ("99999999", "x", "-1", "9" * 99, "٣"):
            async with session.get(f"{stage.origin}/events?since={since}", headers=bearer(stage)) as answer:
                assert (await Reader(answer).jobs())["anew"]


async def test_a_change_is_told_at_once() -> None:
    async with one_job_read() as (stage, reader):
        late = []
        for step in range(5):
            began = time.monotonic()
            stage.put(running(1, progress=0.1 + step / 10))
            await reader.jobs()
            late.append(time.monotonic() - began)
        assert min(late) < feeds.LEAST_PAUSE + 0.1


async def test_changes_that_follow_each_other_are_told_together() -> None:
    async with one_job_read() as (stage, reader):
        for step in range(1000):
            stage.put(running(1, progress=step / 1000))
        told: list[float] = []
        while not told or told[-1] < 0.999:
            told += [job["progress"] for job in (await reader.jobs())["jobs"]]
        assert len(told) <= 3


async def test_no_answer_lacks_a_header_and_none_sets_a_cookie() -> None:
    async with Stage() as stage, aiohttp.ClientSession() as session:
        asked = [
            ("GET", "/", 200),
            ("GET", "/main.js", 200),
            ("GET", "/page.css", 200),
            ("GET", "/icon.svg", 200),
            ("GET", "/page.html", 404),
            ("GET", "/../pyproject.toml", 404),
            ("GET", "/%2e%2e/rows.py", 404),
            ("GET", "/events", 401),
            ("POST", "/events", 405),
            ("GET", "/enter", 405),
            ("POST", "/enter", 401),
            ("GET", "/nothing?key=canary", 404),
        ]
        for method, path, status in asked:
            async with session.request(method, f"{stage.origin}{path}") as answer:
                assert answer.status == status, path
                assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
                assert "Set-Cookie" not in answer.headers
                assert "canary" not in await answer.text()
        async with session.get(f"{stage.origin}/events", headers={**bearer(stage), "Host": "evil.example"}) as answer:
            assert answer.status == 421
        for name, value in (("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")):
            async with session.get(f"{stage.origin}/events", headers={**bearer(stage), name: value}) as answer:
                assert answer.status == 403


async def test_the_key_is_in_no_log_and_a_new_one_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Stage() as stage, aiohttp.ClientSession() as session:
        key = stage.key
        stage.put(running(1))
        async with session.get(f"{stage.origin}/events?key={key}", headers=bearer(stage)) as answer:
            await Reader(answer).jobs()
        async with session.get(f"{stage.origin}/?key={key}", headers={"Host": "evil.example"}) as answer:
            assert key not in await answer.text()
        assert key not in repr(stage.server)
    assert len(key) >= 32
    assert key != Stage().key
    assert key not in caplog.text


async def test_bytes_that_are_no_http_are_refused_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with Stage() as stage:
        host, port = stage.origin.removeprefix("http://").rsplit(":", 1)
        for line in (b"", b"Host: x\r\nAuthorization: Bearer %b\x01\r\n" % stage.key.encode()):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /events HTTP/1.1\r\n" + line + b"\r\n")
            assert (await reader.readline()).split()[1] == b"400"
            writer.close()
    assert caplog.text == ""


async def test_a_fault_of_ours_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stage() as stage, aiohttp.ClientSession() as session:
        monkeypatch.setattr(feeds.Reader, "news", lambda _: 1 / 0)
        with pytest.raises(aiohttp.ClientError):
            async with session.get(f"{stage.origin}/events", headers=bearer(stage)) as answer:
                await answer.read()
    assert "ZeroDivisionError" in caplog.text


async def test_what_a_server_says_is_text_in_json_and_no_event_of_its_own() -> None:
    evil = '</script><b>x</b>\n\nevent: over\ndata: {"text": "gone"}\n\n\x00'
    stage = Stage()
    states = [(evil, Phase.RUNNING, NOW)]
    stage.put(record(evil, states, fault=evil, url="javascript:alert(1)", asked=evil))
    (part,) = jobs_events(stage.overview.since(0), NOW)
    head, data, *rest = part.split(b"\n")
    assert (head, rest) == (b"event: jobs", [b"", b""])
    (job,) = msgspec.json.decode(data.removeprefix(b"data: "))["jobs"]
    assert job["id"] == job["status"] == evil


def test_long_texts_are_cut_and_thousands_of_jobs_told_in_parts() -> None:
    stage = Stage()
    stage.put(*(running(number) for number in range(1000)))
    stage.put(record("long", [("x" * 100_000, Phase.RUNNING, NOW)], fault="y" * 100_000))
    parts = list(jobs_events(stage.overview.since(0), NOW))
    assert max(map(len, parts)) < 200_000
    told = [msgspec.json.decode(part.split(b"\n")[1].removeprefix(b"data: ")) for part in parts]
    assert sum(len(part["jobs"]) for part in told) == 1001
    assert [part.get("anew", False) for part in told] == [True] + [False] * (len(told) - 1)
    # Only the last part says up to where that is all: who loses the connection before begins anew.
    assert [bool(part.get("known")) for part in told] == [False] * (len(told) - 1) + [True]


def test_a_record_is_of_plain_values() -> None:
    stage = Stage()
    stage.put(record("j", [("PENDING", Phase.PENDING, NOW), ("RUN", Phase.RUNNING, NOW + 2.00049)]))
    row = stage.overview.row("j")
    assert row is not None
    told = msgspec.json.decode(msgspec.json.encode(record_of(row)))
    assert told["states"] == [["pending", NOW, "PENDING", False], ["running", NOW + 2.0, "RUN", False]]
    assert "fault" not in told
    assert "outcome" not in told


async def test_a_link_lets_one_browser_in_once_and_then_there_is_another() -> None:
    entered: list[str] = []
    stage: Stage = Stage(entered=lambda: entered.append(stage.url))
    async with stage, aiohttp.ClientSession() as session:
        first = stage.url
        origin, _, word = first.partition("/#enter=")
        assert (origin, len(word) >= 32) == (stage.origin, True)
        answers = []
        for shown in ("x" * len(word), stage.key, word, word):
            async with session.post(f"{origin}/enter", headers={"Authorization": f"Bearer {shown}"}) as answer:
                answers.append((answer.status, (await answer.text()).strip() == stage.key))
        assert answers == [(401, False), (401, False), (200, True), (401, False)]
        assert entered == [stage.url]
        assert stage.url != first
        async with session.get(f"{origin}/events", headers={"Authorization": f"Bearer {word}"}) as answer:
            assert answer.status == 401
        elsewhere = {"Authorization": f"Bearer {stage.url.partition('=')[2]}", "Origin": "http://evil.example"}
        async with session.post(f"{origin}/enter", headers=elsewhere) as answer:
            assert answer.status == 403
        assert len(entered) == 1


async def test_who_is_let_in_is_in_though_the_next_link_cannot_be_told(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(entered=lambda: 1 / 0)
    async with stage, aiohttp.ClientSession() as session:
        origin, _, word = stage.url.partition("/#enter=")
        async with session.post(f"{origin}/enter", headers={"Authorization": f"Bearer {word}"}) as answer:
            assert (answer.status, (await answer.text()).strip()) == (200, stage.key)
    assert "ZeroDivisionError" in caplog.text
    assert stage.key not in caplog.text


# --- those who hardly read ---------------------------------------------------------------------------------


async def unread(stage: Stage) -> socket.socket:
    """Ask for the events, and read nothing of them."""
    loop = asyncio.get_running_loop()
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connected.setblocking(False)
    host, port = stage.origin.removeprefix("http://").split(":")
    await loop.sock_connect(connected, (host, int(port)))
    asked = f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {stage.key}\r\n\r\n"
    await loop.sock_sendall(connected, asked.encode())
    return connected


def buffered(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.Transport]:
    """Return a list that will hold the transport of each reader."""
    transports: list[asyncio.Transport] = []
    bound = servers._bound

    def noted(transport: asyncio.Transport | None) -> None:
        assert transport is not None
        transports.append(transport)
        bound(transport)

    monkeypatch.setattr(servers, "_bound", noted)
    return transports


async def test_a_browser_that_never_reads_costs_nothing_and_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LEAST_PAUSE", 0.001)
    transports = buffered(monkeypatch)
    async with Stage(taken_within=0.4) as stage:
        stage.put(*(running(number) for number in range(3000)))
        with await unread(stage) as lazy:
            await soon(lambda: len(stage.feed) == 1)
            kept: list[int] = []
            step = 0
            async with at_most(5):
                while len(stage.feed):
                    step += 1
                    stage.put(*(running(number, progress=step % 100 / 100) for number in range(50)))
                    kept.append(transports[0].get_write_buffer_size())
                    await asyncio.sleep(0.005)
            # However much there was to tell: no more was kept than one part and aiohttp's own limit, and then nothing.
            assert max(kept) < 300_000
            assert transports[0].is_closing()
            # Nor has the system kept anything for it: it finds no more than what had come before.
            lazy.settimeout(5)
            with pytest.raises(ConnectionResetError):
                # In a thread: the loop has yet to close the connection that was aborted.
                await asyncio.to_thread(lambda: list(iter(lambda: lazy.recv(1 << 20), b"")))


async def test_others_are_told_at_once_while_one_does_not_read() -> None:
    async with Stage(taken_within=60) as stage, aiohttp.ClientSession() as session:
        stage.put(*(running(number) for number in range(3000)))
        with await unread(stage):
            await soon(lambda: len(stage.feed) == 1)
            async with session.get(f"{stage.origin}/events", headers=bearer(stage)) as answer:
                reader = Reader(answer)
                while "more" in await reader.jobs():
                    pass
                stage.put(running(7, progress=0.7))
                told = await in_time(reader.jobs())
                assert told["jobs"][0]["progress"] == 0.7  # type: ignore[index]
            assert len(stage.feed) >= 1, "which is waited for all the while"


async def test_who_was_dropped_comes_back_and_is_told_the_rest() -> None:
    async with Stage(taken_within=0.1) as stage, aiohttp.ClientSession() as session:
        stage.put(*(running(number) for number in range(3000)))
        with await unread(stage):
            await soon(lambda: len(stage.feed) == 1)
            await soon(lambda: len(stage.feed) == 0)
        async with session.get(f"{stage.origin}/events?since=0", headers=bearer(stage)) as answer:
            reader, ids = Reader(answer), []
            more = True
            while more:
                told = await reader.jobs()
                ids += [job["id"] for job in told["jobs"]]
                more = told.get("more", False)
            assert len(set(ids)) == 3000


async def test_a_reader_has_no_queue() -> None:
    feed = Feed(Overview())
    reader = feed.reader()
    stage = Stage()
    stage.feed = feed
    size = len(vars(reader)["_told"])
    for _ in range(1000):
        feed.ring()
    assert len(vars(reader)["_told"]) == size
    assert not any(isinstance(value, list | asyncio.Queue) for value in vars(reader).values())
    reader.close()
    assert len(feed) == 0


async def test_no_more_pages_than_there_is_room_for() -> None:
    async with Stage() as stage:
        open_ = [await unread(stage) for _ in range(MOST_READERS)]
        await soon(lambda: len(stage.feed) == MOST_READERS)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{stage.origin}/events", headers=bearer(stage)) as answer,
        ):
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        for each in open_:
            each.close()
        await soon(lambda: len(stage.feed) == 0)


# --- begin and end -----------------------------------------------------------------------------------------


async def test_when_the_watch_is_over_the_pages_are_told_so() -> None:
    async with one_job_read() as (stage, reader):
        stage.feed.end("it was stopped")
        name, data = await reader.event()
        while name != "over":
            name, data = await reader.event()
        assert data == {"text": "it was stopped"}
        assert await reader.event() == ("", None)


async def test_closing_leaves_no_task_and_no_connection() -> None:
    async with aiohttp.ClientSession() as session:
        async with Stage() as stage:
            answer = await session.get(f"{stage.origin}/events", headers=bearer(stage))
            assert answer.status == 200
            port = int(stage.origin.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        answer.close()


async def test_an_address_that_is_taken_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(Feed(Overview()), Address("127.0.0.1", taken.getsockname()[1]))
        with pytest.raises(ConfigError, match=r"^cannot serve at [\d.:]+: Address already in use; port 0 takes"):
            await server.start()


@pytest.mark.parametrize("host", ["no-such-name.invalid", "192.0.2.1"])
async def test_an_address_that_is_not_of_this_machine_is_a_clear_error(host: str) -> None:
    with pytest.raises(ConfigError, match=rf"^cannot serve at {host}:0: [A-Z][^\[(]+$"):
        await Server(Feed(Overview()), Address(host, 0)).start()


async def test_localhost_is_one_port_at_a_name() -> None:
    server = Server(Feed(Overview()), Address("localhost", 0))
    await server.start()
    try:
        assert re.fullmatch(r"http://localhost:[1-9]\d+/#enter=[\w-]{32}", server.link)
    finally:
        await server.aclose()


async def test_where_the_jobs_come_from_and_what_keeps_them_from_coming_is_told() -> None:
    async with Stage() as stage, aiohttp.ClientSession() as session:
        trouble = msgspec.structs.replace(
            ORIGIN, trouble="the disk is full", projects={"prj_1": "HTTP 500", "prj_2": ""}
        )
        stage.take(origin=trouble)
        async with session.get(f"{stage.origin}/events", headers=bearer(stage)) as answer:
            reader = Reader(answer)
            assert await reader.event() == ("hello", {"place": "bedrock"})
            assert await reader.event() == ("health", {"text": "the disk is full. project prj_1: HTTP 500"})
