#!/bin/sh
# jupyter_scheduler 2.12.1 with jupyter_server 2.21.1, ipykernel 7.1.0 (PyPI), on loopback.
#
# Guess: STOPPED means that a job was stopped, and a job that has just been made is told by a word of its own.
# Seen: a new job reads STOPPED until its process has begun, some seconds later; then it is IN_PROGRESS, and COMPLETED.
# It is the same word that a job reads for ever which was stopped: only its `start_time`, null before, tells them apart.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check jupyter_scheduler==2.12.1 jupyter_server==2.21.1 \
  ipykernel==7.1.0
cd "$folder"
mkdir root
export HOME="$folder" JUPYTER_DATA_DIR="$folder/data" JUPYTER_CONFIG_DIR="$folder/config" PATH="$folder/venv/bin:$PATH"
"$folder/venv/bin/python" - "$folder/root" <<'PYTHON'
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

root = pathlib.Path(sys.argv[1])
cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": "print(1)"}
kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]}
(root / "one.ipynb").write_text(json.dumps(book))
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


def asked(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": "token t"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)


server = subprocess.Popen(
    [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--port={port}", "--ip=127.0.0.1",
     "--IdentityProvider.token=t", f"--ServerApp.root_dir={root}"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(300):
        try:
            environment = asked("/scheduler/runtime_environments")[0]
            break
        except OSError:
            time.sleep(0.1)
    wanted = {"name": "one", "input_uri": "one.ipynb", "runtime_environment_name": environment["name"],
              "output_formats": ["ipynb"]}
    job_id = asked("/scheduler/jobs", wanted)["job_id"]
    seen = []
    for _ in range(600):
        job = asked(f"/scheduler/jobs/{job_id}")
        told = job["status"], job["start_time"] is not None
        if not seen or seen[-1] != told:
            seen.append(told)
        if job["status"] in ("COMPLETED", "FAILED"):
            break
        time.sleep(0.1)
finally:
    server.send_signal(signal.SIGTERM)
    server.wait()
for status, has_begun in seen:
    print(status, "with" if has_begun else "without", "start_time")
assert seen[0] == ("STOPPED", False), "a new job is told otherwise now"
assert ("IN_PROGRESS", True) in seen and seen[-1] == ("COMPLETED", True), seen
PYTHON
