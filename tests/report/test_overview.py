"""All watched jobs as rows and in numbers: what is known of each, what has changed since, and what is late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from jobwatch._core.durations import LearnedDurations
from jobwatch._core.matching import Fingerprint
from jobwatch._core.settling import UnsettledEnd
from jobwatch._core.stats import Stats
from jobwatch._core.tracker import SeenBlocked, Watched
from jobwatch._models import Fault, FaultKind, Job, Outcome, Phase, Problem, Transition
from jobwatch._report.overview import Overview, Row
from jobwatch._watching.changes import Change, ChangeKind, Health
from jobwatch._watching.records import JobRecord, RecordState
from jobwatch._watching.viewing import Origin, Reading, Sighting, Watching

T = 1_800_000_000.0
ORIGIN = Origin(api="capydb", watching=Watching.WE)


def at(second: float) -> datetime:
    return datetime.fromtimestamp(T + second, UTC)


def marks(*told: tuple[str, float | None]) -> tuple[Fingerprint, ...]:
    return tuple(Fingerprint(status, None if second is None else T + second) for status, second in told)


def sighting(job_id: str = "a", **facts: Any) -> Sighting:
    state = RecordState.WATCHED if facts.get("outcome") is None else RecordState.ENDED
    beside = {name: facts.pop(name) for name in ("state", "health", "generation") if name in facts}
    of = {name: facts.pop(name) for name in ("next_look", "ahead", "job") if name in facts}
    watched = Watched(job_id=job_id, api="capydb", added_at=T, **facts)
    record = JobRecord(job_id=job_id, state=state, health=Health.OK, seq=1, watched=watched, changed_at=T + 50.0)
    record = replace(record, **beside)
    return Sighting(record=record, **of)


def running(job_id: str = "a", **facts: Any) -> Sighting:
    usual = {"status": "running", "phase": Phase.RUNNING, "entered_at": T + 5.0, "looked_at": T + 9.0, "looks": 3}
    told = {"delivered": marks(("queued", 0.0), ("running", 5.0)), "seq": 2}
    return sighting(job_id, **{**usual, **told, **facts})


def ended(job_id: str = "a", outcome: Outcome = Outcome.SUCCEEDED, **facts: Any) -> Sighting:
    phase = Phase(outcome.value)
    usual = {"status": outcome.value, "phase": phase, "outcome": outcome, "entered_at": T + 8.0}
    return sighting(job_id, **{**usual, "delivered": marks((outcome.value, 8.0)), "seq": 3, **facts})


def entered(status: str, phase: Phase, second: float, seq: int, *, seen: float | None = None) -> Change:
    transition = Transition("a", seq, status, phase, at(second), at(second + 0.2 if seen is None else seen))
    return Change(job_id="a", seq=seq, kind=ChangeKind.STATE, seen_at=at(second + 0.2), transition=transition)


def end(outcome: Outcome, second: float, seq: int, error: Problem | None = None) -> Change:
    transition = Transition("a", seq, outcome.value, Phase(outcome.value), at(second), at(second + 0.5))
    return Change(
        job_id="a", seq=seq, kind=ChangeKind.END, seen_at=at(second + 0.5), transition=transition, outcome=outcome,
        error=error,
    )  # fmt: skip


def taking(
    *sightings: Sighting, changes: Sequence[Change] = (), into: Overview | None = None, now: float = 10.0, **facts: Any
) -> Overview:
    overview = Overview() if into is None else into
    overview.take(Reading(origin=ORIGIN, sightings=sightings, changes=tuple(changes), **facts), T + now)
    return overview


def row_of(overview: Overview, job_id: str = "a") -> Row:
    row = overview.row(job_id)
    assert row is not None
    return row


def spans(row: Row) -> list[tuple[str, Phase, float, float]]:
    return [(state.status, state.phase, state.began - T, state.ended - T) for state in row.job.states]


# --- one job --------------------------------------------------------------------------------------------------------


def test_a_row_tells_all_that_is_known_of_a_job() -> None:
    row = row_of(
        taking(
            running(
                type="db.restore", project_id="prj_1", progress=0.4, next_look=T + 12.0, health=Health.STALE,
                fault=Fault(FaultKind.UNREACHABLE, "no connection"), faults=4,
            )
        )
    )  # fmt: skip
    assert spans(row) == [("queued", Phase.PENDING, 0.0, 5.0), ("running", Phase.RUNNING, 5.0, 5.0)]
    assert (row.type, row.project_id, row.job.progress, row.job.looks) == ("db.restore", "prj_1", 0.4, 3)
    assert (row.health, row.fault, row.faults) == (Health.STALE, "no connection", 4)
    assert (row.added_at, row.looked_at, row.next_look) == (T, T + 9.0, T + 12.0)
    assert row.goes_on
    assert not row.asks
    assert row.age(T + 25.0) == 20.0


def test_the_states_of_a_job_that_has_ended_are_those_that_were_seen_while_it_went_on() -> None:
    overview = taking(running(), changes=[entered("queued", Phase.PENDING, 0.0, 1)])
    problem = Problem("disk full", "E42")
    taking(ended(outcome=Outcome.FAILED), changes=[end(Outcome.FAILED, 8.0, 3, problem)], into=overview)
    row = row_of(overview)
    assert [(status, phase) for status, phase, *_ in spans(row)] == [
        ("queued", Phase.PENDING),
        ("running", Phase.RUNNING),  # of which no change was read, and which the record has let go of
        ("failed", Phase.FAILED),
    ]
    assert (row.job.outcome, row.job.ran, row.job.known_after) == (Outcome.FAILED, 3.0, 0.5)
    assert row.error == "E42: disk full"
    assert row.is_bad
    assert not row.goes_on


def test_a_word_whose_phase_was_known_when_it_was_the_last_keeps_that_phase() -> None:
    """A record keeps the API's word alone, and this one is in no list of usual words."""
    first = sighting(status="dumping", phase=Phase.RUNNING, entered_at=T, delivered=marks(("dumping", 0.0)), seq=1)
    overview = taking(first)
    taking(
        sighting(
            status="asks", phase=Phase.BLOCKED, entered_at=T + 4, seq=2,
            delivered=marks(("dumping", 0.0), ("asks", 4.0)),
        ),
        into=overview,
    )  # fmt: skip
    assert [phase for _, phase, *_ in spans(row_of(overview))] == [Phase.RUNNING, Phase.BLOCKED]


