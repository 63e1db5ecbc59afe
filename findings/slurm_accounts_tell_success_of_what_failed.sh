#!/bin/sh
# slurmrestd and slurmdbd 22.05.8 (Debian 12's 22.05.8-4+deb12u3) with MariaDB, unpacked into a temporary folder, on a
# unix socket and loopback.
#
# Guess: `exit_code` of a job in `GET /slurmdb/v0.0.38/job/N` tells how its script exited, as `sacct` shows it from
# the same records; a `status` of SUCCESS with `return_code` 0 is that of a job that succeeded.
# Seen: so is each job told whose script exited, whatever with: one that exited with 3 has the state FAILED beside
# {"status": "SUCCESS", "return_code": 0}, where `sacct` shows 3:0. Only a signal is told (SIGNALED, 9). v0.0.36 and
# v0.0.37 say the same.
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
  slurmdbd=$version slurm-wlm-mysql-plugin=$version mariadb-server-core libmariadb3 libaio1 liburing2 munge \
  libmunge2 libhttp-parser2.9 libhwloc15 libjson-c5 libnuma1 >apt.txt 2>&1; then
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
for name in ("state", "spool", "data"):
    (folder / name).mkdir()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


node, controller, accounts, base = (free_port() for _ in range(4))
(folder / "slurmdbd.conf").write_text(f"""
AuthType=auth/munge
AuthInfo=socket={folder}/munge
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounts}
SlurmUser={getpass.getuser()}
PluginDir={plugins}
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={base}
StorageUser=slurm
StorageLoc=slurm
""")
(folder / "slurmdbd.conf").chmod(0o600)
(folder / "slurm.conf").write_text(f"""
ClusterName=one
SlurmctldHost={socket.gethostname()}(127.0.0.1)
SlurmUser={getpass.getuser()}
SlurmdUser={getpass.getuser()}
SlurmctldPort={controller}
SlurmdPort={node}
PluginDir={plugins}
AuthType=auth/munge
AuthInfo=socket={folder}/munge
CredType=cred/munge
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounts}
AccountingStoragePass={folder}/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
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


def start(program, *options, **more):
    found = next(file for name in (program, f"{program}-wlm") if (file := root / "usr/sbin" / name).exists())
    with (folder / f"{program}.txt").open("wb") as log:
        # Debian starts slurmctld-wlm by the name slurmctld, and it goes by that.
        told = {"executable": found, "env": environment | more, "stdout": log, "stderr": log}
        daemons.append(subprocess.Popen([program, *options], **told))


def output(program, *options):
    command = [root / "usr/bin" / program, *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def asked(method, path, body=None):
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(folder / "rest"))
    connection.request(method, f"/{path}", body and json.dumps(body), {"Content-Type": "application/json"})
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


def connected(port):
    socket.create_connection(("127.0.0.1", port), 1).close()
    return True


def storing():
    return connected(base)


def accounting():
    return connected(accounts)


def controlling():
    return connected(controller)


def registered():
    output("sacctmgr", "-i", "add", "cluster", "one")
    return output("sacctmgr", "-n", "list", "cluster", "format=cluster").strip() or None


def up():
    status, told = asked("GET", "slurm/v0.0.38/nodes")
    return told if status == 200 and told["nodes"][0]["state"] == "idle" else None


def ended():
    told = [asked("GET", f"slurmdb/v0.0.{minor}/job/{number}")[1]["jobs"] for minor in (36, 37, 38)]
    return told if all(jobs and jobs[0]["state"]["current"] in ("COMPLETED", "FAILED") for jobs in told) else None


seen = {}
try:
    (messages,) = root.glob("usr/share/mysql/english")
    options = ["--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/data/socket", f"--port={base}",
               "--bind-address=127.0.0.1", "--skip-grant-tables", f"--lc-messages-dir={messages.parent}",
               f"--character-sets-dir={messages.parent}/charsets", f"--user={getpass.getuser()}"]
    start("mariadbd", *options)
    (folder / "key").write_bytes(os.urandom(64))
    (folder / "key").chmod(0o600)
    start("munged", "--foreground", "--force", f"--key-file={folder}/key", f"--socket={folder}/munge",
          f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/seed")
    until(60, storing)
    start("slurmdbd", "-D", SLURM_CONF=str(folder / "slurmdbd.conf"))
    until(60, accounting)
    until(60, registered)
    start("slurmctld", "-D")
    until(60, controlling)
    (stepd,) = root.glob("usr/sbin/slurmstepd*")
    start("slurmd", "-D", "-d", str(stepd))
    start("slurmrestd", "-a", "rest_auth/local", f"unix:{folder}/rest")
    until(60, up)
    job = {"name": "one", "environment": {"PATH": "/usr/bin:/bin"}, "standard_output": "/dev/null",
           "standard_error": "/dev/null", "current_working_directory": "/tmp"}
    for what in ("exit 0", "exit 3", "kill -9 $$"):
        told = {"job": job, "script": f"#!/bin/sh\n{what}\n"}
        number = asked("POST", "slurm/v0.0.38/job/submit", told)[1]["job_id"]
        told = until(60, ended)
        states = {jobs[0]["state"]["current"] for jobs in told}
        codes = [jobs[0]["exit_code"] for jobs in told]
        sacct = output("sacct", "-X", "-n", "-P", "-j", str(number), "-o", "State,ExitCode").strip()
        seen[what] = states, codes, sacct
    release = asked("GET", "slurm/v0.0.38/ping")[1]["meta"]["Slurm"]["release"]
finally:
    for daemon in reversed(daemons):
        daemon.terminate()
        daemon.wait()
print("slurmrestd", release)
for what, (states, codes, sacct) in seen.items():
    print(f"{what:10}", *states, "- sacct:", sacct, "- slurmdb:", json.dumps(codes[-1]))
assert release == "22.05.8", release
assert [sacct for _, _, sacct in seen.values()] == ["COMPLETED|0:0", "FAILED|3:0", "FAILED|0:9"], seen
success = {"status": "SUCCESS", "return_code": 0}
assert all(code == success for what in ("exit 0", "exit 3") for code in seen[what][1]), "the exit code is told now"
assert all(code["status"] == "SIGNALED" for code in seen["kill -9 $$"][1]), seen
PYTHON
