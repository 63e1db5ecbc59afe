#!/bin/sh
# gradio 6.31.0 (PyPI), one app on loopback, asked by its API for programs without a client of Gradio's.
#
# Guess: `POST /gradio_api/call/NAME` starts a job, and `GET /gradio_api/call/NAME/ID` can be asked until that tells the
# end; a look that is broken off is made again.
# Seen: the first GET is the only one. Where its connection is lost before the end, a job at work goes on to its end, and
# the next GET is answered 200 with `event: error` and "404: Not Found", as if the job had failed; its result can be had
# no more. Where the end was told, the next GET gets heartbeats and nothing else. A poller with a time limit for each
# request loses each job that takes longer.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check gradio==6.31.0
cat >"$folder/app.py" <<'PYTHON'
import sys
import time

import gradio


def sleep(seconds):
    time.sleep(seconds)
    print("slept", seconds, flush=True)
    return f"slept {seconds}"


app = gradio.Interface(sleep, gradio.Number(), gradio.Textbox(), api_name="sleep", flagging_mode="never")
app.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
PYTHON
cd "$folder"
export HOME="$folder" GRADIO_ANALYTICS_ENABLED=False HF_HUB_OFFLINE=1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

work = pathlib.Path(sys.argv[1], "work.txt")
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


def started(seconds):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = json.dumps({"data": [seconds]})
    connection.request("POST", "/gradio_api/call/sleep", body, {"Content-Type": "application/json"})
    with connection.getresponse() as reply:
        return json.load(reply)["event_id"]


def looked(event_id, seconds):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    connection.request("GET", f"/gradio_api/call/sleep/{event_id}")
    told, end = "", time.monotonic() + seconds
    with connection.getresponse() as reply:
        try:
            while time.monotonic() < end and (part := reply.read1(4096)):
                told += part.decode()
        except (TimeoutError, http.client.IncompleteRead):
            pass
    connection.close()
    return reply.status, told.split("\n\n")[:-1]


with work.open("w") as notes:
    server = subprocess.Popen(
        [sys.executable, "app.py", str(port)], stdout=notes, stderr=subprocess.DEVNULL, cwd=sys.argv[1]
    )
try:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    event_id = started(1)
    first, second = looked(event_id, 10), looked(event_id, 35)
    event_id = started(4)
    broken_off = looked(event_id, 1)
    time.sleep(5)
    again = looked(event_id, 10)
finally:
    server.send_signal(signal.SIGTERM)
    server.wait()
print("read to its end, and again:", *first, *second)
print("broken off, and again:", *broken_off, *again)
print("what the server did:", work.read_text().split("\n")[:-1])
assert first == (200, ['event: complete\ndata: ["slept 1"]']), first
assert set(second[1]) == {"event: heartbeat\ndata: null"}, "a result can be read twice now"
assert broken_off == (200, []), broken_off
assert again == (200, ['event: error\ndata: "404: Not Found"']), "what is broken off can be read again now"
assert "slept 4" in work.read_text(), "the job ends with the connection now"
PYTHON
