#!/bin/sh
# slurmctld and slurmrestd 22.05.8 (Debian 12's 22.05.8-4+deb12u3, unpacked into a temporary folder), on a unix socket
# and loopback. Takes two minutes.
#
# Guess: Slurm keeps the record that bears an array's own number until all of the array's tasks are over, and `GET
# /slurm/v0.0.38/job/N` lists all tasks of array N; so what it lists when each of them is over tells how they ended.
# Seen: each task but the one with the array's own number is dropped by itself MinJobAge (300 s by default) after its
# own end, while others still run, and nothing in the reply says how many there were. An array of which a task FAILED
# early is then listed as COMPLETED alone; a poller that did not see the failure in time calls the array a success.
#
# Prints what was seen and exits 0; exits 1 when any of it changes. Skipped, with exit 0, where apt has not this
# version.
set -eu
version=22.05.8-4+deb12u3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
if ! apt-get -qq download \
  slurmctld=$version slurmd=$version slurmrestd=$version slurm-client=$version slurm-wlm-basic-plugins=$version \
  libhttp-parser2.9 libhwloc15 libjson-c5 libnuma1 >apt.txt 2>&1; then
  echo "skipped: apt-get cannot download Debian's Slurm $version here: $(tail -n 1 apt.txt)"
  exit 0
fi
for package in ./*.deb; do dpkg -x "$package" "$folder/root"; done
python3 - "$folder" <<'PYTHON'
import getpass
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

folder = pathlib.Path(sys.argv[1])
root = folder / "root"
(plugins,) = root.glob("usr/lib/*/slurm-wlm")
for name in ("state", "spool"):
    (folder / name).mkdir()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


(folder / "slurm.conf").write_text(f"""
ClusterName=one
SlurmctldHost={socket.gethostname()}(127.0.0.1)
SlurmUser={getpass.getuser()}
SlurmdUser={getpass.getuser()}
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
PluginDir={plugins}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
MinJobAge=5
SlurmdParameters=config_overrides
NodeName={socket.gethostname()} NodeAddr=127.0.0.1 CPUs=4
PartitionName=main Nodes=ALL Default=YES
""")
environment = {
    **os.environ,
    "SLURM_CONF": str(folder / "slurm.conf"),
    "LD_LIBRARY_PATH": f"{plugins}:{plugins.parent}",
    "SLURMRESTD_SECURITY": "disable_user_check",
}
daemons = []


def start(program, *options):
    found = next(file for name in (program, f"{program}-wlm") if (file := root / "usr/sbin" / name).exists())
    with (folder / f"{program}.txt").open("wb") as log:
        # Debian starts slurmctld-wlm by the name slurmctld, and it goes by that.
        told = {"executable": found, "env": environment, "stdout": log, "stderr": log}
        daemons.append(subprocess.Popen([program, *options], **told))


def asked(method, path, body=None):
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(folder / "rest"))
    headers = {"Content-Type": "application/json"}
    connection.request(method, f"/slurm/v0.0.38/{path}", body and json.dumps(body), headers)
    reply = connection.getresponse()
    told = json.loads(reply.read())
    connection.close()
    return reply.status, told


def until(seconds, ask):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if (found := ask()) is not None:
                return found
        except OSError:
            pass
        time.sleep(0.5)
    sys.exit("\n".join([f"nothing came of {ask.__name__}", *(f.read_text()[-2000:] for f in folder.glob("*.txt"))]))


def up():
    status, told = asked("GET", "nodes")
    return told if status == 200 and told["nodes"][0]["state"] == "idle" else None


def states():
    _, told = asked("GET", f"job/{number}")
    return {job["array_task_id"]: job["job_state"] for job in told["jobs"]}


def first_end():
    now = states()
    return now if now.get(1) == "FAILED" else None


def end():
    now = states()
    return now if now and not {"PENDING", "RUNNING", "COMPLETING"} & set(now.values()) else None


try:
    start("slurmctld", "-D")
    (stepd,) = root.glob("usr/sbin/slurmstepd*")
    start("slurmd", "-D", "-d", str(stepd))
    start("slurmrestd", "-s", "openapi/v0.0.38", "-a", "rest_auth/local", f"unix:{folder}/rest")
    until(60, up)
    job = {"name": "two", "array": "1-2", "environment": {"PATH": "/usr/bin:/bin"}, "standard_output": "/dev/null",
           "standard_error": "/dev/null", "current_working_directory": "/tmp"}
    script = "#!/bin/sh\n[ $SLURM_ARRAY_TASK_ID = 1 ] && exit 3\nsleep 90\n"
    number = asked("POST", "job/submit", {"job": job, "script": script})[1]["job_id"]
    early = until(60, first_end)
    late = until(180, end)
    task = asked("GET", f"job/{number}_1")
finally:
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait()
print("slurmrestd", task[1]["meta"]["Slurm"]["release"])
print("when task 1 has ended:", early)
print("when all have ended:  ", late)
print("task 1 by itself: HTTP", task[0], task[1]["errors"])
assert task[1]["meta"]["Slurm"]["release"] == "22.05.8"
assert early[1] == "FAILED" and early[2] in ("PENDING", "RUNNING"), early
assert late == {2: "COMPLETED"}, "the failed task is told now, too"
PYTHON
