"""The seam between a run and what is made of it: called once, whatever happened, and never the exit code's business."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from jobwatch import ConfigError, Outcome
from jobwatch.cli import _output, _wait, main
from jobwatch.cli._reports import Finished
from jobwatch.cli._run import Run
from jobwatch.testing import JobServer

OPTIONS = ("--api", "bedrock", "--no-history", "--min-interval", "0.02", "--max-interval", "0.05")


class Kept:
    name = "what was kept"

    def __init__(self, error: Exception | None = None) -> None:
        self.all: list[Finished] = []
        self.error = error

    def finish(self, finished: Finished) -> None:
        self.all.append(finished)
        if self.error is not None:
            raise self.error


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, job_server: JobServer) -> Kept:
    monkeypatch.setenv("BEDROCK_API_KEY", str(job_server.token))
    monkeypatch.setenv("BEDROCK_API_URL", job_server.url_of("bedrock"))
    monkeypatch.setattr(_output, "_secrets", set())
    kept = Kept()
    monkeypatch.setattr(_wait, "reports_for", lambda *_: [kept, kept])
    return kept


async def test_a_report_gets_all_records_in_order_and_the_exit_code(kept: Kept, job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["PENDING", "RUNNING", "FAILED"], error="boom")
    assert await asyncio.to_thread(main, ["wait", "job_1", *OPTIONS]) == 1
    first, second = kept.all
    assert first == second
    assert [record.status for record in first.records] == ["PENDING", "RUNNING", "FAILED", "FAILED"]
    assert [record.outcome for record in first.outcomes] == [Outcome.FAILED]
    assert (first.exit_code, first.api) == (1, "bedrock")
    assert first.began_at <= first.ended_at


async def test_a_report_is_made_after_a_time_limit_too(kept: Kept, job_server: JobServer) -> None:
    job_server.add("bedrock", "job_1", ["RUNNING"])
    assert await asyncio.to_thread(main, ["wait", "job_1", "--timeout", "0.05", *OPTIONS]) == 6
    assert [record.outcome for record in kept.all[0].outcomes] == [Outcome.TIMEOUT]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "what was kept could not be written: No space left on device"),
        (ConfigError("it is no file"), "what was kept: it is no file"),
        (ValueError("x\x1b"), r"what was kept: ValueError: x\x1b; this is a fault of jobwatch's own"),
    ],
    ids=["disk", "config", "own fault"],
)
async def test_a_report_that_fails_is_a_note_and_keeps_no_other_from_being_made(
    kept: Kept, job_server: JobServer, capsys: pytest.CaptureFixture[str], error: Exception, told: str
) -> None:
    kept.error = error
    job_server.add("bedrock", "job_1", ["COMPLETED"])
    assert await asyncio.to_thread(main, ["wait", "job_1", *OPTIONS]) == 0
    assert len(kept.all) == 2
    assert capsys.readouterr().err.splitlines() == [f"jobwatch: {told}"] * 2


def test_a_report_is_made_after_a_signal_too(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_API_URL", "http://127.0.0.1:9")
    before = signal.getsignal(signal.SIGTERM)

    class Stopping(Run):
        async def follow(self) -> None:
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
            await super().follow()

    monkeypatch.setattr(_wait, "Run", Stopping)
    assert main(["wait", "job_1", *OPTIONS]) == 143
    assert [record.outcome for record in kept.all[0].outcomes] == [Outcome.INTERRUPTED]
    assert kept.all[0].exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before
