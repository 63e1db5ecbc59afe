#!/bin/sh
# azure-core 1.41.0 with azure-mgmt-core 1.6.0 (PyPI), against Microsoft's own server for the tests of such clients,
# @microsoft.azure/autorest.testserver 3.3.51 (npm), on loopback.
#
# Guess: the poller of a long-running operation ends as `Failed` when the resource that it polls says
# `"provisioningState": "Failed"`, whatever the operation was started by.
# Seen: so it does where a PUT is polled at its own URL. Where a DELETE is polled at its Location, the same resource,
# with the same word, in an answer 200, ends the operation as `Succeeded`; `result()` raises nothing and returns the
# resource that says Failed, or Canceled. At a Location nothing but the HTTP status is looked at, so who wants to know
# how it ended has to read the result too.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check azure-core==1.41.0 azure-mgmt-core==1.6.0 requests==2.34.2
npm install --loglevel=error --no-audit --no-fund --prefix "$folder" \
  @microsoft.azure/autorest.testserver@3.3.51 >/dev/null
cat >"$folder/loopback.cjs" <<'JAVASCRIPT'
const { Server } = require("node:net");

const { listen } = Server.prototype;
Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, port, "127.0.0.1", ...rest);
};
JAVASCRIPT
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import socket
import subprocess
import sys
import time

from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import RequestIdPolicy
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.core.polling.arm_polling import ARMPolling

folder = sys.argv[1]
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}"


def ended(method, path):
    client = PipelineClient(url, policies=[RequestIdPolicy()])
    request = HttpRequest(method, f"{url}/lro/{path}", json=None if method == "DELETE" else {})
    started = client.send_request(request, _return_pipeline_response=True)
    poller = LROPoller(client, started, lambda response: response.http_response.json(), ARMPolling(timeout=0.05))
    try:
        resource, how = poller.result(), "returned"
    except HttpResponseError as error:
        resource, how = error.response.json(), "raised"
    return poller.status(), how, resource["properties"]["provisioningState"]


server = subprocess.Popen(
    ["node", "--require", f"{folder}/loopback.cjs",
     f"{folder}/node_modules/@microsoft.azure/autorest.testserver/dist/cli/cli.js", "run", "--port", str(port),
     "--coverageDirectory", f"{folder}/coverage"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    put = [ended("PUT", path) for path in ("put/201/created/failed/200", "put/200/accepted/canceled/200")]
    paths = "202/accepted/200/succeeded", "202/deleting/200/failed", "202/deleting/200/canceled"
    deleted = [ended("DELETE", f"delete/provisioning/{path}") for path in paths]
finally:
    server.terminate()
    server.wait()
print("status of the poller, what result() did, state of the resource that it got")
for method, ends in (("PUT", put), ("DELETE", deleted)):
    for end in ends:
        print(f"{method:6}", *end)
assert put == [("Failed", "raised", "Failed"), ("Canceled", "raised", "Canceled")], put
assert deleted[0] == ("Succeeded", "returned", "Succeeded"), deleted[0]
assert deleted[1:] == [("Succeeded", "returned", "Failed"), ("Succeeded", "returned", "Canceled")], "it is told now"
PYTHON
