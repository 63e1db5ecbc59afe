"""Replies larger than usual, packed or not, through a table: read within `max_body`, and refused beyond it by name."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from jobwatch import Client, UnreadableReply, load_api
from jobwatch.cli import main
from tests.table_server import TableServer

MIB = 1024 * 1024
BODY = b'{"log": "%b", "id": "j", "status": "succeeded"}' % (b"x" * 3 * MIB)
SMALL = b'{"id": "j", "status": "succeeded"}'


def own(url: str, folder: Path, **more: Any) -> str:
    table = {"job": f"{url}/jobs/{{job_id}}", "id": "id", "status": "status", **more}
    file = folder / "own.toml"
    file.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    return str(file)


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("by", ["table", "client", "option"])
async def test_a_large_reply_is_read_where_it_may_be(by: str, coding: str | None, tmp_path: Path) -> None:
    packed = {"gzip": gzip.compress(BODY), "deflate": zlib.compress(BODY)}.get(coding or "", BODY)
    headers = {} if coding is None else {"Content-Encoding": coding}
    async with TableServer(lambda _: (200, packed, headers)) as server:
        file = own(server.url, tmp_path, **({"max_body": "4MiB"} if by == "table" else {}))
        if by == "option":
            argv = ["wait", "j", "--api", file, "--no-history", "--max-body", "4MiB"]
            assert await asyncio.to_thread(main, argv) == 0
            return
        async with Client(load_api(file), max_body="4MiB" if by == "client" else None) as client:
            assert (await client.wait_for("j", 5)).status == "succeeded"


@pytest.mark.parametrize(("more", "most"), [({}, MIB), ({"max_body": 2 * MIB}, 2 * MIB)])
@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_one_that_is_too_large_names_the_key(
    coding: str | None, more: dict[str, Any], most: int, tmp_path: Path
) -> None:
    packed = BODY if coding is None else gzip.compress(BODY)
    headers = {} if coding is None else {"Content-Encoding": coding}
    async with TableServer(lambda _: (200, packed, headers)) as server:
        api = load_api(own(server.url, tmp_path, **more))
        async with Client(api) as client:
            with pytest.raises(UnreadableReply, match=rf"over {most} bytes; max_body = \"16MiB\" in the table"):
                await client.job("j")


async def test_a_client_goes_before_its_table(tmp_path: Path) -> None:
    async with TableServer(lambda _: SMALL) as server:
        api = load_api(own(server.url, tmp_path, max_body="1MiB"))
        async with Client(api, max_body=10) as client:
            with pytest.raises(UnreadableReply, match="over 10 bytes"):
                await client.job("j")


async def test_a_server_that_packs_everything_is_read_errors_too(tmp_path: Path) -> None:
    answers = [(500, b'{"message": "not yet"}'), (200, b'{"id": "j", "status": "running"}'), (200, SMALL)]

    def answer(_: object) -> object:
        status, body = answers.pop(0)
        return status, gzip.compress(body), {"Content-Encoding": "gzip"}

    async with TableServer(answer) as server, Client(load_api(own(server.url, tmp_path))) as client:
        with pytest.raises(Exception, match="not yet"):
            await client.job("j")
        assert (await client.wait_for("j", 5)).status == "succeeded"


async def test_what_a_table_reads_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apis", "--check", own("http://x.example", tmp_path, max_body="2MiB")]) == 0
    assert "reads replies of up to 2097152 bytes" in capsys.readouterr().out
