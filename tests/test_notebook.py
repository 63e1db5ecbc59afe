"""What a real notebook shows: run where nbclient and ipykernel are installed, which are 100 MB and no extra of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CELLS = (
    "import jobwatch\nfrom jobwatch.testing import FakeSource",
    "source = FakeSource()\nsource.add('job_1', [('RUNNING', 0.0), ('COMPLETED', 0.05)], result={'pages': 3})",
    "client = jobwatch.Client(source=source, pace=jobwatch.Pace(min_interval=0.01, max_interval=0.02))",
    "wait = client.wait_for('job_1')\nwait",
    "job = await wait\njob",
    "wait",
    "print(job)",
    "await client.aclose()",
)
RUN = """\
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in json.load(sys.stdin)])
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
json.dump([cell.outputs for cell in notebook.cells], sys.stdout)
"""


@pytest.mark.slow
def test_a_notebook_shows_a_job_and_a_wait_with_their_states(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import json

    ran = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps(CELLS), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    outputs = json.loads(ran.stdout)
    assert [[output["output_type"] for output in cell] for cell in outputs] == [
        *([[]] * 1),
        ["execute_result"],
        [],
        *([["execute_result"]] * 3),
        ["stream"],
        [],
    ]
    shown = [cell[0].get("data", {}) for cell in outputs if cell]
    assert shown[1]["text/html"] == "<code>&lt;Wait job_1: not begun&gt;</code>"
    for data in shown[2:4]:
        assert "<title>RUNNING at " in data["text/html"]
        assert "<strong>COMPLETED (succeeded)</strong>" in data["text/html"]
    assert shown[2]["text/plain"] == "<Job job_1 of fake: COMPLETED (succeeded)>"
    assert shown[3]["text/plain"] == "<Wait job_1: COMPLETED (succeeded), over: succeeded>"
    assert outputs[6][0]["text"] == "<Job job_1 of fake: COMPLETED (succeeded)>\n"
