"""Why a look is due, in words; and the states, for a service that logs."""

from __future__ import annotations

import logging

import pytest
from msgspec.structs import replace

from jobwatch import Client, Fault, FaultKind, History, Outcome, Pace, Phase
from jobwatch._core.look import Looked, Policy
from jobwatch._core.settling import UnsettledEnd
from jobwatch._core.tracker import Patience, SeenBlocked, Watched
from jobwatch._engine.logged import LookLog
from jobwatch.testing import JobServer

NOW = 1000.0
POLICY = Policy(Pace(), Patience(), History(None), {}, float("inf"))
RUNNING = Watched(job_id="j\x1b", api="own", status="RUN", phase=Phase.RUNNING, entered_at=NOW - 12.0, looks=3)
DOWN = Fault(FaultKind.UNREACHABLE, "down", retry_after=30.0)
CONFIRMED = SeenBlocked(since=NOW - 60.0, until=NOW)


def looked(watched: Watched, **more: object) -> Looked:
    return Looked(watched, (), None, 4.0, **more)  # type: ignore[arg-type]


def changed(**fields: object) -> Watched:
    return replace(RUNNING, **fields)


@pytest.mark.parametrize(
    ("look", "delay", "price", "why"),
    [
        (looked(RUNNING), 4.0, 1.0, "12.0 s running, and no earlier job is known"),
        (looked(changed(progress=0.25)), 4.0, 1.0, "12.0 s running, 25% done"),
        (looked(changed(fault=DOWN, faults=1)), 30.0, 1.0, "1 look failed (unreachable), and the API asks for 30 s"),
        (looked(changed(fault=DOWN, faults=3)), 30.0, 2.0, "3 looks in a row failed (unreachable), and the API asks"),
        (
            looked(changed(unsettled=UnsettledEnd("FAILED", Phase.FAILED, Outcome.FAILED, NOW))),
            9.0,
            1.0,
            "an end that was seen has to stand for a while",
        ),
        (looked(RUNNING, least=9.0), 9.0, 1.0, "the API asks for 9 s"),
        (looked(RUNNING, is_followed_up=True), 0.0, 1.0, "the API holds it until there is news"),
        (looked(RUNNING), 8.0, 2.5, "requests are scarce, and one counts as 2.5"),
        (looked(RUNNING), 300.0, 1.0, "a stream of events tells of news"),
        (looked(changed(phase=Phase.BLOCKED, blocked=CONFIRMED)), 4.0, 1.0, "the job waits for a person"),
        (
            looked(changed(phase=Phase.BLOCKED, blocked=SeenBlocked(since=NOW, until=NOW))),
            10.0,
            1.0,
            "what was seen is to be confirmed",
        ),
    ],
)
def test_a_reason(look: Looked, delay: float, price: float, why: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "jobwatch.engine")
    LookLog(POLICY).next_look(look, delay, price, NOW)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"job j\\x1b: next look in {delay:.1f} s: {why}")


async def test_states_and_the_end_at_info(caplog: pytest.LogCaptureFixture, job_server: JobServer) -> None:
    caplog.set_level(logging.INFO, "jobwatch")
    job_server.add("capydb", "j", [("pending", 0), ("running", 0), ("failed", 0)])
    url, token = job_server.url_of("capydb"), job_server.token
    async with Client("capydb", base_url=url, token=token, pace=Pace(min_interval=0.001, max_interval=0.002)) as client:
        told = [each.status async for each in client.wait_for("j", 20, check=False)]
    lines = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    shown = [("jobwatch.jobs", "INFO", f"job j: {status} ({status})") for status in told]
    assert lines == [*shown, ("jobwatch.jobs", "INFO", "job j ended: failed")]
