"""What every real server needs: an environment, a process, and requests to start and stop jobs with."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from jobwatch import JobAPI, Response
from jobwatch._table.compile import api_of
from tests.table.elsewhere import TABLES


class NotInstalledError(Exception):
    """A server that comes with a system's packages, and not from an index, is not here."""


def own_api(name: str) -> JobAPI:
    """Return an API that is not built in, made of the table that a user would write."""
    return api_of(tomllib.loads(TABLES[name]), name)


def environment(folder: Path, requirement: str, python: str = "", *, name: str = "") -> Path:
    """Return the bin folder of a virtual environment for a package and what it needs, made if it is not there.

    Args:
        folder: Where the environments are.
        requirement: The package and more, as pip takes them.
        python: The version of Python that it needs, where it needs a newer one than this.
        name: What its folder is called; by default as the first package.
    """
    place = folder / (name or re.split(r"[=\[]", requirement)[0])
    done = place / ".installed"
    if not done.exists():
        subprocess.run([_interpreter(python), "-m", "venv", str(place)], check=True)
        subprocess.run([str(place / "bin" / "pip"), "install", "--quiet", *requirement.split()], check=True)
        done.write_text(requirement)
    return place / "bin"


def _interpreter(version: str) -> str:
    """Return an interpreter of at least a version: this one, or one among pyenv's or on the path."""
    wanted = tuple(map(int, version.split("."))) if version else ()
    if sys.version_info[:2] >= wanted:
        return sys.executable
    names = [f"python3.{minor}" for minor in range(wanted[1], wanted[1] + 6)]
    pyenv = Path.home() / ".pyenv" / "versions"
    kept = [str(each) for name in names for each in sorted(pyenv.glob(f"{name.removeprefix('python')}.*/bin/{name}"))]
    found = next(filter(None, map(shutil.which, [*kept, *names])), None)
    if found is None:
        raise RuntimeError(f"it needs Python {version} or newer, which is not here")
    return found


def node_package(folder: Path, requirement: str) -> Path:
    """Return the folder of a package of Node.js, installed with what it needs if it is not there."""
    name = requirement.rpartition("@")[0]
    place = folder / name.rpartition("/")[2]
    done = place / ".installed"
    if not done.exists():
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", requirement], cwd=place, check=True)
        done.write_text(requirement)
    return place / "node_modules" / name


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Make a folder that goes away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="jobwatch-real-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def process(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], log_name: str = "log.txt"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own, which is ended afterwards."""
    with (folder / log_name).open("wb") as log:
        running = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield running
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(10)


def until_it_answers(url: str, server: subprocess.Popen[bytes], folder: Path, seconds: float = 120.0) -> None:
    """Wait until a URL is served with 200.

    Raises:
        RuntimeError: The server ended, or time ran out; with the end of its log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            if ask("GET", url).status == 200:
                return
        time.sleep(0.5)
    raise RuntimeError(f"{url} does not answer:\n" + _logs(folder))


def until_it_listens(port: int, server: subprocess.Popen[bytes], folder: Path, seconds: float = 120.0) -> None:
    """Wait until somebody listens on a port of loopback, where there is nothing to ask for by GET.

    Raises:
        RuntimeError: The server ended, or time ran out; with the end of its log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.5)
    raise RuntimeError(f"nobody listens on {port}:\n" + _logs(folder))


def _logs(folder: Path) -> str:
    """Return the ends of what the processes of a folder have told."""
    return "\n".join(each.read_text(errors="replace")[-3000:] for each in sorted(folder.glob("*.txt")))


def ask(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Response:
    """Send one request, as whoever starts a job does."""
    raw = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
    told = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, raw, told, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Response(answer.read(), answer.status, dict(answer.headers.items()))
    except urllib.error.HTTPError as error:
        return Response(error.read(), error.code, dict(error.headers.items()))


def plain(response: Response) -> Any:
    """Return what a response says, decoded."""
    return msgspec.json.decode(response.body) if isinstance(response.body, bytes) else response.body
