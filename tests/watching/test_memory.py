"""What stands for a journal where there is none, and any sequence of entries in both."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobwatch import Change
from jobwatch._watching.memory import Memory
from jobwatch._watching.records import (
    Acknowledged,
    Changed,
    Contents,
    Entry,
    Expired,
    Followed,
    Forgotten,
    JobRecord,
    Project,
    RecordState,
    Unfollowed,
)
from jobwatch._watching.sqlite import JournalFile

from .journals import (
    API,
    changed,
    now,
    record_of,
)

JOBS = st.sampled_from(["a", "b", "c"])


class AnySequence(RuleBasedStateMachine):
    """The file, reopened or cut off at any time, and the memory do as three plain dictionaries do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.jobs: dict[str, JobRecord] = {}
        self.acknowledged: dict[str, int] = {}
        self.log: list[Change] = []
        self.memory = Memory()

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory(prefix="journal")
        self.path = Path(self.folder.name) / "watch.db"
        self.file = JournalFile(self.path, API)

    def teardown(self) -> None:
        self.file.close()
        self.folder.cleanup()

    def write(self, *entries: Entry) -> None:
        self.file.write(entries)
        self.memory.put(*entries)

    @rule(job_id=JOBS, count=st.integers(0, 3), state=st.sampled_from(RecordState))
    def tell(self, job_id: str, count: int, state: RecordState) -> None:
        seq = self.jobs[job_id].seq if job_id in self.jobs else 0
        self.clock += 1.0
        entry = changed(job_id, seq + 1, seq + count, state, self.clock)
        self.write(entry)
        self.jobs[job_id] = entry.record
        self.acknowledged.setdefault(job_id, 0)
        self.log += entry.changes

    @rule(job_id=JOBS, share=st.floats(0.0, 1.0))
    def acknowledge(self, job_id: str, share: float) -> None:
        seq = int(share * self.jobs[job_id].seq) if job_id in self.jobs else 7
        self.write(Acknowledged(job_id, seq))
        if job_id in self.jobs:
            self.acknowledged[job_id] = max(seq, self.acknowledged[job_id])

    @rule(job_id=JOBS)
    def forget(self, job_id: str) -> None:
        self.write(Forgotten(job_id))
        self.jobs.pop(job_id, None)
        self.acknowledged.pop(job_id, None)
        self.log = [change for change in self.log if change.job_id != job_id]

    @rule(back=st.floats(-1.0, 5.0))
    def age(self, back: float) -> None:
        before = self.clock - back
        self.write(Expired(before))
        for job_id, row in list(self.jobs.items()):
            done = self.acknowledged[job_id] == row.seq
            if row.state is not RecordState.WATCHED and row.changed_at < before and done:
                del self.jobs[job_id], self.acknowledged[job_id]
                self.log = [change for change in self.log if change.job_id != job_id]

    @rule()
    def reopen(self) -> None:
        self.file.close()
        self.file = JournalFile(self.path, API)

    @rule(job_id=JOBS)
    def fail(self, job_id: str) -> None:
        seq = self.jobs[job_id].seq if job_id in self.jobs else 0
        with pytest.raises(AttributeError):
            self.file.write([changed(job_id, seq + 1, seq + 1), Forgotten("a"), Changed(None)])  # type: ignore[arg-type]

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "file"):
            return
        waiting = [change for change in self.log if change.seq > self.acknowledged[change.job_id]]
        assert [change for _, change in self.file.undelivered(0, 1000)] == waiting
        assert [change for _, change in now(self.memory.undelivered(0, 1000))] == waiting
        kept = {row.job_id: row for row in self.file.contents().records}
        untold = {change.job_id for change in waiting}
        assert set(kept) == {
            job_id for job_id, row in self.jobs.items() if row.state is RecordState.WATCHED or job_id in untold
        }
        for job_id, row in kept.items():
            assert (row.acknowledged, row.watched) == (self.acknowledged[job_id], self.jobs[job_id].watched)
        for job_id in ("a", "b", "c"):
            found = self.file.find([job_id])
            assert (job_id in found) == (job_id in self.jobs)
            if job_id in found and found[job_id].state is not RecordState.WATCHED and job_id not in untold:
                assert now(self.memory.find([job_id])).keys() == {job_id}


TestAnySequence = pytest.mark.slow(AnySequence.TestCase)


TestAnySequence.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


