#!/bin/sh
# bentoml 1.4.40 (PyPI), `bentoml serve` of one task endpoint on loopback.
#
# Guess: a cancel that is answered by an error has done nothing, and `canceled` is an end that stays.
# Seen: the cancel of a task at work is answered 400 and says that cancelling is not supported. Its status reads
# `canceled` all the same, while the work goes on; when that is done it reads `completed`, with a result. A poller that
# takes `canceled` for the end tells an outcome that the server itself takes back some seconds later.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check bentoml==1.4.40
cat >"$folder/service.py" <<'PYTHON'
import time

import bentoml


@bentoml.service
class Sleeper:
    @bentoml.task
    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"
PYTHON
cd "$folder"
export BENTOML_HOME="$folder/home" BENTOML_DO_NOT_TRACK=True PATH="$folder/venv/bin:$PATH"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


def asked(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


server = subprocess.Popen(
    ["bentoml", "serve", "service:Sleeper", "--host", "127.0.0.1", "--port", str(port)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(600):
        try:
            if asked("GET", "/readyz")[0] == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    task_id = json.loads(asked("POST", "/sleep/submit", {"seconds": 6})[1])["task_id"]

    def status():
        return json.loads(asked("GET", f"/sleep/status?task_id={task_id}")[1])["status"]

    time.sleep(1.0)
    seen = [status()]
    refusal = asked("PUT", f"/sleep/cancel?task_id={task_id}")
    seen.append(status())
    time.sleep(8.0)
    seen.append(status())
    result = asked("GET", f"/sleep/get?task_id={task_id}")
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
print("cancel answered", refusal[0], refusal[1][:100])
print("before it, after it, 8 s later:", *seen)
print("result:", *result)
assert refusal[0] == 400, "the cancel is answered otherwise now"
assert seen == ["in_progress", "canceled", "completed"], seen
assert result == (200, b"slept"), result
PYTHON
