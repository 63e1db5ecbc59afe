"""The source of the documents asks AWS Step Functions: awaited, iterated, on the command line, by a killed watcher.

Against moto's server, in a process of its own on loopback.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobwatch import Client, JobNotFound, Pace, Phase

pytestmark = [
    pytest.mark.slow,
    # What the SDK itself does with time zones and with what it leaves open is not ours to judge.
    pytest.mark.filterwarnings("default"),
]

ROOT = Path(__file__).parents[2]
README = (ROOT / "jobwatch" / "apis" / "README.md").read_text("utf-8")
(BLOCK,) = re.findall(r"```python\n(# aws_jobs\.py\n.*?)```", README, re.DOTALL)
ROLE = "arn:aws:iam::123456789012:role/jobs"
DEFINITION = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}})

WATCHING = """
import asyncio, json, sys
import jobwatch
from aws_jobs import StepFunctions

async def main():
    pace = jobwatch.Pace(min_interval=0.02, max_interval=0.05)
    async with (
        jobwatch.Client(source=StepFunctions(), pace=pace) as client,
        jobwatch.Watcher(client, journal="watch.db") as watcher,
    ):
        await watcher.add(*sys.argv[1:])
        async for change in watcher:
            print(json.dumps([change.key, change.status, change.kind.value]), flush=True)

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the documents' module, and an environment that leads its SDK to a server of moto's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "aws_jobs.py").write_text(BLOCK, "utf-8")
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]),
    }.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
                break
            except OSError:
                time.sleep(0.04)
        yield tmp_path
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def module(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("aws_jobs", folder / "aws_jobs.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def aws(module: Any) -> Any:
    return module.boto3.client("stepfunctions")


def started(aws: Any, *names: str) -> list[str]:
    """Start executions, and return their ARNs."""
    machine = aws.create_state_machine(name="m", definition=DEFINITION, roleArn=ROLE)["stateMachineArn"]
    return [aws.start_execution(stateMachineArn=machine, name=name)["executionArn"] for name in names]


async def test_it_is_awaited_and_iterated(module: Any, aws: Any) -> None:
    (arn,) = started(aws, "one")
    pace = Pace(min_interval=0.02, max_interval=0.05)
    async with Client(source=module.StepFunctions(), pace=pace, appear_within=0.1) as client:
        seen = client.wait_for(arn, check=False)
        assert (await anext(seen)).status == "RUNNING"
        await asyncio.to_thread(aws.stop_execution, executionArn=arn)
        assert [change.status async for change in seen] == ["ABORTED"]
        job = await seen
        assert (job.phase, job.ended_at is not None) == (Phase.CANCELLED, True)
        with pytest.raises(JobNotFound, match="there is no such execution"):
            await client.wait_for(f"{arn}-of-nobody")


def test_the_command_line_names_it(folder: Path, aws: Any) -> None:
    (arn,) = started(aws, "one")
    aws.stop_execution(executionArn=arn)
    command = [sys.executable, "-m", "jobwatch", "wait", arn, "--source", "aws_jobs:StepFunctions", "--json"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 5, ran.stderr
    outcome = json.loads(ran.stdout.splitlines()[-1])
    assert (outcome["outcome"], outcome["status"]) == ("cancelled", "ABORTED")


def test_a_watcher_that_is_killed_and_begun_again_loses_nothing(folder: Path, aws: Any) -> None:
    arns = started(aws, *(f"run-{number}" for number in range(6)))
    heard: list[tuple[str, str, str]] = []
    watch(folder, arns, heard, enough=3)
    watch(folder, arns, heard, enough=6)
    for arn in arns[:2]:
        aws.stop_execution(executionArn=arn)
    watch(folder, arns, heard, enough=7)
    for arn in arns[2:]:
        aws.stop_execution(executionArn=arn)
    watch(folder, arns, heard, enough=12)
    once = dict.fromkeys(heard)
    for arn in arns:
        assert [(status, kind) for key, status, kind in once if key.startswith(arn)] == [
            ("RUNNING", "state"),
            ("ABORTED", "end"),
        ]
    assert len(heard) - len(once) <= 3, "no more than the one in hand comes again, each time"


def watch(folder: Path, arns: list[str], heard: list[tuple[str, str, str]], *, enough: int) -> None:
    """Have a process watch until so many changes have been heard of in all, and kill it; hear what it had said."""
    command = [sys.executable, "-W", "ignore", "-c", WATCHING, *arns]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        try:
            while len(set(heard)) < enough and (line := watcher.stdout.readline()):
                heard.append(tuple(json.loads(line)))
        finally:
            watcher.kill()
        heard += [tuple(json.loads(line)) for line in watcher.stdout]
    assert len(set(heard)) >= enough
