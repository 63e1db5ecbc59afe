"""What is worth a word reaches whoever waits: as a warning in the log, as a change, and on stderr."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from jobwatch import ChangeKind, Client, Pace, Watcher
from jobwatch.cli import main
from jobwatch.testing import FakeSource
from tests.table_server import TableServer, in_order
from tests.virtual import on_virtual_clock, running_loop

SLOW = Pace(min_interval=5.0, max_interval=5.0)


@on_virtual_clock
async def test_an_unknown_word_is_a_warning_and_a_change_once(caplog: pytest.LogCaptureFixture) -> None:
    source = FakeSource(history=False)
    source.add("j", [("running", 0), ("marinating", 10), ("succeeded", 300)])
    async with Client(source=source, pace=SLOW) as client, Watcher(client) as watcher:
        await watcher.add("j")
        began, told = running_loop().time(), []
        async for change in watcher:
            told.append((change.kind, change.status or change.remark, round(running_loop().time() - began)))
            if change.kind is ChangeKind.END:
                break
    kinds = [kind for kind, _, _ in told]
    assert kinds == [ChangeKind.STATE, ChangeKind.STATE, ChangeKind.REMARK, ChangeKind.END]
    _, remark, at = told[2]
    assert "it has stood on 'marinating' for" in str(remark)
    assert 70 <= at <= 80
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"job j: {remark}"]


def test_the_command_line_says_that_a_cache_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import asyncio

    async def run() -> int:
        answers = in_order(
            {"status": "running"},
            (200, {"status": "running"}, {"Age": "120"}),
            (200, {"status": "passed"}, {"Age": "121"}),
        )
        async with TableServer(answers) as server:
            table = tmp_path / "own.toml"
            table.write_text(f'job = "{server.url}/jobs/{{job_id}}"\nstatus = "status"\n')
            line = [
                "wait",
                "j",
                "--api",
                str(table),
                "--min-interval",
                "10ms",
                "--max-interval",
                "20ms",
                "--no-history",
            ]
            return await asyncio.to_thread(main, line)

    assert asyncio.run(run()) == 0
    told = capsys.readouterr().err
    assert told.count("the reply was answered by a cache, 120 s old") == 1
    assert "121 s old" not in told
