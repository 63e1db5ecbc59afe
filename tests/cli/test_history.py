"""The command line's history: kept in the cache directory, used by the next command, and never in the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

import jobwatch
from jobwatch.cli import main
from jobwatch.testing import JobServer

FAST = ("--min-interval", "0.02", "--max-interval", "0.05", "--timeout", "10")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job_server: JobServer) -> Path:
    """Return where the history is kept, with an environment in which CapyDB is the job server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("JOBWATCH_API", "capydb")
    monkeypatch.setenv("CAPYDB_API_URL", job_server.url_of("capydb"))
    monkeypatch.setenv("CAPYDB_API_KEY", str(job_server.token))
    job_server.add("capydb", "job_1", [("pending", 0), ("running", 0), ("completed", 0.03)])
    return tmp_path / "jobwatch" / "durations.json"


async def wait(*argv: str) -> int:
    return await asyncio.to_thread(main, ["wait", "job_1", *FAST, *argv])


async def test_what_a_job_took_is_kept_for_the_next_command(kept: Path) -> None:
    assert await wait() == 0
    kinds = {(kind["type"], kind["phase"]) for kind in msgspec.json.decode(kept.read_bytes())["kinds"]}
    assert ("project.backup", "running") in kinds


async def test_no_history_keeps_nothing(kept: Path) -> None:
    assert await wait("--no-history") == 0
    assert not kept.exists()


async def test_a_damaged_history_is_said_and_left_as_it_is(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept.parent.mkdir()
    kept.write_bytes(b"not a history")
    assert await wait() == 0
    assert f"going without a history: {kept} is not a jobwatch history" in capsys.readouterr().err
    assert kept.read_bytes() == b"not a history"


async def test_a_history_that_cannot_be_written_costs_no_answer(
    tmp_path: Path, job_server: JobServer, caplog: pytest.LogCaptureFixture
) -> None:
    job_server.add("bedrock", "job_1", [("PENDING", 0), ("COMPLETED", 0.01)])
    folder = tmp_path / "folder"
    url, token = job_server.url_of("bedrock"), job_server.token
    async with jobwatch.Client("bedrock", base_url=url, token=token, history=folder / "durations.json") as client:
        assert (await client.wait_for("job_1")).phase is jobwatch.Phase.SUCCEEDED
        folder.write_bytes(b"a file where a directory should be")
    assert "durations.json cannot be written" in caplog.text


def test_a_rate_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "job_1", "--max-rate", "fast"]) == 2
    assert "'fast' is not a number of requests a second" in capsys.readouterr().err