@pytest.mark.parametrize(("ahead", "late"), [(5.0, 5.5), (-0.4, 0.1), (-2.0, 0.0), (-9.0, None)])
def test_how_late_an_end_was_known_takes_off_by_how_much_the_clocks_differ(ahead: float, late: float | None) -> None:
    overview = taking(running(ahead=ahead))
    taking(ended(), changes=[end(Outcome.SUCCEEDED, 8.0, 3)], into=overview)
    assert row_of(overview).job.known_after == (None if late is None else pytest.approx(late))


def test_an_end_that_is_not_believed_yet_is_no_end() -> None:
    held = Transition("a", 3, "failed", Phase.FAILED, at(8.0), at(8.5))
    unsettled = UnsettledEnd("failed", Phase.FAILED, Outcome.FAILED, T + 8.5, held)
    overview = taking(running(), changes=[entered("running", Phase.RUNNING, 5.0, 2)])
    sight = running(
        status="failed", phase=Phase.FAILED, seq=3, entered_at=T + 8.0, unsettled=unsettled,
        delivered=marks(("queued", 0.0), ("running", 5.0), ("failed", 8.0)),
    )  # fmt: skip
    taking(sight, into=overview)
    row = row_of(overview)
    assert (row.job.status, row.job.phase, row.unsettled, row.goes_on) == ("running", Phase.RUNNING, "failed", True)
    assert [status for status, *_ in spans(row)] == ["queued", "running"]
    assert [number for number, _ in overview.states("a")] == [1, 2]
    assert overview.totals(T + 9.0).phases == {Phase.RUNNING: 1}
    taking(running(looks=9), into=overview)
    assert row_of(overview).unsettled is None, "it was taken back"


def test_what_a_job_asks_is_told_while_it_does() -> None:
    seen = SeenBlocked(T + 6.0, T + 20.0, "Deploy?", "https://ci.test/1")
    row = row_of(taking(running(status="waiting", phase=Phase.BLOCKED, blocked=seen)))
    assert (row.asks, row.job.asked, row.job.url, row.blocked_since) == (True, "Deploy?", "https://ci.test/1", T + 6.0)
    row = row_of(taking(running(blocked=seen)))
    assert (row.asks, row.job.asked, row.job.url, row.blocked_since) == (False, None, None, None)


def test_what_only_a_reply_tells_is_kept_for_as_long_as_the_job_is_shown() -> None:
    job = Job(id="a", api="capydb", status="running", phase=Phase.RUNNING, url="https://ci.test/1", created_at=at(-3))
    overview = taking(running(job=job))
    taking(running(looks=4), into=overview)
    assert (row_of(overview).job.url, row_of(overview).created_at) == ("https://ci.test/1", T - 3.0)


def test_a_job_of_the_same_id_begins_anew() -> None:
    overview = taking(running(), changes=[end(Outcome.FAILED, 8.0, 3, Problem("before"))])
    taking(sighting(generation=2, seq=0), into=overview)
    row = row_of(overview)
    assert (row.job.states, row.error, row.generation) == ((), None, 2)
    taking(running(generation=2), changes=[entered("before", Phase.BLOCKED, 5.0, 2)], into=overview)
    states = [status for status, *_ in spans(row_of(overview))]
    assert states == ["queued", "running"], "a change of the job before is none of this one"


def test_a_job_that_is_dropped_goes_on_and_is_not_counted_among_those_that_are_watched() -> None:
    overview = taking(running(state=RecordState.DROPPED))
    totals = overview.totals(T + 9.0)
    assert (row_of(overview).goes_on, totals.dropped, totals.going_on) == (False, 1, 0)


# --- what is expected, and late ---------------------------------------------------------------------------------------


