"""How fast does a watcher with a journal hand out changes, and how long does it take to start and to add jobs?

* **Changes a second**, consumed one at a time (``async for change in watcher``), in batches
  (``watcher.batches(256)``) and by a function (``on_change=``), where a sync of the disk takes 2 ms. Each way gets jobs
  of its own, all of which end at their first look, and the clock runs from when the journal holds all their changes.
  The syncs are slowed down by a sleep in the journal's thread after each transaction, as long as its two syncs
  (SQLite's log, and the file itself) take on such a disk; what the real disk takes comes on top.
* **Start**: processor time from opening a journal of ``--jobs`` jobs that go on until the watcher runs.
* **Add**: processor time of one call of ``add`` with that many ids, until all are in the journal. Here and at the start
  the API does not answer yet, so that no looks are counted in.

The rival of the batches is our own loop that takes one change at a time; those of start and add are one thing a
program without us would do: read all rows of a table of the same texts and decode them to dicts, and insert them
in one transaction. ``python -m benchmarks.journal [--jobs N] [--changes N] [--rounds N] [--json]``.

**Bias.** *For us*: the batches' consumer does nothing with a change; where it does something, what comes again after a
crash is the batch in hand, and not one change. *Against us*: the rivals of start and add schedule no looks.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from jobwatch import Change, Client, Fault, Job, Pace, Phase, Watcher
from jobwatch._watching.sqlite import JournalFile

from .rows import Row, as_json, as_text, compared

SYNC = 0.002
_SYNCS = 2
_BATCH = 256
_THEN = datetime(2026, 1, 1, tzinfo=UTC)


class Jobs:
    """A source whose jobs have all ended, or of which nothing is known yet."""

    key = "benchmark"

    def __init__(self, *, ended: bool) -> None:
        self._ended = ended

    async def job(self, job_id: str) -> Job | Fault:
        """Tell how a job stands, after a turn of the loop; or never."""
        await (asyncio.sleep(0) if self._ended else asyncio.Event().wait())
        return Job(id=job_id, api=self.key, status="completed", phase=Phase.SUCCEEDED, created_at=_THEN)


@asynccontextmanager
async def watching(
    path: Path, *, ended: bool, on_change: Callable[[Change], None] | None = None
) -> AsyncIterator[Watcher]:
    """Give a watcher with a journal, which looks at its jobs once."""
    pace = Pace(min_interval=600.0, max_interval=600.0)
    async with (
        Client(source=Jobs(ended=ended), pace=pace, max_in_flight=64) as client,
        Watcher(client, journal=path, on_change=on_change) as watcher,
    ):
        yield watcher


def slow_down(watcher: Watcher) -> None:
    """Have each transaction of a journal take as long as its syncs on a slower disk."""
    file: JournalFile = watcher._running().journal._opened  # type: ignore[union-attr]  # noqa: SLF001
    write = file.write

    def slow_write(entries: tuple[object, ...]) -> None:
        write(entries)  # type: ignore[arg-type]
        time.sleep(SYNC * _SYNCS)

    file.write = slow_write  # type: ignore[method-assign, assignment]


async def by_loop(path: Path, count: int) -> float:
    """Return seconds a change, taken one at a time."""
    async with watching(path, ended=True) as watcher:
        await _fill(watcher, count)
        began, left = time.perf_counter(), count
        async for _change in watcher:
            left -= 1
            if not left:
                await watcher.acknowledge()
                break
        return (time.perf_counter() - began) / count


async def by_batches(path: Path, count: int) -> float:
    """Return seconds a change, taken in batches."""
    async with watching(path, ended=True) as watcher:
        await _fill(watcher, count)
        began, left = time.perf_counter(), count
        async for batch in watcher.batches(_BATCH):
            left -= len(batch)
            if not left:
                await watcher.acknowledge()
                break
        return (time.perf_counter() - began) / count


async def by_function(path: Path, count: int) -> float:
    """Return seconds a change, handed to a function, from the first call on."""
    calls: list[float] = []
    async with watching(path, ended=True, on_change=lambda _: calls.append(time.perf_counter())) as watcher:
        slow_down(watcher)
        await watcher.add(*(f"job_{number}" for number in range(count)))
        while watcher.health().undelivered or not calls:  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)
        return (time.perf_counter() - calls[0]) / count


async def _fill(watcher: Watcher, count: int) -> None:
    await watcher.add(*(f"job_{number}" for number in range(count)))
    while watcher.health().undelivered < count:  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.005)
    await watcher._running().journal.written()  # noqa: SLF001
    slow_down(watcher)


async def add_and_start(path: Path, count: int) -> tuple[float, float]:
    """Return processor seconds of adding jobs that go on, and of starting with them in the journal."""
    async with watching(path, ended=False) as watcher:
        began = time.process_time()
        await watcher.add(*(f"job_{number:06d}" for number in range(count)))
        added = time.process_time() - began
    began = time.process_time()
    async with watching(path, ended=False) as watcher:
        assert watcher.health().jobs == count
        return added, time.process_time() - began


def by_hand(path: Path, texts: list[tuple[str, str]]) -> tuple[float, float]:
    """Return processor seconds of inserting rows of the same texts, and of reading and decoding them."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (job_id TEXT PRIMARY KEY, watched TEXT)")
        began = time.process_time()
        connection.executemany("INSERT INTO jobs VALUES (?, ?)", texts)
        connection.commit()
        added = time.process_time() - began
    with sqlite3.connect(path) as connection:
        began = time.process_time()
        found = {job_id: msgspec.json.decode(text) for job_id, text in connection.execute("SELECT * FROM jobs")}
        assert len(found) == len(texts)
        return added, time.process_time() - began


def measure(jobs: int, changes: int, rounds: int) -> list[Row]:
    """Answer the module's questions."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        loop = asyncio.run(by_loop(here / "loop.db", changes // 8))
        batches = asyncio.run(by_batches(here / "batches.db", changes))
        function = asyncio.run(by_function(here / "function.db", changes))
        times = [asyncio.run(add_and_start(here / f"{number}.db", jobs)) for number in range(rounds)]
        added, started = (min(each) for each in zip(*times, strict=True))
        with sqlite3.connect(here / "0.db") as connection:
            texts = connection.execute("SELECT job_id, watched FROM jobs").fetchall()
        times = [by_hand(here / f"hand{number}.db", texts) for number in range(rounds)]
        added_by_hand, started_by_hand = (min(each) for each in zip(*times, strict=True))

    one_at_a_time, goal = "one change at a time", 258 / 2500  # of the changes a second that were, those that are wanted
    add_goal, start_goal = jobs * 1.0e-5 / added_by_hand, jobs * 0.5e-5 / started_by_hand
    return [
        compared("a change in ms, batches(256), 2 ms a sync", batches * 1e3, loop * 1e3, one_at_a_time, goal),
        compared("a change in ms, on_change, 2 ms a sync", function * 1e3, loop * 1e3, one_at_a_time, goal),
        compared(f"add of {jobs:,} jobs in s", added, added_by_hand, f"insert of {jobs:,} rows", add_goal),
        compared(f"start with {jobs:,} jobs in s", started, started_by_hand, "select and decode", start_goal),
    ]


def main() -> None:
    """Measure, and print a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=3, help="of start and add; the least time counts")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.jobs, options.changes, options.rounds)
    print(as_json(rows) if options.json else as_text(rows))


if __name__ == "__main__":
    main()