def test_memory_pages_and_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._watching.memory._ENDED_KEPT", 2)
    memory = Memory()
    assert now(memory.open()) == Contents()
    memory.put(changed("a", 1, 3), Followed(Project(project_id="p", added_at=0.0)), Unfollowed("p"))
    found = now(memory.undelivered(0, 2))
    assert [change.key for _, change in found] == ["a:1", "a:2"]
    assert [change.key for _, change in now(memory.undelivered(found[-1][0], 2))] == ["a:3"]
    for job_id in ("x", "y", "z"):
        memory.put(changed(job_id, 1, 1, RecordState.ENDED))
    assert now(memory.find(["x", "y", "z"])).keys() == {"y", "z"}
    now(memory.written())
    assert memory.news.is_set()
    now(memory.aclose())
    assert now(memory.undelivered(0, 9)) == []


async def memory_of(*entries: Entry) -> Memory:
    memory = Memory()
    assert await memory.open() == Contents()
    memory.put(*entries)
    return memory


async def keys_in(memory: Memory) -> list[str]:
    return [change.key for _, change in await memory.undelivered(0, 100)]


async def test_memory_lets_go_of_what_is_acknowledged_and_of_nothing_else() -> None:
    memory = await memory_of(changed("a", 1, 3), changed("b", 1, 2))
    assert await keys_in(memory) == ["a:1", "a:2", "a:3", "b:1", "b:2"]
    memory.put(Acknowledged("a", 2), Acknowledged("c", 9))
    assert await keys_in(memory) == ["a:3", "b:1", "b:2"]
    memory.put(Acknowledged("a", 2), changed("a", 4, 4))
    assert await keys_in(memory) == ["a:3", "b:1", "b:2", "a:4"]
    memory.put(Acknowledged("a", 4))
    assert await keys_in(memory) == ["b:1", "b:2"]
    assert memory.news.is_set()
    assert memory.trouble is None
    assert memory.writer is None
    assert memory._numbers.keys() == {"b"}
    await memory.aclose()
    assert await keys_in(memory) == []


async def test_memory_knows_each_change_of_a_look_by_its_own_number() -> None:
    memory = await memory_of(changed("a", 1, 3), changed("b", 1, 2))
    numbers = [number for number, _ in await memory.undelivered(0, 9)]
    assert numbers == sorted(set(numbers))
    for place, number in enumerate(numbers):
        left = [number for number, _ in await memory.undelivered(number, 9)]
        assert left == numbers[place + 1 :]
        assert [number for number, _ in await memory.undelivered(number, 1)] == left[:1]
    for seq in (1, 3, 2):  # what was acknowledged stays so
        memory.acknowledge("a", seq)
        assert [change.seq for _, change in await memory.undelivered(0, 9)] == [*range(seq + 1, 4)] * (seq < 2) + [1, 2]
    memory.acknowledge("b", 2)
    assert (memory._changes, memory._numbers, memory._acknowledged) == ({}, {}, {})


async def test_memory_lets_go_of_the_looks_that_are_acknowledged_though_a_later_one_is_not() -> None:
    memory = await memory_of(changed("a", 1, 2), changed("a", 3, 4), changed("a", 5, 6))
    memory.acknowledge("a", 3)
    memory.acknowledge("a", 1)
    assert await keys_in(memory) == ["a:4", "a:5", "a:6"]
    assert len(memory._changes) == 2
    memory.put(Forgotten("a"), changed("a", 1, 1))
    assert await keys_in(memory) == ["a:1"], "of the new one nothing is acknowledged"


async def test_memory_forgets_a_job_and_all_that_was_to_be_told_of_it() -> None:
    memory = await memory_of(changed("a", 1, 3, RecordState.ENDED), changed("b", 1, 1, RecordState.ENDED))
    memory.put(Forgotten("a"), Forgotten("c"))
    assert await keys_in(memory) == ["b:1"]
    assert set(await memory.find(["a", "b", "c"])) == {"b"}


async def test_memory_keeps_what_ended_since_a_moment() -> None:
    memory = await memory_of(*(changed(job_id, 1, 1, RecordState.ENDED, at) for job_id, at in (("a", 4.0), ("b", 5.0))))
    memory.put(Expired(5.0))
    assert await memory.find(["a", "b"]) == {"b": record_of("b", 1, RecordState.ENDED, 5.0)}
    memory.put(changed("b", 2, 2))
    assert await memory.find(["b"]) == {}


async def test_memory_counts_a_generation_for_whatever_it_lets_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobwatch._watching.memory._ENDED_KEPT", 2)
    memory = await memory_of(changed("a", 1, 1), changed("b", 1, 1, RecordState.ENDED, 1.0), Expired(0.5))
    assert memory.generation == 0
    memory.put(Forgotten("a"))
    assert memory.generation == 1
    memory.put(Forgotten("a"))
    assert memory.generation == 2
    memory.put(Expired(2.0))
    assert memory.generation == 3
    memory.put(*(changed(job_id, 1, 1, RecordState.ENDED, 3.0) for job_id in "xyz"))
    assert memory.generation == 4