def learned(*seconds: float) -> LearnedDurations:
    known = LearnedDurations()
    for each in seconds:
        known.add_duration(("capydb", "", Phase.RUNNING), each)
    return known


def test_when_a_job_will_probably_end_is_estimated_anew_once_it_has_outlived_the_estimate() -> None:
    overview = Overview(learned(10.0, 20.0, 30.0, 40.0, 50.0))
    taking(running(), into=overview, now=5.0)
    assert row_of(overview).ends_between == pytest.approx((T + 23.0, T + 47.0))
    version = overview.version
    overview.refresh(T + 22.0)
    assert overview.version == version
    overview.refresh(T + 31.0)
    low, high = row_of(overview).ends_between or (0.0, 0.0)
    assert T + 31.0 < low < high
    assert overview.since(version).rows == (row_of(overview),)
    overview.refresh(T + 90.0)
    assert row_of(overview).ends_between is None, "no earlier job has taken so long"


def test_a_job_is_late_that_takes_longer_than_nearly_all_before() -> None:
    overview = Overview(learned(*range(1, 21)))
    taking(running(), running("b", status="queued", phase=Phase.PENDING), into=overview)
    row = row_of(overview)
    assert row.late_from == pytest.approx(T + 5.0 + 19.05)
    assert not row.is_late(T + 24.0)
    assert row.is_late(T + 24.1)
    assert (overview.totals(T + 24.0).late, overview.totals(T + 24.1).late) == (0, 1)
    taking(ended(), into=overview)
    assert overview.totals(T + 24.1).late == 0
    few = Overview(learned(*range(1, 10)))
    assert row_of(taking(running(), into=few)).late_from is None, "nine jobs are too few to tell"


# --- the whole --------------------------------------------------------------------------------------------------------


def test_the_whole_in_numbers() -> None:
    stats = Stats(requests=7)
    overview = taking(
        running("a"), running("b"), sighting("c"), ended("d"), ended("e", Outcome.FAILED),
        running("f", status="asks", phase=Phase.BLOCKED), running("g", health=Health.AUTH), stats=stats,
    )  # fmt: skip
    totals = overview.totals(T + 10.0)
    assert totals.phases == {Phase.RUNNING: 3, Phase.BLOCKED: 1}
    assert totals.ended == {Outcome.SUCCEEDED: 1, Outcome.FAILED: 1}
    assert (totals.going_on, totals.unread, totals.bad, totals.troubled) == (5, 1, 1, {Health.AUTH: 1})
    assert totals.stats is stats


def test_of_jobs_that_have_ended_the_latest_are_kept_and_all_are_counted() -> None:
    overview = Overview(ended_kept=2)
    for number in range(5):
        taking(ended(f"j{number}"), into=overview)
    assert [row.job_id for row in overview.rows()] == ["j3", "j4"]
    assert overview.totals(T).ended == {Outcome.SUCCEEDED: 5}
    assert set(overview.since(1).gone) == {"j0", "j1", "j2"}


def test_jobs_that_are_gone_are_neither_shown_nor_counted() -> None:
    overview = taking(running("a"), ended("b"))
    taking(into=overview, gone=("a", "b", "never there"))
    totals = overview.totals(T)
    assert (len(overview), totals.phases, totals.ended) == (0, {}, {})


def test_what_has_not_changed_is_no_news() -> None:
    overview = taking(running("a"), running("b"))
    version = overview.version
    taking(running("a"), into=overview)
    assert overview.version == version
    assert overview.since(version).rows == ()


_CHANGES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["see", "end", "gone"]), st.booleans()), max_size=30
)


@given(_CHANGES)
@example([("a", "see", True), ("a", "gone", False), ("a", "see", True)])
def test_deltas_lead_to_what_there_is(changes: list[tuple[str, str, bool]]) -> None:
    """Whoever takes in deltas, at whatever times, has the rows that there are."""
    overview = Overview(ended_kept=2)
    known: dict[str, Row] = {}
    version = 0
    for number, (job_id, what, is_read) in enumerate([*changes, ("a", "see", True)]):
        if what == "gone":
            taking(into=overview, gone=(job_id,))
        else:
            sight = running(job_id, looks=number) if what == "see" else ended(job_id, looks=number)
            taking(sight, into=overview)
        if is_read:
            delta = overview.since(version)
            known = {} if delta.is_whole else known
            known.update((row.job_id, row) for row in delta.rows)
            for gone in delta.gone:
                known.pop(gone, None)
            version = delta.version
    assert known == {row.job_id: row for row in overview.rows()}
    totals = overview.totals(T)
    assert sum(totals.phases.values()) == sum(row.goes_on for row in known.values())


def test_who_has_missed_too_much_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._report.overview._GONE_KEPT", 2)
    overview = taking(*(running(f"j{number}") for number in range(6)))
    version = overview.version
    for number in range(4):
        taking(into=overview, gone=(f"j{number}",))
    delta = overview.since(version)
    assert (delta.is_whole, [row.job_id for row in delta.rows]) == (True, ["j4", "j5"])
    assert not overview.since(version + 2).is_whole
