"""200 tasks of an agent on a2a-sdk, watched by one `Watcher` while the agent is killed and started again.

Its store is a database, or memory: with the database a task that was at work reads WORKING for ever, since nobody runs
it any more, until somebody cancels it; from memory it is gone. Nothing may be told that the agent has not said, each
end that it says is told, and so is that it was away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import jobwatch
from jobwatch import Change, ChangeKind, Health, Pace

from .a2a import Server, running_agent
from .house import free_port, plain, workplace

TASKS = 200
LONGEST = 180.0
"""For how many seconds anything is waited for."""

PATHS = {
    "good:2": "SUBMITTED WORKING COMPLETED",
    "bad:2": "SUBMITTED WORKING FAILED",
    "raises:2": "SUBMITTED WORKING FAILED",
    "rejects": "SUBMITTED REJECTED",
    "asks:1": "SUBMITTED WORKING INPUT_REQUIRED CANCELED",
    "good:600": "SUBMITTED WORKING CANCELED",
    "stopped": "SUBMITTED WORKING CANCELED",
}
"""The states of each kind of task, of which some may pass between two looks."""

ENDS = {"good:2": "succeeded", "bad:2": "failed", "raises:2": "failed", "rejects": "failed"}
"""How those end that are over before the agent goes; the others are in its store as they were, or gone."""


def tried(environments: Path) -> list[bool]:
    """Watch both kinds of store through a restart, and return of each whether all that was told was right."""
    return [asyncio.run(_watched(environments, store)) for store in ("tasks.db", "")]


class _Agent:
    """The agent, which can be killed and started again at the same port."""

    def __init__(self, environments: Path, folder: Path, store: str) -> None:
        self._environments, self._folder, self._store = environments, folder, store
        self._port = free_port()
        self._running = contextlib.ExitStack()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it."""
        self._running.enter_context(running_agent(self._environments, self._folder, self._port, store=self._store))

    def stop(self) -> None:
        """End it."""
        self._running.close()


@contextlib.contextmanager
def _agent(environments: Path, store: str) -> Iterator[_Agent]:
    with workplace() as folder:
        agent = _Agent(environments, folder, store)
        agent.start()
        try:
            yield agent
        finally:
            agent.stop()


class _Told:
    """All that a watcher has told."""

    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}
        self._news = asyncio.Event()

    async def follow(self, watcher: jobwatch.Watcher) -> None:
        """Take down what it tells."""
        async for change in watcher:
            self.changes.setdefault(change.job_id, []).append(change)
            self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what was told."""
        async with asyncio.timeout(LONGEST):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def those(self, holds: Callable[[Change], bool]) -> set[str]:
        """Return the tasks of which a change was told for which something holds."""
        return {job for job, changes in self.changes.items() if any(map(holds, changes))}

    def ended(self) -> set[str]:
        """Return the tasks whose end was told."""
        return self.those(lambda change: change.kind is ChangeKind.END)

    def wrongs_of(self, job: str, kind: str, wanted: str) -> list[str]:
        """Return what was told wrong of a task."""
        changes = self.changes.get(job, [])
        ends = [change for change in changes if change.kind is ChangeKind.END]
        outcomes = [change.outcome.value for change in ends if change.outcome is not None]
        wrong = [] if outcomes == [wanted] else [f"{job} ({kind}) ended {outcomes}, not {wanted}"]
        states = [change.transition.status for change in changes if change.transition is not None]
        path = iter([f"TASK_STATE_{word}" for word in PATHS[kind].split()])
        if not all(state in path for state in states):
            wrong.append(f"{job} ({kind}) was told as {states}")
        health = [change.health for change in changes if change.kind is ChangeKind.HEALTH]
        if health and wanted != "not_found" and health[-1] is not Health.OK:
            wrong.append(f"{job} ({kind}) was told as {health[-1]} to its end")
        return wrong


async def _watched(environments: Path, store: str) -> bool:
    told = _Told()
    with _agent(environments, store) as agent:
        server = Server(agent.url)
        client = jobwatch.Client(
            "a2a", base_url=agent.url, pace=Pace(max_interval=5.0), unreachable_after=4.0, appear_within=5.0
        )
        async with client, jobwatch.Watcher(client) as watcher, asyncio.TaskGroup() as group:
            following = group.create_task(told.follow(watcher))
            kinds = await _started(server, watcher)
            over = {job for job, kind in kinds.items() if kind in ENDS}
            asking = {job for job, kind in kinds.items() if kind == "asks:1"}
            await told.until(lambda: told.ended() >= over)
            await told.until(lambda: told.those(lambda change: change.status == "TASK_STATE_INPUT_REQUIRED") >= asking)
            going_on = set(kinds) - told.ended()
            await asyncio.to_thread(agent.stop)
            await told.until(lambda: told.those(lambda change: change.health is Health.UNREACHABLE) >= going_on)
            await asyncio.to_thread(agent.start)
            if store:  # nobody works on them any more: their end is one that somebody makes
                await told.until(lambda: told.those(lambda change: change.health is Health.OK) >= going_on)
                for job in going_on:
                    await asyncio.to_thread(server.cancel, job)
            await told.until(lambda: told.ended() >= set(kinds))
            following.cancel()
    lost = "cancelled" if store else "not_found"
    wrong = [each for job, kind in kinds.items() for each in told.wrongs_of(job, kind, ENDS.get(kind, lost))]
    outcomes = Counter(ENDS.get(kind, lost) for kind in kinds.values())
    verdict = "BAD" if wrong else "ok "
    away = f"{len(going_on)} told as unreachable while it was away" + (" and as ok afterwards" if store else "")
    print(f"{verdict}  a2a_restarted {store or 'memory':9} {len(kinds)} tasks: {dict(outcomes)}; {away}", flush=True)
    print("\n".join(wrong[:10]), end="\n" if wrong else "", flush=True)
    return not wrong


async def _started(server: Server, watcher: jobwatch.Watcher) -> dict[str, str]:
    """Start the tasks and watch them; return of which kind each is."""
    kinds: dict[str, str] = {}
    for number in range(TASKS):
        kind = list(PATHS)[number % len(PATHS)]
        job_id: str = plain(await asyncio.to_thread(server.start, kind))["task"]["id"]
        kinds[job_id] = kind
        await watcher.add(job_id)
    return kinds
