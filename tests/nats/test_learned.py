"""Summaries of durations: they merge in any order, lose nothing of the latest, and count nothing twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import JobwatchError, Phase
from jobwatch._core.hazard import KEPT, Durations
from jobwatch.nats import _learned
from jobwatch.nats._learned import (
    LARGEST,
    LONGEST_TYPE,
    Lasted,
    Summary,
    job_checksum,
    known_with,
    merged,
    summary_in,
    with_duration,
)

LASTED = st.builds(Lasted, st.integers(1, 90), st.sampled_from([f"j{n}" for n in range(100)]), st.floats(0.0, 1e6))
SEVERAL = st.lists(LASTED, max_size=130).map(
    lambda them: merged(Summary("t"), Summary("t", tuple(them), tuple(them[:9])))
)


@given(SEVERAL, SEVERAL, SEVERAL)
def test_summaries_merge_in_any_order_and_any_number_of_times(a: Summary, b: Summary, c: Summary) -> None:
    assert merged(a, b) == merged(b, a)
    assert merged(merged(a, b), c) == merged(a, merged(b, c))
    assert merged(merged(a, b), b) == merged(a, b)


@given(SEVERAL, SEVERAL)
def test_the_latest_of_both_are_kept_and_each_job_once(a: Summary, b: Summary) -> None:
    both, jobs = merged(a, b), {each.job for each in (*a.pending, *b.pending)}
    assert len(both.pending) == min(KEPT, len(jobs))
    assert len({each.job for each in both.pending}) == len(both.pending)
    left_out = {each for each in (*a.pending, *b.pending) if each.job not in {kept.job for kept in both.pending}}
    assert all(each < both.pending[0] for each in left_out)


def learning(seed: int, workers: int = 3) -> tuple[list[Summary], Summary, set[str]]:
    """Have workers learn, write where nobody was first, and read, in random order; all see some jobs end twice."""
    rng = random.Random(seed)
    stored, revision = Summary("t"), 0
    known = [(Summary("t"), 0) for _ in range(workers)]
    ended: set[str] = set()
    for number in range(rng.randrange(5, 120)):
        who = rng.randrange(workers)
        summary, read = known[who]
        match rng.randrange(4):
            case 0 | 1:
                job = f"job {number if rng.random() < 0.7 else rng.randrange(number + 1)}"
                ended.add(job)
                summary = _learned.with_duration(summary, Phase.RUNNING, job, float(len(job)), told=False)
            case 2 if read == revision:
                stored, revision = summary, revision + 1
                read = revision
            case _:
                summary, read = _learned.merged(summary, stored), revision
        known[who] = summary, read
    for who in range(workers):
        stored = _learned.merged(known[who][0], stored)
    return [_learned.merged(summary, stored) for summary, _ in known], stored, ended


@pytest.mark.parametrize("seed", range(200))
def test_whatever_the_order_all_know_the_same_in_the_end_and_nothing_is_lost(seed: int) -> None:
    known, stored, ended = learning(seed)
    assert all(each == stored for each in known)
    assert {each.job for each in stored.running} <= {job_checksum(job) for job in ended}
    assert len(stored.running) == min(KEPT, len(ended))
    assert [each.number for each in stored.running] == sorted(each.number for each in stored.running)


def _other_s_only(one: Summary, other: Summary) -> Summary:
    return other


def _both_as_they_are(one: Summary, other: Summary) -> Summary:
    return Summary(one.type, (*one.pending, *other.pending)[-KEPT:], (*one.running, *other.running)[-KEPT:])


@pytest.mark.parametrize("broken", [_other_s_only, _both_as_they_are])
def test_a_planted_bug_is_found(broken: Callable[[Summary, Summary], Summary], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_learned, "merged", broken)

    def is_right(seed: int) -> bool:
        _, stored, ended = learning(seed)
        return len({each.job for each in stored.running}) == len(stored.running) == min(KEPT, len(ended))

    assert not all(is_right(seed) for seed in range(50))


def test_a_summary_has_its_bound_whatever_lies_in_it() -> None:
    summary = Summary("\x00" * LONGEST_TYPE)
    for number in range(2 * KEPT):
        for phase in (Phase.PENDING, Phase.RUNNING):
            summary = with_duration(summary, phase, f"job {number}", 123456.123456789 + number, told=True)
    value = msgspec.json.encode(summary)
    assert len(value) <= LARGEST / 2
    assert summary_in(value) == summary


def test_other_phases_teach_nothing_and_a_job_teaches_once() -> None:
    summary = with_duration(Summary("t"), Phase.RUNNING, "j", 4.0, told=False)
    assert with_duration(summary, Phase.BLOCKED, "k", 4.0, told=False) == summary
    assert with_duration(summary, Phase.RUNNING, "j", 5.0, told=False) is summary
    assert summary.of(Phase.BLOCKED) == ()


def durations(*seconds: float) -> Sequence[Lasted]:
    return [Lasted(number, f"j{number}", each) for number, each in enumerate(seconds, start=1)]


def test_what_a_worker_knew_before_comes_first_and_counts_once() -> None:
    known = known_with(Durations((1.0, 2.0, 2.0, 3.0)), durations(2.0, 9.0))
    assert known.seconds == (1.0, 2.0, 3.0, 2.0, 9.0)
    assert known.tried == 2
    assert known_with(Durations(), durations(5.0, 5.0, 0.5)).tried == 0
    assert len(known_with(Durations(tuple(map(float, range(KEPT)))), durations(*range(1000, 1050))).seconds) == KEPT


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"type":"t","running":[["x"]]}', b"\xff"])
def test_what_is_no_summary_is_refused(value: bytes) -> None:
    with pytest.raises(JobwatchError, match="holds what this jobwatch cannot read"):
        summary_in(value)
