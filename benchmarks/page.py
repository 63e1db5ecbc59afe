"""What does it cost to show 5,000 watched jobs on a page, and how soon does a change stand on it?

    python -m benchmarks.page [--changes N] [--json]

The server is the one of ``jobwatch watch --serve``, fed with jobs that are made up. *To tell of a change* is processor
time of the server's process: taking it into the overview, and making and encoding what one open page is told. The
rival does what a page does that asks for everything now and then: it encodes all rows each time. *A browser that never
reads* asks for the events and leaves them unread; the watcher's processor time for the same changes is compared with
that of no browser, in turns. *A change* is followed from the overview to the row in Chromium, while 100 other jobs a
second change, by the clock of the same machine. *A hidden tab* is one behind another tab of the same window, and its
memory what V8 and Blink say that they hold after two collections of garbage, before and after 10,000 updates, each sent
by itself. The last two need Debian's Chromium and the extra ``test``, and are left out where there is none.

Bias *for us*: no look is made, so the loop is idle but for the page; the browser is on the same machine. *Against us*:
Chromium draws in software, on the cores on which the server runs.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence

import msgspec

from jobwatch import Phase
from jobwatch._report.overview import Overview
from jobwatch._serving.page import feed as feeds
from jobwatch._serving.page.feed import Feed
from jobwatch._serving.page.rows import record_of
from jobwatch._watching.records import JobRecord
from jobwatch._watching.viewing import Reading, Sighting
from tests.page.chromium import PATH, Tabs
from tests.page.staged import ORIGIN, Stage, record

from .rows import Row, as_json, as_text, compared

JOBS = 5000
_UPDATES = 10_000
_GROWTH = 5.0
_LATE = 300.0
_SHOWN = """
window.seen = 0;
window.watching = new MutationObserver(() => {
    const row = [...document.querySelectorAll('.rows .row')].find((row) => row.job === 'job_00000');
    if (row?.querySelector('.note').textContent.startsWith(window.wanted) && !window.seen) window.seen = Date.now();
});
window.watching.observe(document.querySelector('.rows'), { subtree: true, childList: true, characterData: true });
"""


def running(number: int, progress: float, *, began: float) -> JobRecord:
    """Return a job that runs."""
    states = [("PENDING", Phase.PENDING, began), ("RUNNING", Phase.RUNNING, began + 5.0)]
    return record(f"job_{number:05}", states, progress=progress)


def jobs(now: float) -> list[JobRecord]:
    """Return all jobs; that with the first number has run for the longest, so that its row comes first."""
    return [running(number, 0.0, began=now - 3600.0 + number / 10.0) for number in range(JOBS)]


def taken(overview: Overview, *records: JobRecord) -> None:
    """Take jobs into an overview."""
    sightings = tuple(Sighting(record=each) for each in records)
    overview.take(Reading(origin=ORIGIN, sightings=sightings), time.time())


def told(changes: int) -> Row:
    """Compare telling of one job with telling of all."""
    now = time.time()
    overview, encoder = Overview(), msgspec.json.Encoder()
    taken(overview, *jobs(now))
    reader = Feed(overview).reader()
    list(reader.news())
    ours: list[float] = []
    theirs: list[float] = []
    for step in range(changes):
        number, progress = step % JOBS, (step % 97 + 1) / 100.0
        began = time.process_time()
        taken(overview, running(number, progress, began=now - 3600.0 + number / 10.0))
        list(reader.news())
        ours.append(time.process_time() - began)
        if step % 20 == 0:
            began = time.process_time()
            encoder.encode([record_of(row) for row in overview.rows()])
            theirs.append(time.process_time() - began)
    what = f"to tell of a change, {JOBS:,} jobs, ms"
    return compared(what, statistics.median(ours) * 1e3, statistics.median(theirs) * 1e3, "all rows as JSON", 0.05)


async def unread(changes: int) -> Row:
    """Compare what changes cost with a browser that never reads, and with none."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(6):
        has_reader = turn % 2 == 0
        now = time.time()
        async with Stage(taken_within=60.0) as stage:
            stage.put(*jobs(now))
            lazy = await _lazy(stage) if has_reader else None
            await asyncio.sleep(0.5)  # all is sent that will be
            began = time.process_time()
            for step in range(changes):
                stage.put(running(step % JOBS, (step % 97 + 1) / 100.0, began=now - 3600.0))
                await asyncio.sleep(0)
            costs[has_reader].append((time.process_time() - began) / changes * 1e6)
            if lazy is not None:
                lazy.close()
    what = "a change beside a browser that never reads, us"
    return compared(what, min(costs[True]), min(costs[False]), "no browser", 1.1)


