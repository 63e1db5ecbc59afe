"""The line that says that we still wait: when it comes, what it says, and how long a log gets by it."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from jobwatch import Client, Fault, FaultKind, Phase
from jobwatch._client.access import engine_of, learned_by
from jobwatch._core.durations import LearnedDurations
from jobwatch.cli._heartbeat import Heartbeat, Waited, beat_after, waiting_line
from jobwatch.cli._lines import JsonLines, PlainLines
from jobwatch.cli._run import Extras, Run
from jobwatch.testing import FakeSource

from ..virtual import on_virtual_clock

# --- when -----------------------------------------------------------------------------------------------------------


def test_it_comes_after_one_and_two_minutes_and_then_every_four() -> None:
    beats, at = [], 0.0
    while at < 1800.0:
        at = beat_after(at)
        beats.append(at / 60.0)
    assert beats == [1, 2, 6, 10, 14, 18, 22, 26, 30]


@pytest.mark.parametrize(
    ("waited", "due"), [(0.0, 60.0), (59.9, 60.0), (60.0, 120.0), (119.0, 120.0), (120.0, 360.0), (1000.0, 1080.0)]
)
def test_one_that_comes_late_does_not_bring_the_next_sooner(waited: float, due: float) -> None:
    assert beat_after(waited) == due


def test_nothing_is_said_before_it_is_due_and_nothing_twice() -> None:
    heartbeat = Heartbeat(LearnedDurations(), lambda: 0.0)
    said = [waited for waited in range(130) if heartbeat.line(float(waited), {"a": None}, 1)]
    assert said == [60, 120]


# --- what -----------------------------------------------------------------------------------------------------------

RUNNING = Waited("job_1", "RUNNING", Phase.RUNNING, 200.0)


@pytest.mark.parametrize(
    ("jobs", "total", "line"),
    [
        ([Waited("job_1")], 1, "still waiting for job_1, which could not be read yet"),
        ([RUNNING], 1, "still waiting for job_1: RUNNING for 3m 20s"),
        (
            [Waited("job_1", "RUNNING", Phase.RUNNING, 200.0, 0.45, (120.0, 300.0))],
            1,
            "still waiting for job_1: RUNNING for 3m 20s, 45%, probably 2m 00s to 5m 00s more",
        ),
        (
            [Waited("job_1", "RUNNING", Phase.RUNNING, 200.0, is_stale=True)],
            1,
            "still waiting for job_1: RUNNING when last read, and cannot be read for now",
        ),
        (
            [RUNNING, Waited("job_2", "queued", Phase.PENDING, 3.0, 0.0), Waited("job_3")],
            5,
            "still waiting for 3 of 5 jobs: job_1 RUNNING, job_2 queued 0%, job_3 not read yet",
        ),
        ([RUNNING], 2, "still waiting for 1 of 2 jobs: job_1 RUNNING"),
        (
            [RUNNING] * 5 + [Waited("j", "queued", Phase.PENDING, 3.0)] * 2 + [Waited("j")],
            100,
            "still waiting for 8 of 100 jobs: 5 running, 2 pending, 1 not read yet",
        ),
        (
            [Waited("j", "R", Phase.RUNNING, 1.0, None, left) for left in ((60.0, 120.0), (30.0, 600.0))],
            2,
            "still waiting for 2 of 2 jobs: j R, j R, probably 1m 00s to 10m 00s more",
        ),
        (
            [Waited("j", "R", Phase.RUNNING, 1.0, None, (60.0, 120.0)), RUNNING],
            2,
            "still waiting for 2 of 2 jobs: j R, job_1 RUNNING",
        ),
        (
            [Waited("j", "R", Phase.RUNNING, 1.0, None, (60.0, 60.2))],
            1,
            "still waiting for j: R for 1.0 s, probably 1m 00s more",
        ),
    ],
)
def test_it_says_who_is_waited_for_how_it_stands_and_for_how_long(jobs: list[Waited], total: int, line: str) -> None:
    assert waiting_line(jobs, total) == line


# --- in a log ---------------------------------------------------------------------------------------------------------


async def logged(display: PlainLines | JsonLines, source: FakeSource, *job_ids: str, taught: int = 0) -> None:
    async with Client(source=source) as client:
        learned = learned_by(client)
        for seconds in [1500.0, 1700.0, 1800.0, 1900.0, 2000.0][:taught]:
            learned.add_duration((client.name, "", Phase.RUNNING), seconds)
        extras = Extras(heartbeat=Heartbeat(learned, engine_of(client).unix))
        with display:
            await Run([client.wait_for(job_id, check=False) for job_id in job_ids], display, extras).follow()


@on_virtual_clock
async def test_the_log_of_half_an_hour_has_at_most_15_lines(capsys: pytest.CaptureFixture[str]) -> None:
    source = FakeSource("s")
    source.add("job_1", [("pending", 0), ("running", 30), ("succeeded", 1830)], progress=0.5)
    await logged(PlainLines(["job_1"]), source, "job_1", taught=5)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert len(lines) <= 15
    beats = [line.split("  ", 1)[1] for line in lines if "still waiting" in line]
    assert len(beats) in (8, 9), "a look may take until then to show the end"
    assert beats[0].startswith("still waiting for job_1: running for 30 s, 50%, probably 2")
    assert all(line.split()[0].endswith("Z") for line in lines)


@pytest.mark.parametrize("quarters", [(450, 900, 1350), (1700, 1710, 1720), (1, 2, 3), (400, 500, 590)], ids=str)
@on_virtual_clock
async def test_nor_has_one_with_a_line_for_each_quarter_more(
    quarters: tuple[int, int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    source = FakeSource("s")
    job = source.add("job_1", [("pending", 0)], progress=0.0)
    loop = asyncio.get_running_loop()
    loop.call_later(0.5, job.advance, "running")
    for number, at in enumerate(quarters, start=1):
        loop.call_later(at, lambda done: job._fields.update(progress=done), number / 4)
    loop.call_later(1800, job.advance, "succeeded")
    await logged(PlainLines(["job_1"]), source, "job_1")
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.endswith("done")]) >= 1
    assert len(lines) <= 15


@on_virtual_clock
async def test_a_wait_of_less_than_a_minute_gets_no_line_more(capsys: pytest.CaptureFixture[str]) -> None:
    source = FakeSource("s")
    source.add("job_1", [("running", 0), ("succeeded", 45)])
    await logged(PlainLines(["job_1"]), source, "job_1")
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.slow
@on_virtual_clock
async def test_no_ten_minutes_are_silent_however_many_jobs_wait(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = FakeSource("s")
    ids = [f"job_{number}" for number in range(20)]
    for job_id in ids:
        source.add(job_id, [("running", 0), ("succeeded", 7200)])
    waiting = asyncio.create_task(logged(PlainLines(ids), source, *ids))
    written = []
    for _ in range(12):
        await asyncio.sleep(590)
        written.append(capsys.readouterr().out)
    await waiting
    assert all(written)
    assert "still waiting for 20 of 20 jobs: 20 running" in written[0]


@on_virtual_clock
async def test_with_json_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    source = FakeSource("s")
    source.add("job_1", [("running", 0), ("succeeded", 100)])
    await logged(JsonLines(), source, "job_1")
    out, err = capsys.readouterr()
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["transition", "transition", "outcome"]
    assert re.fullmatch(r"jobwatch: still waiting for job_1: running for 1m 00s\n", err)


OUTAGE = Fault(FaultKind.UNREACHABLE, "no answer")


@on_virtual_clock
async def test_while_looks_fail_it_does_not_say_that_the_job_runs(capsys: pytest.CaptureFixture[str]) -> None:
    source = FakeSource("s")
    source.add("job_1", [("running", 0), ("succeeded", 100)])
    asyncio.get_running_loop().call_later(40, lambda: source.trouble(OUTAGE, times=4))
    await logged(PlainLines(["job_1"]), source, "job_1")
    assert "running when last read, and cannot be read for now" in capsys.readouterr().out
