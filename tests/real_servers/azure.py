"""Azure: Microsoft's own test server for clients of long-running operations, asked by its own client and by jobwatch.

Each scenario is started twice: azure-core's poller, with the algorithms of Resource Manager, says how it ended, and so
does jobwatch, by `azure` and by `azure-arm`. The server remembers by a cookie how often it was asked, and
jobwatch keeps none, so both ask through a proxy that keeps it for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from jobwatch import Client, ConfigError, Response
from jobwatch.apis import APIS

from .cookies import keeping_cookies
from .house import ask, environment, free_port, node_package, process, until_it_answers, workplace

REQUIREMENT = "azure-mgmt-core==1.6.0 azure-core==1.41.0 requests"
PACKAGE = "@microsoft.azure/autorest.testserver@3.3.51"

SCENARIOS = """
PUT put/200/succeeded
PUT put/201/succeeded
PUT put/200/succeeded/nostate
PATCH patch/201/retry/onlyAsyncHeader
PATCH patch/202/retry/asyncAndLocationHeader
PUT put/202/retry/200
PUT put/201/creating/succeeded/200
PUT put/200/updating/succeeded/200
PUT put/201/created/failed/200
PUT put/200/accepted/canceled/200
PUT putasync/retry/succeeded
PUT putasync/noretry/succeeded
PUT putasync/retry/failed
PUT putasync/noretry/canceled
PUT put/noheader/202/200
PUT putasync/noheader/201/200
DELETE delete/noheader
DELETE deleteasync/noheader/202/204
PUT putsubresource/202/200
PUT putsubresourceasync/202/200
PUT putnonresource/202/200
PUT putnonresourceasync/202/200
DELETE delete/provisioning/202/accepted/200/succeeded
DELETE delete/provisioning/202/deleting/200/failed
DELETE delete/provisioning/202/deleting/200/canceled
DELETE delete/204/succeeded
DELETE delete/202/retry/200
DELETE delete/202/noretry/204
DELETE deleteasync/retry/succeeded
DELETE deleteasync/noretry/succeeded
DELETE deleteasync/retry/failed
DELETE deleteasync/retry/canceled
POST post/202/retry/200
POST post/202/noretry/204
POST post/payload/200
POST LROPostDoubleHeadersFinalAzureHeaderGetDefault
POST LROPostDoubleHeadersFinalLocationGet
POST list
POST postasync/retry/succeeded
POST postasync/noretry/succeeded
POST postasync/retry/failed
POST postasync/retry/canceled
PUT retryerror/put/201/creating/succeeded/200
PUT retryerror/putasync/retry/succeeded
DELETE retryerror/delete/provisioning/202/accepted/200/succeeded
DELETE retryerror/delete/202/retry/200
DELETE retryerror/deleteasync/retry/succeeded
POST retryerror/post/202/retry/200
POST retryerror/postasync/retry/succeeded
PUT nonretryerror/put/400
PUT nonretryerror/put/201/creating/400
PUT nonretryerror/put/201/creating/400/invalidjson
PUT nonretryerror/putasync/retry/400
DELETE nonretryerror/delete/400
DELETE nonretryerror/delete/202/retry/400
DELETE nonretryerror/deleteasync/retry/400
POST nonretryerror/post/400
POST nonretryerror/post/202/retry/400
POST nonretryerror/postasync/retry/400
PUT error/put/201/noprovisioningstatepayload
PUT error/putasync/retry/nostatus
PUT error/putasync/retry/nostatuspayload
PUT error/put/200/invalidjson
PUT error/putasync/retry/invalidheader
PUT error/putasync/retry/invalidjsonpolling
DELETE error/delete/204/nolocation
DELETE error/delete/202/retry/invalidheader
DELETE error/deleteasync/retry/nostatus
DELETE error/deleteasync/retry/invalidheader
DELETE error/deleteasync/retry/invalidjsonpolling
POST error/post/202/nolocation
POST error/post/202/retry/invalidheader
POST error/postasync/retry/nopayload
POST error/postasync/retry/invalidheader
POST error/postasync/retry/invalidjsonpolling
PUT customheader/putasync/retry/succeeded
POST customheader/postasync/retry/succeeded
PUT customheader/put/201/creating/succeeded/200
POST customheader/post/202/retry/200
""".strip().splitlines()

CORRECTED: Mapping[str, str | None] = {
    "DELETE delete/provisioning/202/deleting/200/failed": "failed",
    "DELETE delete/provisioning/202/deleting/200/canceled": "cancelled",
    "POST error/post/202/nolocation": None,
}
"""What differs, and why: the vendor's poller looks at the HTTP status alone where it polls a Location, though the
resource that comes with it says Failed or Canceled; and to it a 202 without any URL is a success."""

_ENDS = {"succeeded": "succeeded", "failed": "failed", "canceled": "cancelled"}
_HEADERS = {"x-ms-client-request-id": "9C4D50EE-2D56-4CD3-8152-34347DC9F2B0"}
_UNREAD = frozenset({"refused", "unreadable", "unreachable", "not_found"})
"""What jobwatch may say where the vendor's poller raises, since no end was read."""

