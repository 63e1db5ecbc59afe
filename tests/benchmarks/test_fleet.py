"""The benchmarks of the fleet, of the budget and of imports: small runs, and what their figures rest on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import budget, fleet, imports, instructions, virtual
from benchmarks.simulated import Server, SimulatedJob, most_in_a_second

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> dict[str, object]:
    """Run a benchmark as people do, and return what it prints as JSON."""
    command = [sys.executable, "-m", *arguments, "--json"]
    found: dict[str, object] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return found


@pytest.mark.slow
def test_the_fleet_tells_its_figures_and_those_of_its_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    report = fleet.measure(200, "processor")
    assert [row.name for row in report.rivals] == ["asyncio", "anyio"]
    assert 0 < report.bytes_per_job < 20_000
    assert report.loop_lag_ms < 1_000
    assert 2 <= report.requests_a_sweep_by_ids < 4
    assert report.requests_a_sweep < report.requests_a_sweep_if_100_shown < 200
    assert all(rival.peak_over_mean_later > report.peak_over_mean_later for rival in report.rivals)
    assert "jobwatch" in fleet.printed(report)


@pytest.mark.slow
def test_the_fleet_prints_the_keys_that_are_promised() -> None:
    found = run("benchmarks.fleet", "--jobs", "50", "--counter", "processor")
    assert {"what", "ours", "rival", "rival_name", "ratio", "goal"} <= set(found["rows"][0])  # type: ignore[index]
    found = found["report"]  # type: ignore[assignment]
    assert found["jobs"] == 50
    assert {"bytes_per_job", "gc_pause_ms", "loop_lag_ms", "peak_over_mean", "instructions", "rivals"} <= set(found)


@pytest.mark.slow
def test_the_budget_is_kept_and_well_spent() -> None:
    report = budget.measure(20.0, 300.0, seed=1)
    ours, theirs, free, _ = report.rows
    assert report.never_above
    assert ours.most_in_a_second <= 25
    assert ours.requests == pytest.approx(theirs.requests, abs=2)
    assert ours.mean_delay < free.mean_delay
    assert report.ratio == ours.mean_to_round_robin < 0.7
    assert "round robin" in budget.printed(report)


@pytest.mark.slow
def test_a_second_run_gives_the_same_figures() -> None:
    assert budget.measure(10.0, 60.0, seed=2) == budget.measure(10.0, 60.0, seed=2)


@pytest.mark.slow
def test_imports_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # and back, whatever the benchmark does about it
    report = imports.measure(1, "seconds")
    names = [(row.name, row.against) for row in report.rows]
    assert ("import jobwatch", "import asyncio, msgspec, anyio") in names
    assert ("jobwatch --version", "python -c pass") in names
    assert all(row.ratio == row.ratio_of_seconds > 0 for row in report.rows)
    assert "jobwatch.Client" in imports.printed(report)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [(fleet, ["--jobs", "0"]), (budget, ["--rate", "0"]), (budget, ["--seconds", "0"]), (imports, ["--runs", "0"])],
)
def test_what_cannot_be_measured_is_refused(module: object, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        module.main(arguments)  # type: ignore[attr-defined]


def test_a_virtual_hour_is_over_at_once() -> None:
    async def hour() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(3600.0)
        return loop.time() - began

    assert virtual.run(hour()) == 3600.0
    assert virtual.run(hour(), frozen=False) == pytest.approx(3600.0, abs=1.0)


def test_a_loop_with_nothing_to_wait_for_does_not_hang() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="nothing left"):
        virtual.run(forever())


@pytest.mark.parametrize(
    ("times", "most"), [([], 0), ([0.0, 0.5, 1.0], 2), ([0.6, 1.0, 1.5, 3.0], 3), ([5.0, 1.0, 1.0], 2)]
)
def test_the_fullest_second_is_found_wherever_it_begins(times: list[float], most: int) -> None:
    assert most_in_a_second(times) == most


def test_the_simulated_server_shows_the_newest_jobs_first() -> None:
    jobs = [SimulatedJob(f"j{number}", starts=float(-number), project_id="p") for number in range(5)]
    server = Server(jobs, page=2)

    async def listed() -> bytes:
        reply = await server.get("list p 3")
        return reply.body  # type: ignore[union-attr]

    shown = json.loads(virtual.run(listed()))["jobs"]
    assert [job["id"] for job in shown] == ["j0", "j1"]
    assert server.read == 2


def test_something_is_counted() -> None:
    counter = instructions.counter()
    before = counter.read()
    sum(range(100_000))
    assert counter.read() > before


@pytest.mark.slow
@pytest.mark.skipif(not instructions.has_callgrind(), reason="valgrind is not installed")
def test_callgrind_counts_between_marks() -> None:
    program = "from benchmarks.instructions import mark\nmark(); sum(range(1000)); mark(); sum(range(100_000)); mark()"
    few, many = instructions.between_marks([sys.executable, "-c", program])
    assert few < many
