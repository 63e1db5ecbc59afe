#!/bin/sh
# buildbot 4.3.0 with buildbot-worker 4.3.0 (PyPI), a master and its worker in one process on loopback, SQLite, with
# what it merges left as it is by default.
#
# Guess: the results of a build set, whose number a force tells, are those of what was built for it; where its one build
# request is left out, because a later one asks for the same, the set reads skipped, too, or waits for that one.
# Seen: the request is complete and skipped (3) when the later one comes, and its set is complete with results 0, which
# is success, before anything is built. It is so still when the later request has been built and has failed. A poller
# that waits for the set calls good what never ran; the request has to be asked for.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check buildbot==4.3.0 buildbot-worker==4.3.0 \
  buildbot-www==4.3.0 setuptools==80.9.0
cd "$folder"
export HOME="$folder" PATH="$folder/venv/bin:$PATH"
"$folder/venv/bin/python" - <<'PYTHON'
import json
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

with socket.socket() as probe, socket.socket() as other:
    probe.bind(("127.0.0.1", 0))
    other.bind(("127.0.0.1", 0))
    port, workers_port = probe.getsockname()[1], other.getsockname()[1]
subprocess.run(["buildbot", "create-master", "-q", "master"], check=True)
pathlib.Path("master/master.cfg").write_text(f"""
from buildbot.plugins import schedulers, steps, util, worker

factory = util.BuildFactory([steps.ShellCommand(command=["sh", "-c", "sleep 4; exit 1"])])
BuildmasterConfig = {{
    "workers": [worker.LocalWorker("worker")],
    "builders": [util.BuilderConfig(name="failing", workernames=["worker"], factory=factory)],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["failing"])],
    "www": {{"port": "tcp:{port}:interface=127.0.0.1", "plugins": {{}}}},
    "buildbotURL": "http://127.0.0.1:{port}/",
    "buildbotNetUsageData": None,
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "protocols": {{"pb": {{"port": "tcp:{workers_port}:interface=127.0.0.1"}}}},
}}
""")


def asked(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/{path}", data, headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)


def forced():
    """Asks for a build; returns the numbers of its set and of its request."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "force", "params": {"builderid": "1"}}
    number, requests = asked("forceschedulers/force", call)["result"]
    return number, requests["1"]


def told(numbers):
    whole = asked(f"buildsets/{numbers[0]}")["buildsets"][0]
    request = asked(f"buildrequests/{numbers[1]}")["buildrequests"][0]
    return (whole["complete"], whole["results"]), (request["complete"], request["results"])


def builds_of(numbers):
    return asked(f"builds?buildrequestid={numbers[1]}")["builds"]


server = subprocess.Popen(
    ["buildbot", "start", "--nodaemon", "master"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
)
try:
    for _ in range(600):
        try:
            if asked("builders")["builders"]:
                break
        except OSError:
            pass
        time.sleep(0.1)
    running = forced()
    for _ in range(300):
        if builds_of(running):
            break
        time.sleep(0.1)
    waiting = forced()
    before = told(waiting)
    later = forced()
    for _ in range(50):
        skipped = told(waiting)
        if skipped != before:
            break
        time.sleep(0.1)
    unbuilt = told(later)
    for _ in range(600):
        ended = told(later)
        if ended[0][0]:
            break
        time.sleep(0.1)
    at_last, builds = told(waiting), len(builds_of(waiting))
finally:
    server.send_signal(signal.SIGTERM)
    server.wait()
print("complete and results of the set, then of its request")
print("while it waits:", *before)
print("when a later one has come:", *skipped, "the later one:", *unbuilt)
print("when the later one was built:", *at_last, "the later one:", *ended)
assert before == ((False, -1), (False, -1)), before
assert skipped[1] == (True, 3) and builds == 0, (skipped, builds)
assert skipped[0] == at_last[0] == (True, 0), "a set of which nothing was built is told otherwise now"
assert unbuilt[0] == (False, -1) and ended == ((True, 2), (True, 2)), (unbuilt, ended)
PYTHON
