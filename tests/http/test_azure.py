"""Azure's long-running operations: two kinds of URLs to ask, told apart by the header of the start that named them.

Microsoft's pages: https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/async-operations and
https://github.com/microsoft/api-guidelines/blob/vNext/azure/ConsiderationsForServiceDesign.md (read 2026-11). What its
own client, azure-core 1.41.0, makes of each is in `tests.real_servers.azure`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jobwatch import Client, ConfigError, JobFailed, Pace, Phase, Response, UnreadableReply
from jobwatch.apis import APIS
from tests.table_server import TableServer, in_order

QUICK = Pace(min_interval=0.001, max_interval=0.002)
MONITORS = ["Operation-Location", "Azure-AsyncOperation"]

Answer = tuple[int, Any, dict[str, str]]


@contextlib.asynccontextmanager
async def serving(*answers: Answer, api: str = "azure", **options: Any) -> AsyncIterator[tuple[TableServer, Client]]:
    """Serve answers in order, and give a client of that server."""
    async with TableServer(in_order(*answers)) as server:
        client = Client(api, base_url=server.url, token="t", pace=QUICK, unreachable_after=0.05, **options)
        async with client:
            yield server, client


async def waited(api: str, header: str, *answers: Answer) -> tuple[list[str], Phase, list[str]]:
    """Return the states that were told of an operation whose URL a header named, the last phase, and what was asked."""
    async with serving(*answers, api=api) as (server, client):
        wait = client.wait_for(Response(b"", 202, {header: f"{server.url}/ops/1"}), timeout=5, check=False)
        told = [each.status async for each in wait]
        job = await wait
        return told, job.phase, [path for _, path, _, _ in server.requests]


@pytest.mark.parametrize("api", ["azure", "azure-arm"])
@pytest.mark.parametrize("header", MONITORS)
async def test_a_status_monitor_that_answers_202_is_not_left_for_its_result(api: str, header: str) -> None:
    result = {"Location": "/result"}  # what the operation makes, which is there when it has succeeded
    answers: list[Answer] = [(202, {"status": "Accepted"}, result), (200, {"status": "Failed"}, result)]
    told, phase, asked = await waited(api, header, *answers)
    assert (told, phase, asked) == (["Accepted", "Failed"], Phase.FAILED, ["/ops/1", "/ops/1"])


@pytest.mark.parametrize("api", ["azure", "azure-arm"])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"id": "1", "properties": {"provisioningState": "Succeeded"}}'])
@pytest.mark.parametrize("header", MONITORS)
async def test_a_status_monitor_without_a_status_tells_no_end(api: str, header: str, body: bytes) -> None:
    with pytest.raises(UnreadableReply):
        await waited(api, header, (200, body, {}))


@pytest.mark.parametrize("api", ["azure", "azure-arm"])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"id": "1"}', b'"success"', b'[{"id": "1"}]', b"text"])
async def test_a_location_that_answers_200_tells_a_success_whatever_its_body(api: str, body: bytes) -> None:
    told, phase, asked = await waited(api, "Location", (202, b"", {}), (200, body, {}))
    assert (told, phase, asked) == (["HTTP 202", "HTTP 200"], Phase.SUCCEEDED, ["/ops/1", "/ops/1"])


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
async def test_a_location_whose_resource_says_that_it_failed_is_no_success(state: str) -> None:
    _, phase, _ = await waited("azure-arm", "Location", (200, {"properties": {"provisioningState": state}}, {}))
    assert phase is {"Failed": Phase.FAILED, "Canceled": Phase.CANCELLED}[state]


async def test_a_location_that_moved_is_still_one() -> None:
    answers: list[Answer] = [(202, b"", {"Location": "/ops/2"}), (200, b"", {})]
    told, phase, asked = await waited("azure", "location", *answers)
    assert (told, phase, asked) == (["HTTP 202", "HTTP 200"], Phase.SUCCEEDED, ["/ops/1", "/ops/2"])


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_of_a_url_whose_kind_nobody_told_an_answer_without_anything_is_no_end(body: bytes) -> None:
    async with serving((200, body, {}), (200, {"status": "Failed"}, {})) as (server, client):
        with pytest.raises(JobFailed):
            await client.wait_for(f"{server.url}/ops/1", timeout=5)


async def test_what_goes_on_at_a_location_is_read_as_what_began_there() -> None:
    async with serving((202, b"", {"Location": "/ops/2"}), (200, b"", {})) as (server, client):
        job = await client.wait_for(f"{server.url}/ops/1", timeout=5)
    assert (job.phase, job.now, job.api) == (Phase.SUCCEEDED, f"{server.url}/ops/2", "azure")


async def test_the_api_version_and_the_key_are_sent_to_a_location_too() -> None:
    async with serving((200, b"", {}), params={"api_version": "2024-05-01"}) as (server, client):
        job = await client.wait_for(Response(b"", 202, {"Location": "/ops/1"}), timeout=5)
    ((_, path, headers, _),) = server.requests
    assert (path, headers["Ocp-Apim-Subscription-Key"]) == ("/ops/1?api-version=2024-05-01", "t")
    assert (job.now, job.hops) == (None, 0)


@pytest.mark.parametrize("api", ["azure", "azure-arm"])
@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (200, b'{"properties": {"provisioningState": "Creating"}, "id": "100"', "is no JSON that can be read"),
        (201, b"", "its body is empty: wait for the URL of what was made"),
        (201, b'{"properties": {"provisioningState": "Creating"}}', "says Creating: wait for the URL of what was made"),
    ],
)
def test_a_start_whose_state_was_not_read_is_not_over(api: str, status: int, body: bytes, trouble: str) -> None:
    client = Client(api, base_url="https://api.test", token="t")
    with pytest.raises(ConfigError, match=trouble):
        client.wait_for(Response(body, status))


def test_the_tables_hold_how_each_header_is_read() -> None:
    for api in (APIS["azure"], APIS["azure-arm"]):
        assert set(api.by_header) == {"operation-location", "azure-asyncoperation", "location"}
        assert set(api.others) == set(api.by_header.values())
