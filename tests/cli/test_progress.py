"""How far a job is, while it is waited for: in lines, in JSON and in the table."""

from __future__ import annotations

import asyncio
import io
import json
import re

import msgspec
import pytest
from rich.console import Console

from jobwatch import Client, Job, Pace, Phase
from jobwatch.cli._lines import JsonLines, PlainLines
from jobwatch.cli._live import LiveTable
from jobwatch.cli._run import Display, Run
from jobwatch.testing import HANG, FakeSource
from tests.virtual import on_virtual_clock


class Building:
    """A source whose job is done after 20 s, and tells how far it is; in its 4th second it tells nothing."""

    key = "building"

    async def job(self, job_id: str, /) -> Job:
        done = asyncio.get_running_loop().time() / 20
        job = Job(id=job_id, api=self.key, status="RUNNING", phase=Phase.RUNNING, progress=done)
        if done >= 1:
            return msgspec.structs.replace(job, status="DONE", phase=Phase.SUCCEEDED, progress=1.0, result={"url": "x"})
        return msgspec.structs.replace(job, progress=None) if 0.2 <= done < 0.25 else job


async def shown(display: Display) -> None:
    pace = Pace(min_interval=0.5, max_interval=0.5)
    async with Client(source=Building(), pace=pace) as client:
        with display:
            await Run([client.wait_for("j", check=False)], display).follow()


@on_virtual_clock
async def test_a_line_tells_each_quarter_once(capsys: pytest.CaptureFixture[str]) -> None:
    await shown(PlainLines(["j"]))
    running, *done, state, end = capsys.readouterr().out.splitlines()
    assert [line.split("  ", 2)[2] for line in done] == ["27 % done", "52 % done", "77 % done"]  # looks in between
    assert running.endswith("RUNNING [gap before] [time as seen]")
    assert state.endswith("DONE (succeeded) [time as seen]")
    assert "=> succeeded after a wait of 20 s, " in end


@on_virtual_clock
async def test_json_tells_each_value_and_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    await shown(JsonLines())
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["type"] for record in records if record["type"] != "progress"] == ["transition"] * 2 + ["outcome"]
    told = [record["progress"] for record in records if record["type"] == "progress"]
    assert told == sorted(set(told))
    assert 10 <= len(told) <= 21, "one a second at most, and none while it is not told"
    assert list(records[1]) == ["type", "job_id", "progress", "seen_at"]
    assert (records[-1]["progress"], records[-1]["result"]) == (1.0, {"url": "x"})
    assert "url" not in records[-1]


@on_virtual_clock
async def test_the_table_shows_it_behind_the_last_state() -> None:
    screen = io.StringIO()
    table = LiveTable(["j"], "t", Console(file=screen, width=120, force_terminal=True, no_color=True))
    following = asyncio.create_task(shown(table))
    await asyncio.sleep(13.2)
    drawn = Console(file=io.StringIO(), width=120, record=True)
    drawn.print(table)
    text = drawn.export_text()
    assert " 65 %" in text
    await following
    drawn.print(table)
    assert " %" not in drawn.export_text(), "it has ended"


@on_virtual_clock
async def test_a_first_look_without_an_answer_is_noted_and_not_once_more_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = PlainLines(["j"])
    display.tick = 0.9
    async with Client(source=FakeSource(delay=HANG)) as client:
        for limit in (3.0, 9.0):
            await Run([client.wait_for("j", limit, check=False)], display).follow()
    out, err = capsys.readouterr()
    assert [line.partition("=> ")[2] for line in out.splitlines()] == [
        f"unreachable after a wait of {limit}.0 s, 0 looks: never read within {limit} s: the source did not answer"
        for limit in (3, 9)
    ]
    assert re.fullmatch(r"jobwatch: j: cannot be read for now: the source did not answer within 5\.\d s\n", err)