_POLLER = """
import json, sys

from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import RequestIdPolicy, RetryPolicy
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest
from azure.mgmt.core.polling.arm_polling import ARMPolling


def outcome(url, scenario):
    method, path = scenario.split()
    marked = RequestIdPolicy(request_id=HEADERS["x-ms-client-request-id"])
    client = PipelineClient(url, policies=[marked, RetryPolicy(retry_backoff_factor=0.01)])
    request = HttpRequest(method, f"{url}/lro/{path}", json=None if method == "DELETE" else {}, headers=HEADERS)
    first = client._pipeline.run(request)
    if first.http_response.status_code >= 400:
        return "raised"
    polling = ARMPolling(timeout=0.05)
    polling.initialize(client, first, lambda response: None)
    try:
        polling.run()
    except HttpResponseError as error:
        told = error.response.json() if error.response.content else {}
        state = told.get("status") or told.get("properties", {}).get("provisioningState")
        return state if error.response.status_code < 400 and state else "raised"
    return polling.status()


told, HEADERS = {}, json.loads(sys.argv[3])
for scenario in json.loads(sys.argv[2]):
    try:
        told[scenario] = outcome(sys.argv[1], scenario).lower()
    except Exception as error:
        told[scenario] = "raised"
print(json.dumps(told))
"""


class Server:
    """The test server, and the table by which it is asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api = "azure"

    def client(self) -> Client:
        """Return a client of it."""
        options: dict[str, Any] = {"token": "none", "headers": _HEADERS, "unreachable_after": 2.0, "appear_within": 1.0}
        if self.api == "azure":
            return Client(APIS["azure"], base_url=self.url, **options)
        return Client("azure-arm", base_url=self.url, **options)

    def start(self, scenario: str) -> Response | str:
        """Start an operation; where the response names none, the resource itself is what tells: return its URL."""
        method, path = scenario.split()
        url = f"{self.url}/lro/{path}"
        started = self._ask(method, url)
        if started.status >= 500:
            started = self._ask(method, url)
        try:
            self.client().wait_for(started)
        except ConfigError as error:
            return url if "wait for the URL" in str(error) else started
        return started

    @staticmethod
    def _ask(method: str, url: str) -> Response:
        return ask(method, url, None if method == "DELETE" else {}, _HEADERS)


def tried(environments: Path) -> list[bool]:
    """Compare jobwatch with the vendor's client in all scenarios, by both tables, and return of each if they agree."""
    from .__main__ import watched

    with served(environments) as server:
        wanted = _by_the_vendor(environments, server.url)
        results = []
        for server.api, scenario in itertools.product(("azure", "azure-arm"), SCENARIOS):
            outcome, told = asyncio.run(watched(server, scenario, {"timeout": 30}))
            end = CORRECTED[scenario] if scenario in CORRECTED else _ENDS.get(wanted[scenario])
            results.append(outcome in _UNREAD if end is None else outcome == end)
            print(f"{'ok ' if results[-1] else 'BAD'}  {server.api:12} {scenario:64} {outcome:10} {told}", flush=True)
    return results


def _by_the_vendor(environments: Path, url: str) -> Mapping[str, str]:
    python = environment(environments, REQUIREMENT) / "python"
    given = [msgspec.json.encode(each).decode() for each in (SCENARIOS, _HEADERS)]
    ran = subprocess.run([str(python), "-c", _POLLER, url, *given], check=True, capture_output=True)
    return msgspec.json.decode(ran.stdout, type=dict[str, str])


_ON_LOOPBACK = """
const net = require("node:net");
const onAnyAddress = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...others) {
  return onAnyAddress.call(this, port, "127.0.0.1", ...others);
};
"""
"""The server has no option for the address that it listens on, and would take all."""


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    folder, port = node_package(environments, PACKAGE), free_port()
    with workplace() as work:
        (work / "loopback.cjs").write_text(_ON_LOOPBACK, "utf-8")
        program = ["--require", str(work / "loopback.cjs"), str(folder / "dist" / "cli" / "cli.js")]
        command = ["node", *program, "run", "--port", str(port)]
        with process([*command, "--coverageDirectory", str(work)], work, {}) as running:
            until_it_answers(f"http://127.0.0.1:{port}/report", running, work)
            with keeping_cookies(port) as url:
                yield Server(url)
