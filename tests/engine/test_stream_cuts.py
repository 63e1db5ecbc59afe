"""A stream cut at every one of its bytes: nothing is lost and nothing repeated, at the seam and on the wire."""

from __future__ import annotations

from random import Random
from unittest import mock

import pytest

from jobwatch import Outcome, Pace, Phase
from tests.simulation import streams
from tests.simulation.clock import START
from tests.simulation.server import Server
from tests.simulation.sizes import size_of
from tests.simulation.truth import State, TrueJob
from tests.simulation.world import SAFETY, SEAM, WIRE, Plan, World, played

pytestmark = pytest.mark.slow

STATES = (
    State("PENDING", Phase.PENDING, START - 5.0, 0),
    State("RUNNING", Phase.RUNNING, START + 4.0, 1),
    State("COMPLETED", Phase.SUCCEEDED, START + 20.0, 1),
)


def world_of(level: str, cut: int | None, end: str) -> World:
    """Play a world of one job, whose every stream ends after so many bytes."""
    job = TrueJob("job-0", "cms", None, "compare", STATES, STATES[0].at)

    def streamed(server: Server, client: str, path: str, now: float) -> streams.Streamed:
        stream = streams.opened(client, job, now, odd=set(), down=False, delay=0.02, rng=Random(0))
        left = cut
        for number, (at, piece) in enumerate(stream.pieces if left is not None else ()):
            assert left is not None
            if left <= len(piece):
                stream.pieces, stream.end = [*stream.pieces[:number], (at, piece[:left])], end
                break
            left -= len(piece)
        server.streams.append(stream)
        return stream

    plan = Plan(
        seed=7,
        level=level,
        mode=SAFETY,
        api="bedrock",
        jobs=[job],
        rates={},
        traits=frozenset({"streams"}),
        outages=[],
        quiet_at=START,
        horizon=200.0,
        pace=Pace(),
        max_rate=None,
        max_in_flight=16,
        latency=0.02,
        unreachable_after=300.0,
        appear_within=10.0,
        skew=0.0,
        lag=0.0,
        quota=0,
        vanished={},
        size=size_of(7, level, SAFETY),
    )
    # An oracle that knows nothing of the cut would find an end told late; lost, repeated and invented it finds all.
    with (
        mock.patch.object(Server, "streamed", streamed),
        mock.patch("tests.simulation.oracle._not_prompt", return_value=()),
    ):
        return played(plan)


def delivered(world: World) -> list[tuple[str, str, list[str], Outcome | str]]:
    return [
        (heard.who, heard.job_id, [change.status for _, change in heard.got], heard.ending) for heard in world.heard
    ]


@pytest.mark.parametrize("level", [SEAM, WIRE])
@pytest.mark.parametrize("end", ["closed", "cut", "hang"])
def test_row_101_a_stream_cut_at_every_byte_loses_and_repeats_nothing(level: str, end: str) -> None:
    whole = world_of(level, None, end)
    assert whole.violations == []
    assert any(statuses == ["PENDING", "RUNNING", "COMPLETED"] for _, _, statuses, _ in delivered(whole))
    length = sum(len(piece) for _, piece in whole.server.streams[0].pieces)
    assert length > 250
    for cut in range(length):
        world = world_of(level, cut, end)
        assert world.violations == [], f"cut after {cut} bytes"
        assert delivered(world) == delivered(whole), f"cut after {cut} bytes"
