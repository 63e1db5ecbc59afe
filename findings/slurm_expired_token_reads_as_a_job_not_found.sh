#!/bin/sh
# slurmctld and slurmrestd 22.05.8 (Debian 12's 22.05.8-4+deb12u3, unpacked into a temporary folder), on loopback.
#
# Guess: a token that has expired is answered by `rest_auth/jwt` with 401, as a request without one is.
# Seen: slurmrestd hands any token on, and slurmctld's refusal of it becomes HTTP 500 with `Unable to find JobId=N`,
# of jobs that are there as of others. An id that there is not is answered in the same words: only `error_number`
# (2017 for that, -1 with "Unspecified error" for the token) tells a poller whether its job is gone or its token has
# expired, which it does after half an hour by default. A slurmctld that is down is told by that same -1, word for word.
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
  slurmctld=$version slurmrestd=$version slurm-client=$version slurm-wlm-basic-plugins=$version \
  slurm-wlm-jwt-plugin=$version libjwt0 libjansson4 libhttp-parser2.9 libhwloc15 libjson-c5 libnuma1 >apt.txt 2>&1; then
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
(folder / "state").mkdir()
(folder / "key").write_bytes(os.urandom(32))
(folder / "key").chmod(0o600)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


controller, port = free_port(), free_port()
(folder / "slurm.conf").write_text(f"""
ClusterName=one
SlurmctldHost={socket.gethostname()}(127.0.0.1)
SlurmUser={getpass.getuser()}
SlurmctldPort={controller}
PluginDir={plugins}
AuthType=auth/none
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/key
CredType=cred/none
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
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


def start(program, *options, **more):
    found = next(file for name in (program, f"{program}-wlm") if (file := root / "usr/sbin" / name).exists())
    with (folder / f"{program}.txt").open("wb") as log:
        # Debian starts slurmctld-wlm by the name slurmctld, and it goes by that.
        told = {"executable": found, "env": environment | more, "stdout": log, "stderr": log}
        daemons.append(subprocess.Popen([program, *options], **told))


def asked(method, path, token, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/json", "X-SLURM-USER-NAME": getpass.getuser()}
    headers |= {"X-SLURM-USER-TOKEN": token} if token else {}
    connection.request(method, f"/slurm/v0.0.38/{path}", body and json.dumps(body), headers)
    reply = connection.getresponse()
    told = reply.read()
    connection.close()
    return reply.status, json.loads(told) if told[:1] == b"{" else told.decode()


def token(seconds):
    told = subprocess.run([root / "usr/bin/scontrol", "token", f"lifespan={seconds}"], env=environment, text=True,
                          stdout=subprocess.PIPE, check=True)
    return told.stdout.strip().partition("=")[2]


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


def controlling():
    socket.create_connection(("127.0.0.1", controller), 1).close()
    return True


def up():
    status, told = asked("GET", "ping", good)
    return told if status == 200 and told["pings"][0]["ping"] == "UP" else None


def shown(reply):
    status, told = reply
    if isinstance(told, str):
        return status, told
    return status, *[(each["error_number"], each["description"], each["error"]) for each in told["errors"]]


try:
    start("slurmctld", "-D")
    until(60, controlling)
    good, brief = token(600), token(2)
    start("slurmrestd", "-s", "openapi/v0.0.38", "-a", "rest_auth/jwt", f"127.0.0.1:{port}", SLURM_JWT="daemon")
    release = until(60, up)["meta"]["Slurm"]["release"]
    job = {"name": "one", "hold": True, "environment": {"PATH": "/usr/bin:/bin"}, "current_working_directory": "/tmp"}
    submitted = asked("POST", "job/submit", good, {"job": job, "script": "#!/bin/sh\n"})
    number = submitted[1]["job_id"]
    time.sleep(3)
    seen = {
        "the job, with a token": asked("GET", f"job/{number}", good),
        "the job, with a token that has expired": asked("GET", f"job/{number}", brief),
        "no such job, with a token": asked("GET", f"job/{number + 900}", good),
        "the job, without a token": asked("GET", f"job/{number}", ""),
    }
    daemons[0].terminate()
    daemons[0].wait()
    seen["the job, with a token, while slurmctld is down"] = asked("GET", f"job/{number}", good)
finally:
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait()
print("slurmrestd", release)
for what, reply in seen.items():
    print(f"{what}:", *shown(reply))
there, expired, missing, without, down = map(shown, seen.values())
assert release == "22.05.8", release
assert there == (200,), there
assert without == (401, "Authentication failure"), without
assert missing == (500, (2017, f"Unable to find JobId={number + 900}", "Invalid job id specified")), missing
assert expired == (500, (-1, f"Unable to find JobId={number}", "Unspecified error")), "it is told otherwise now"
assert down == expired, down
PYTHON
