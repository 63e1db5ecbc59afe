"""Reports for tests: jobs with states at seconds after a moment, texts that mean harm, and lines of `wait --json`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from jobwatch._models import ENDED, Outcome, Phase
from jobwatch._report.model import Entered, Report, ReportedJob, made

T = 1_764_403_200.0
"""When tests begin: 2025-11-29T08:00:00Z, in Unix seconds."""

HARMFUL = (
    *(
        "|",
        "\\",
        "\\|",
        "`",
        "```",
        "<script>",
        "&lt;",
        "&#124;",
        "]]>",
        "-->",
        "@root",
        "#12",
        "*a*",
        "_a_",
        "__init__",
    ),
    *("[a](javascript:x)", "https://example.com/?a=1&b=2", "www.example.com", "a:b", "x;y", "%%{init:{}}%%", "title x"),
    *(
        "section 2",
        "\n# heading",
        "\r\n::error::x",
        "##vso[x]",
        "\x1b[31m",
        "\x00",
        "\ufffe",
        "\ud800",
        "\u202e",
        "1. x",
    ),
    *("'", '"', "日本", "é", "🎉", "$x^2$", "---", ":---:", " ", "\t", "===", "~~~", "&", ">"),
)

texts = st.lists(st.sampled_from(HARMFUL) | st.text(max_size=6), max_size=6).map("".join)
"""Texts as a server could send them to do harm."""

phases = st.sampled_from(list(Phase))


def job(name: str, *states: tuple[str, Phase, float], until: float | None = None, **facts: Any) -> ReportedJob:
    """Return a job that entered states, each a status, a phase, and seconds after `T`."""
    entered = [Entered(status=status, phase=phase, at=T + at, seen_at=T + at) for status, phase, at in states]
    told = ReportedJob(job_id=name, **facts)
    return made(told, entered, None if until is None else T + until)


GOOD = job(
    "job_1",
    ("PENDING", Phase.PENDING, 0.0),
    ("RUNNING", Phase.RUNNING, 2.0),
    ("COMPLETED", Phase.SUCCEEDED, 88.0),
    outcome=Outcome.SUCCEEDED,
    known_after=0.2,
    looks=14,
)
BAD = job(
    "job_2", ("RUNNING", Phase.RUNNING, 5.0), ("FAILED", Phase.FAILED, 40.0), outcome=Outcome.FAILED, error="disk full"
)
OPEN = job("job_3", ("RUNNING", Phase.RUNNING, 3.0), until=100.0, outcome=Outcome.TIMEOUT, progress=0.42)


@st.composite
def jobs(draw: st.DrawFn, name: str) -> ReportedJob:
    """Draw a job of any kind."""
    moments = sorted(draw(st.lists(st.floats(0.0, 100_000.0), min_size=0, max_size=5)))
    states = [
        Entered(
            status=draw(texts),
            phase=draw(phases.filter(lambda phase: phase not in ENDED)),
            at=draw(st.none() | st.just(T + at)),
            seen_at=T + at,
            gap=draw(st.booleans()),
        )
        for at in moments
    ]
    has_ended = draw(st.booleans())
    if states and has_ended:
        end = draw(st.sampled_from(sorted(ENDED, key=lambda phase: phase.value)))
        at = T + moments[-1] + draw(st.floats(0.0, 1000.0))
        states.append(Entered(status=draw(texts), phase=end, at=at, seen_at=at + draw(st.floats(0.0, 100.0))))
    told = ReportedJob(
        job_id=f"{name}{draw(texts)}",
        outcome=draw(st.none() | st.sampled_from(list(Outcome))),
        status=draw(st.none() | texts) if not states else states[-1].status,
        looks=draw(st.none() | st.integers(0, 10**6)),
        progress=draw(st.none() | st.floats(0.0, 1.0)),
        error=draw(st.none() | texts),
        asked=draw(st.none() | texts),
        url=draw(st.none() | st.just("https://example.com/a?b=1&c=2") | texts),
        output=draw(st.none() | texts),
    )
    return made(told, states, T + 200_000.0)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Draw a report of a few jobs."""
    count = draw(st.integers(0, 4))
    names = [f"job_{number}" for number in range(count)]
    return Report(jobs=tuple(draw(jobs(name)) for name in names), api=draw(st.none() | texts))


def of(*members: ReportedJob) -> Report:
    """Return a report of jobs on an API."""
    return Report(jobs=members, api="bedrock")


def at(seconds: float) -> str:
    """Return a moment so many seconds after `T` as JSON lines have it."""
    return datetime.fromtimestamp(T + seconds, UTC).isoformat()


def transition(job_id: str, seq: int, state: tuple[str, str], told: float | None, seen: float, **more: object) -> bytes:
    """Return the line of a transition into a state, which is a status and a phase."""
    fields: dict[str, object] = {"type": "transition", "job_id": job_id, "seq": seq}
    fields |= {"status": state[0], "phase": state[1], "at": None if told is None else at(told), "seen_at": at(seen)}
    return json.dumps({**fields, "gap": False, **more}).encode()


def outcome(job_id: str, word: str, state: tuple[str | None, str | None], elapsed: float, **more: object) -> bytes:
    """Return the line of an outcome of a job that is in a state."""
    fields: dict[str, object] = {"type": "outcome", "job_id": job_id, "outcome": word}
    fields |= {"status": state[0], "phase": state[1], "error": None, "looks": 3, "elapsed": elapsed}
    return json.dumps({**fields, **more}).encode()