async def _lazy(stage: Stage) -> socket.socket:
    """Ask for the events, and read nothing of them."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connected.setblocking(False)
    host, port = stage.origin.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connected, (host, int(port)))
    asked = f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {stage.key}\r\n\r\n"
    await loop.sock_sendall(connected, asked.encode())
    return connected


async def seen(changes: int) -> Row:
    """Follow changes from the overview into a row of the page."""
    now = time.time()
    late: list[float] = []
    async with Stage() as stage, Tabs() as tabs:
        stage.put(*jobs(now))
        tab = await tabs.open(stage.url)
        await tabs.until(tab, f"document.getElementById('grid')?.ariaRowCount === '{JOBS + 1}'")
        await tabs.value(tab, _SHOWN)
        others = asyncio.create_task(_others(stage, now))
        for step in range(changes):
            percent = step % 97 + 1
            await tabs.value(tab, f"window.wanted = '{percent}\u202f%'; window.seen = 0")
            began = time.time()
            stage.put(running(0, percent / 100.0, began=now - 3600.0))
            await tabs.until(tab, "window.seen > 0")
            late.append(await tabs.value(tab, "window.seen") - began * 1000.0)
        others.cancel()
        await asyncio.wait([others])
    return compared(f"a change until it is in its row, {JOBS:,} jobs, ms", statistics.median(late), _LATE, "0.3 s", 1.0)


async def _others(stage: Stage, now: float) -> None:
    step = 0
    while True:
        step += 1
        number = 1 + step % (JOBS - 1)
        stage.put(running(number, step % 97 / 100.0, began=now - 3600.0 + number / 10.0))
        await asyncio.sleep(0.01)


async def grown() -> Row:
    """Tell a hidden tab of many changes, one by one."""
    now = time.time()
    pause, feeds.LEAST_PAUSE = feeds.LEAST_PAUSE, 0.0
    try:
        async with Stage() as stage, Tabs() as tabs:
            stage.put(*jobs(now))
            tab = await tabs.open(stage.url)
            await tabs.until(tab, f"document.getElementById('grid')?.ariaRowCount === '{JOBS + 1}'")
            await tabs.open("about:blank")
            await tabs.until(tab, "document.visibilityState === 'hidden'")
            held: list[int] = []
            for times in (500, _UPDATES):
                for step in _steps(times):
                    stage.put(step)
                    await asyncio.sleep(0.0004)
                ended = record(f"last_{times}", [("RUNNING", Phase.RUNNING, now), ("FAILED", Phase.FAILED, now + 1.0)])
                stage.put(ended)
                await tabs.until(tab, f"document.title.includes('{len(held) + 1} failed')")
                held.append(await tabs.heap(tab))
    finally:
        feeds.LEAST_PAUSE = pause
    growth = max(0.0, (held[1] - held[0]) / 1e6)
    return compared(f"a hidden tab, {_UPDATES:,} updates, MB more", growth, _GROWTH, "5 MB", 1.0)


def _steps(times: int) -> Iterator[JobRecord]:
    now = time.time()
    for step in range(times):
        yield running(step % JOBS, step % 97 / 100.0, began=now - 3600.0)


async def rows(changes: int) -> list[Row]:
    """Measure, and return what was found."""
    found = [told(20 * changes), await unread(20 * changes)]
    if PATH is None:
        print("no Chromium: what a browser makes of it is left out", file=sys.stderr)
        return found
    return [*found, await seen(changes), await grown()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=100, help="how many changes to follow (default: 100)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = asyncio.run(rows(options.changes))
    print(as_json(found) if options.json else as_text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
