#!/bin/sh
# mlflow-skinny 3.17.2 (PyPI), its tracking in files.
#
# Guess: a script that ends by an exception, or with an exit code other than 0, leaves its run FAILED, and one that ends
# with `sys.exit(0)` leaves it FINISHED, however the run was started.
# Seen: a run that was started by `mlflow.start_run()` alone is FINISHED, with an end time, when the script has died;
# only within a `with` it is FAILED then. And within a `with`, the `sys.exit(0)` of a script that is done makes it
# FAILED. So the status tells how the block was left, not how the script ended: who waits for the script has to look at
# its exit code.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check mlflow-skinny==3.17.2
export HOME="$folder" MLFLOW_TRACKING_URI="file://$folder/runs"
export MLFLOW_ALLOW_FILE_STORE=true MLFLOW_DISABLE_TELEMETRY=true
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

import mlflow

BARE = "import mlflow, sys\nrun = mlflow.start_run()\nprint(run.info.run_id, flush=True)\n"
BLOCK = "import mlflow, sys\nwith mlflow.start_run() as run:\n    print(run.info.run_id, flush=True)\n    "


def ended(script):
    """Runs the script; returns its exit code, and what the run that it started reads since."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    run = mlflow.MlflowClient().get_run(done.stdout.split()[0]).info
    return done.returncode, run.status, run.end_time is not None


seen = {
    ("start_run alone", "an exception"): ended(BARE + "raise ValueError('not this one')"),
    ("start_run alone", "sys.exit(3)"): ended(BARE + "sys.exit(3)"),
    ("with start_run", "an exception"): ended(BLOCK + "raise ValueError('not this one')"),
    ("with start_run", "sys.exit(0)"): ended(BLOCK + "sys.exit(0)"),
}
print("how it was started, what ended it, exit code of the script, status of its run, whether that has an end time")
for what, end in seen.items():
    print(*what, *end)
assert seen["start_run alone", "an exception"] == (1, "FINISHED", True), "a script that died is told now"
assert seen["start_run alone", "sys.exit(3)"] == (3, "FINISHED", True), "a script that failed is told now"
assert seen["with start_run", "an exception"] == (1, "FAILED", True), seen
assert seen["with start_run", "sys.exit(0)"] == (0, "FAILED", True), "a script that is done is told now"
PYTHON
