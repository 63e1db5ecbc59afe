"""A server that does as it is told, and keeps account of what it was asked and what it showed.

It is a scripted transport whose jobs change state when a test says so, and whose answers are late, cut off, refused
or raise. What it keeps is what any server knows: which requests began when, what each answer said, and nothing of who
asked or why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from jobwatch._models import Fault, FaultKind, Job
from jobwatch._reading.reply import Reply
from jobwatch.apis import CAPYDB
from tests.scripted import EPOCH, ScriptedJob, ScriptedTransport

HANGS = 20.0
"""After how many seconds a request that is never answered is cut, so that no other round trip may take as long."""

EXACT = 1e-6
"""How far apart two readings of the virtual clock may be that mean the same moment, in seconds."""

MOST_UNDER_WAY = 200
"""Among how many requests those are that are under way."""

EVERY_JOB = "*"


class ToldJob(ScriptedJob):
    """A job in its latest state of all that it was told to enter; each state has a word of its own."""

    entered: list[tuple[str, float]] = msgspec.field(default_factory=lambda: [("pending", 0.0)])
    shown: list[tuple[int, float]] = msgspec.field(default_factory=list)
    hidden: bool = False

    @property
    def version(self) -> int:
        """Which of its states it is in, from 0."""
        return len(self.entered) - 1

    @property
    def over(self) -> bool:
        return self.entered[-1][0] in {"completed", "failed"}

    def enter(self, word: str, now: float) -> None:
        """Enter a state; each is dated later than the one before, or nobody could tell their order."""
        self.entered.append((word, max(now, self.entered[-1][1] + 0.001)))

    def advance(self, now: float) -> None:
        """Enter the next state that is no end."""
        self.enter("running" if self.version == 0 else f"step {self.version + 1}", now)

    def body(self, now: float) -> dict[str, object]:
        self.shown.append((self.version, now))
        return self.body_of(self.version)

    def body_of(self, version: int) -> dict[str, object]:
        """Return how one of its states is told; `project_id` stands there, which makes jobs be asked for by lists."""
        word, at = self.entered[version]
        project = {"project_id": self.project_id} if self.project_id else {}
        return {"id": self.id, "state": word, "type": self.type, "updated_at": EPOCH + at, **project}

    def version_of(self, word: str) -> int:
        """Return which state a word means, or -1 if it never was in it."""
        return next((number for number, (known, _) in enumerate(self.entered) if known == word), -1)


class Exchange(Struct, eq=False):
    """One request: when it began and is to be answered, and once that was done, what the answer said.

    Attributes:
        kind: What it is for: a ``job``, a ``batch`` or a ``list``.
        named: The jobs whose ids it names: none, if it is for a list.
        may_show: The jobs that its answer may show.
    """

    number: int
    target: str
    began: float
    due: float
    kind: str
    named: frozenset[str]
    may_show: frozenset[str]
    answered: float | None = None
    shown: dict[str, int] = {}
    fault: Fault | None = None
    raised: bool = False

    def under_way(self, now: float) -> bool:
        return self.answered is None and self.due >= now - EXACT


class ObedientServer:
    """Jobs, and how requests for them are answered from now on.

    Attributes:
        transport: What the poller is to be given.
        exchanges: All requests so far; see `account`.
        trouble: The fault that answers all requests for a job, or with `EVERY_JOB` all requests; None in it is
            an exception.
        pauses: From when to when it has asked not to be sent anything.
    """

    def __init__(self, jobs: Iterable[ToldJob]) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.transport = ScriptedTransport(list(self.jobs.values()), round_trip=0.05)
        self.transport.answer = self._answer
        self.exchanges: list[Exchange] = []
        self.trouble: dict[str, Fault | None] = {}
        self.pauses: list[tuple[float, float]] = []

    @property
    def not_before(self) -> float:
        """Until when it has asked not to be sent anything."""
        return max((until for _, until in self.pauses), default=0.0)

    def take(self, seconds: float) -> None:
        """Take so long for every answer to a request that begins from now on; `HANGS` for none but a cut."""
        self.account()
        self.transport.round_trip = seconds

    def recover(self) -> None:
        """Be quick, in no trouble, and hide nothing."""
        self.take(0.05)
        self.trouble.clear()
        for job in self.jobs.values():
            job.hidden = False

    def account(self) -> list[Exchange]:
        """Return all exchanges, those included that have begun since this was last called."""
        for began, target in self.transport.requests[len(self.exchanges) :]:
            kind, _, name = target.partition(":")
            named = frozenset() if kind == "list" else frozenset(name.split(","))
            project = frozenset(job.id for job in self.jobs.values() if job.project_id == name.partition("?")[0])
            due = began + self.transport.round_trip
            self.exchanges.append(
                Exchange(len(self.exchanges), target, began, due, kind, named, named or project, shown={})
            )
        return self.exchanges

    def under_way(self, now: float) -> Iterator[Exchange]:
        """Yield the requests that have no answer yet; one that was cancelled too, until it would have had one."""
        return (exchange for exchange in self.account()[-MOST_UNDER_WAY:] if exchange.under_way(now))

    def list_of(self, versions: dict[str, int]) -> tuple[Job, ...]:
        """Return jobs as a list tells them that shows each in one of its states."""
        bodies = [self.jobs[job_id].body_of(version) for job_id, version in versions.items()]
        return CAPYDB.read_jobs(msgspec.json.encode({"jobs": bodies}))  # type: ignore[misc]  # CapyDB has lists

    def _answer(self, target: str, now: float) -> Reply | Fault | None:
        exchange = next(each for each in self.under_way(now) if each.target == target and abs(each.due - now) <= EXACT)
        exchange.answered = now
        if exchange.due - exchange.began >= HANGS - EXACT:
            return self._failed(exchange, Fault(FaultKind.UNREACHABLE, "no answer"), now)
        for name in (EVERY_JOB, target.partition(":")[2]):
            if name in self.trouble:
                return self._failed(exchange, self.trouble[name], now)
        asked = [self.jobs[job_id] for job_id in sorted(exchange.may_show)]
        shown = asked if exchange.kind == "job" else [job for job in asked if not job.hidden]
        exchange.shown = {job.id: job.version for job in shown}
        bodies = [job.body(now) for job in shown]
        return self.transport._reply({"job": bodies[0]} if exchange.kind == "job" else {"jobs": bodies}, now)

    def _failed(self, exchange: Exchange, fault: Fault | None, now: float) -> Fault:
        if fault is None:
            exchange.raised = True
            raise ZeroDivisionError("what nobody foresaw")
        exchange.fault = fault
        if fault.retry_after is not None and fault.kind in {FaultKind.UNREACHABLE, FaultKind.RATE_LIMITED}:
            self.pauses.append((now, now + fault.retry_after))
        return fault
