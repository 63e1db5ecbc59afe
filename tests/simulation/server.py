"""The server: answers requests from the truth, lies as its faults say, and keeps the record that the oracle reads."""

from __future__ import annotations

import functools
import math
import zlib
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from random import Random
from urllib.parse import parse_qs, unquote

import msgspec
from msgspec import Struct

from jobwatch._http.transport import MAX_HOPS

from . import faults, streams
from .truth import BY_STATUS, ENDED, EPOCH, TrueJob, log_uniform, stamp

HANG = 1e6
"""A delay that no time limit waits for."""


class Shown(Struct):
    """What one answer truly tells of one job.

    Attributes:
        states: The places in the truth of the states it tells of, in order.
        status: The place of the state that its status tells of.
        odd: The distortions it came with.
    """

    states: tuple[int, ...]
    status: int
    odd: frozenset[str] = frozenset()


class Answer(Struct):
    """What goes back over the network, and how."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    trouble: str = ""
    delay: float = 0.05
    cut: float = 0.5


class Exchange(Struct, eq=False):
    """One request and what came of it, for the oracle.

    Attributes:
        client: Who asked.
        job_id: What for; None for a list.
        asked: When it was sent, on the loop's clock.
        verdict: What an honest client must make of the answer.
        stay_away: For how many seconds it asked that nothing be sent.
        come_back: For how many seconds it asked, as a good answer, that nothing be sent for its job.
        shown: What it truly told, by job.
        answered: When the client had the answer; None while it has not.
        was_kept: Whether its connection had carried another request.
        began: When the look began, where another request of it was lost before.
        hops: How many requests it was beyond the first, by redirects.
        arrived: When it came to the server, on the loop's clock.
    """

    client: str
    job_id: str | None
    path: str
    asked: float
    verdict: str
    answer: Answer
    stay_away: float | None = None
    shown: Mapping[str, Shown] = {}
    faults: tuple[str, ...] = ()
    answered: float | None = None
    was_kept: bool = False
    began: float | None = None
    hops: int = 0
    arrived: float = 0.0
    come_back: float | None = None


class Outage(Struct, frozen=True):
    """A time in which every request meets the same fault."""

    start: float
    end: float
    fault: str


class Server:
    """The one origin of a world.

    Args:
        api: Whose API it speaks.
        jobs: What truly happens.
        rates: How often each fault is met, from 0 to 1.
        rng: What decides.
        quiet_at: When the faults stop, on the loop's clock.
        outages: When nothing works.
        skew: How far its clock is ahead, in seconds.
        etags: Whether it sends validators.
        quota: How many requests it allows in each ten seconds; 0 for any.
        lag: How far its replicas are behind, in seconds.
        level: "seam" or "wire".
    """

    def __init__(
        self,
        api: str,
        jobs: Sequence[TrueJob],
        *,
        rates: Mapping[str, float],
        rng: Random,
        quiet_at: float,
        outages: Sequence[Outage],
        skew: float,
        etags: bool,
        quota: int,
        lag: float,
        latency: float,
        level: str,
    ) -> None:
        self.api = api
        self.jobs = {job.id: job for job in jobs}
        self.rates = {name: rate for name, rate in rates.items() if rate > 0.0}
        self.rng = rng
        self.quiet_at = quiet_at
        self.outages = outages
        self.skew = skew
        self.etags = etags
        self.quota = quota
        self.lag = lag
        self._delays = math.log(latency / 3.0), math.log(latency * 3.0)
        self.level = level
        self.vanished: dict[str, float] = {}
        self.weak_etags = False
        self.apart = rng
        self.exchanges: list[Exchange] = []
        self.fired: Counter[str] = Counter()
        self.wrongs: list[str] = []
        self.streams: list[streams.Streamed] = []
        self.streams_asked: list[tuple[str, float]] = []
        self.hops: list[tuple[str, float]] = []
        self._recent: dict[str, deque[float]] = {}
        self._below = [name for name in self.rates if name in faults.NETWORK or name == "tls"]
        self._below += [name for name in self.rates if name in faults.ON_THE_WIRE]
        self._at_the_door = [name for name in ("refuse", "hang") if name in self.rates] if level == "wire" else []
        if level == "wire" and "refuse" in self.rates:
            self._below.remove("refuse")
        self._http = [name for name in self.rates if name in faults.HTTP or name in faults.FATAL]
        self._body = [name for name in self.rates if name in faults.BODY]
        self._meaning = [name for name in self.rates if name in faults.MEANING]
        self._is_apart = not self.rates.keys().isdisjoint(faults.APART)
        self._lists = [name for name in self.rates if name in faults.LIST]

    # --- what a request meets ------------------------------------------------------------------------------------

    def asked(self, client: str, path: str, query: str, etag: str | None, now: float) -> Exchange:
        """Answer a request that arrives now."""
        exchange = self._answered(client, path, query, etag, now)
        if self._is_apart and now < self.quiet_at:
            self._have_apart(exchange, client, etag)
        exchange.client, exchange.path, exchange.job_id = client, path, _job_id(path)
        for name in exchange.faults:
            self.fired[name] += 1
        self.exchanges.append(exchange)
        return exchange

    def _have_apart(self, exchange: Exchange, client: str, etag: str | None) -> None:
        """Let an answer meet one of the faults that have no turn."""
        if self._meets("source raises") and client in ("main", "watch"):
            exchange.answer.trouble = "raises"
            exchange.verdict, exchange.stay_away, exchange.shown = faults.RAISES, None, {}
            exchange.faults = ("source raises",)
        is_read = exchange.verdict in (faults.GOOD, "same") and not exchange.answer.trouble
        if is_read and exchange.job_id is not None and self._meets("come back later"):
            exchange.come_back = self.apart.choice((0.0, 1.5, 7.0, 20.0, 90.0))
            exchange.answer.headers.append(("Retry-After", f"{exchange.come_back:g}"))
            exchange.faults += ("come back later",)
        if is_read and exchange.job_id is not None and etag is None and self._meets("304 in place of news"):
            exchange.verdict, exchange.shown, exchange.faults = faults.UNREADABLE, {}, ("304 in place of news",)
            exchange.answer.status, exchange.answer.body = 304, b""
        is_plain = not exchange.answer.trouble and exchange.shown and exchange.job_id is not None
        if is_plain and self._meets("answer unasked"):
            exchange.answer.trouble = "answer unasked"
            exchange.faults += ("answer unasked",)

    def _meets(self, name: str) -> bool:
        return name in self.rates and self.apart.random() < self.rates[name]

    def unasked(self, job_id: str) -> bytes:
        """Return an end of a job, as a response that nobody asked for tells it."""
        job = self.jobs[job_id]
        return msgspec.json.encode(_enveloped(job, self._anothers(job, {}) | {self._id_key(job): job.id}))

    def knocked(self, client: str, path: str, now: float) -> str | None:
        """Say what happens to a connection that is being opened for a request."""
        outage = self._outage(now)
        trouble = self._pick(self._at_the_door) if now < self.quiet_at else None
        if outage is not None and outage.fault in ("refuse", "hang"):
            trouble = outage.fault
        redirected = self._redirected_last(client, path) if trouble is not None else None
        if trouble is not None and redirected is not None:
            redirected.verdict, redirected.shown = faults.UNREACHABLE, {}  # it is the hop that is lost
            redirected.faults += (trouble,)
            self.fired[trouble] += 1
        elif trouble is not None and not path.endswith("/stream"):
            exchange = self._exchange(now, faults.UNREACHABLE, Answer(0, [], b"", trouble), (trouble,))
            exchange.faults += ("outage",) if outage is not None else ()
            exchange.client, exchange.path, exchange.job_id = client, path, _job_id(path)
            self.fired.update(exchange.faults)
            self.exchanges.append(exchange)
        return trouble

    def _redirected_last(self, client: str, path: str) -> Exchange | None:
        """Return the request under way that was redirected to its own path, if one was."""
        under_way = (each for each in reversed(self.exchanges) if each.client == client and each.answered is None)
        found = next((each for each in under_way if each.path == path), None)
        return found if found is not None and found.answer.trouble.startswith("redirect") else None

    def _is_kept_from_hops(self, exchange: Exchange, now: float) -> bool:
        """Whether a redirect was not followed to its end, since another answer had asked for a pause meanwhile."""
        enough = {"redirect within": 1, "redirect in a circle": MAX_HOPS}.get(exchange.answer.trouble, 0)
        return exchange.hops < enough and any(
            each.stay_away and each.answered is not None and each.answered <= now <= each.answered + each.stay_away
            for each in self.exchanges
            if each.client == exchange.client and each is not exchange
        )

    def answered(self, client: str, path: str, first: int, began: float, now: float, *, alone: bool) -> None:
        """Note when a client began a request and had its answer, where the network stands between.

        Args:
            client, path: Whose request it was, and for what.
            first: How many exchanges there had been when it began.
            began: When it began.
            now: When the answer was there.
            alone: Whether no other request for the same was under way.
        """
        came = [each for each in self.exchanges[first:] if (each.client, each.path) == (client, path)]
        came = [each for each in came if each.answered is None]
        if alone and len(came) > 1 and came[0].was_kept and came[0].answer.trouble in faults.BEFORE_ANY_ANSWER:
            lost = came.pop(0)  # it was asked again at once, and nothing of this was told
            lost.asked, lost.answered, lost.job_id = began, came[0].asked, None
            came[0].began, began = began, came[0].asked
            self.fired["asked again"] += 1
        if came:
            exchange = came[0]
        else:
            # It never came so far.
            exchange = self._exchange(began, faults.UNREACHABLE, Answer(0, [], b"", "lost"), ("lost on the way",))
            exchange.client, exchange.path, exchange.job_id = client, path, _job_id(path)
            self.fired.update(exchange.faults)
            self.exchanges.append(exchange)
        exchange.asked, exchange.answered = began, now
        if self._is_kept_from_hops(exchange, now):
            exchange.verdict, exchange.stay_away, exchange.shown = faults.LIMITED, None, {}
        others = [each for each in self.exchanges[first:] if each is not exchange and each.asked > began]
        if alone and any(each.client == client and each.path == path and each.answered is None for each in others):
            self.wrongs.append(f"R6 one look at {path} at {began:.3f} was two requests")

    def streamed(self, client: str, path: str, now: float) -> streams.Streamed:
        """Answer a request for a stream that arrives now."""
        job_id = unquote(path.split("/")[-2])
        stream = streams.opened(
            client,
            self.jobs.get(job_id),
            now,
            odd={
                name for name in faults.STREAM if now < self.quiet_at and self.rng.random() < self.rates.get(name, 0.0)
            },
            down=self._outage(now) is not None,
            delay=self._delay(),
            rng=self.rng,
        )
        self.fired.update(stream.odd)
        self.fired["streams"] += stream.events > 0
        self.streams.append(stream)
        return stream

    def stream_closed(self, client: str, path: str, now: float) -> None:
        """Note when a client was done with a stream."""
        job_id = unquote(path.split("/")[-2])
        for stream in reversed(self.streams):
            if (stream.client, stream.job_id) == (client, job_id):
                stream.closed_at = now if stream.closed_at is None else stream.closed_at
                return

    def _outage(self, now: float) -> Outage | None:
        if not self.outages or now >= self.quiet_at:
            return None
        return next((each for each in self.outages if each.start <= now < each.end), None)

    def _answered(self, client: str, path: str, query: str, etag: str | None, now: float) -> Exchange:
        job_id = _job_id(path)
        noisy = now < self.quiet_at
        outage = self._outage(now)
        limited = self._over_quota(client, now)
        if limited is not None:
            return limited
        http = self._pick(self._http) if noisy else None
        if outage is not None and outage.fault in faults.HTTP:
            http = outage.fault
        if http is not None:
            exchange = self._telling(http, now)
            if exchange.answer.status == 304 and etag is not None:
                exchange.verdict = "same"  # it was asked for, so it is a lie and no fault
        elif job_id is None:
            exchange = self._listed(path, query, now, noisy)
        else:
            exchange = self._about(job_id, etag, now, noisy)
        exchange.client, exchange.path, exchange.job_id = client, path, job_id
        below = self._pick(self._below) if noisy else None
        if outage is not None and outage.fault in faults.NETWORK and (outage.fault, self.level) != ("refuse", "wire"):
            below = outage.fault
        if below is not None:
            self._troubled(exchange, below)
        if outage is not None:
            exchange.faults += ("outage",)
        return exchange

    def _pick(self, names: Sequence[str]) -> str | None:
        if names:
            random, rates = self.rng.random, self.rates
            for name in names:
                if random() < rates[name]:
                    return name
        return None

    def _delay(self) -> float:
        return math.exp(self.rng.uniform(*self._delays))

    def _exchange(self, now: float, verdict: str, answer: Answer, odd: tuple[str, ...] = ()) -> Exchange:
        return Exchange("", None, "", now, verdict, answer, faults=odd, arrived=now)

    def _troubled(self, exchange: Exchange, name: str) -> None:
        answer = exchange.answer
        verdict = faults.NETWORK.get(name) or faults.ON_THE_WIRE.get(name) or faults.TLS
        if name == "slow":
            answer.delay = log_uniform(self.rng, 1.0, 25.0)
        if not answer.body and name not in ("slow", "refuse", "reset", "hang", "tls", "close without an answer"):
            name, verdict = "reset", faults.UNREACHABLE
        if exchange.job_id is None and name.startswith("redirect"):
            return
        exchange.faults += (name,)
        if verdict != faults.GOOD:
            answer.trouble = name
            answer.cut = self.rng.random()
            if name in _STATUS_STANDS and not 200 <= answer.status <= 299:
                return  # the status has been read, and it says what happened, however its body went on
            exchange.verdict, exchange.stay_away, exchange.shown = verdict, None, {}
        elif name != "slow":
            answer.trouble = name

    def _over_quota(self, client: str, now: float) -> Exchange | None:
        if not self.quota:
            return None
        recent = self._recent.setdefault(client, deque())
        while recent and recent[0] <= now - 10.0:
            recent.popleft()
        if len(recent) < self.quota:
            recent.append(now)
            return None
        wait = int(recent[0] + 10.0 - now) + 1
        answer = Answer(429, [("Retry-After", str(wait))], b'{"error":"slow down"}', delay=self._delay())
        exchange = self._exchange(now, faults.LIMITED, answer, ("quota",))
        exchange.stay_away = float(wait)
        return exchange

    def _telling(self, name: str, now: float) -> Exchange:
        told = (faults.HTTP.get(name) or faults.FATAL[name])(self.rng, EPOCH + now + self.skew)
        headers = [*told.headers]
        if not any(key == "Content-Type" for key, _ in headers):
            headers.append(("Content-Type", "application/json"))
        exchange = self._exchange(
            now, told.verdict, Answer(told.status, headers, told.body, delay=self._delay()), (name,)
        )
        exchange.stay_away = told.stay_away
        return exchange

    def _missing(self, now: float, odd: tuple[str, ...]) -> Exchange:
        answer = Answer(404, [("Content-Type", "application/json")], b'{"error":"job not found"}', delay=self._delay())
        return self._exchange(now, faults.MISSING, answer, odd)

    # --- one job -------------------------------------------------------------------------------------------------

    def _about(self, job_id: str, etag: str | None, now: float, noisy: bool) -> Exchange:
        job = self.jobs.get(job_id)
        if job is None:
            return self._missing(now, ("never known",))
        if now < job.appears_at:
            return self._missing(now, ("appears late",))
        if now >= self.vanished.get(job_id, now + 1.0):
            return self._missing(now, ("vanishes",))
        odd = {name for name in self._meaning if noisy and self.rng.random() < self.rates[name]}
        view = self._view(job, now, odd)
        if view is None:
            return self._missing(now, ("stale",))
        record, shown = view
        http_status = 200
        if job.by_status:
            http_status, record = BY_STATUS[job.states[shown.status].phase][0], self._untold(job)
        body = msgspec.json.encode(_enveloped(job, record))
        verdict = faults.GOOD
        if "another job's" in odd:
            record, odd, verdict = self._anothers(job, record), {"another job's"}, faults.UNREADABLE
            body = msgspec.json.encode(_enveloped(job, record))
        # Of the damages to a body most are about a status in it.
        damage = self._pick(self._body) if noisy and not job.by_status else None
        if damage is not None:
            body, odd, verdict = faults.BODY[damage](self.rng, body), {damage}, faults.UNREADABLE
        elif "status words twice" in odd:
            body = _twice(body)
        if "BOM" in odd:
            body = b"\xef\xbb\xbf" + body
        headers = self._headers(now, odd)
        if self.etags and verdict == faults.GOOD:
            tag = f'"{zlib.crc32(job_id.encode() if self.weak_etags else b"%d" % http_status + body):08x}"'
            headers.append(("ETag", tag))
            if etag is not None and (etag == tag or "304 though changed" in odd):
                odd = {"304 though changed"} if etag != tag else {"weak etags" if self.weak_etags else "etags"}
                return self._exchange(now, "same", Answer(304, headers, b"", delay=self._delay()), tuple(sorted(odd)))
        odd.discard("304 though changed")
        answer = Answer(http_status, headers, body, delay=self._delay())
        is_cut = bool(job.keeps and shown.states and shown.states[0] > 0)
        exchange = self._exchange(now, verdict, answer, (*sorted(odd), *_traits_told(job, is_cut=is_cut)))
        if verdict == faults.GOOD:
            exchange.shown = {job_id: shown}
        return exchange

    def _untold(self, job: TrueJob) -> dict[str, object]:
        """Return what is always the same of a job, whose state the HTTP status tells."""
        created_at = stamp(job.told_at(0, self.skew), job.style)
        return {"job_id": job.id, "type": job.type, "created_at": created_at, "told_by_status": True}

    def _headers(self, now: float, odd: set[str]) -> list[tuple[str, str]]:
        headers = [("Content-Type", "application/json")]
        if "no date" not in odd:
            off = self.rng.uniform(-1e5, 1e5) if "lying date" in odd else 0.0
            headers.append(("Date", _date(int(EPOCH + now + self.skew + off))))
        if "rate told" in odd:
            left, reset = self.rng.choice((0, 1, 50, 5000)), self.rng.choice((1, 10, 60))
            headers += [("X-RateLimit-Remaining", str(left)), ("X-RateLimit-Reset", str(reset))]
        return headers

    def _anothers(self, job: TrueJob, record: dict[str, object]) -> dict[str, object]:
        key = self._id_key(job)
        others = [each for each in self.jobs if each != job.id]
        end = "completed" if self.api == "capydb" else "COMPLETED"
        word = {"state": end} if self.api == "capydb" else {"status": end}
        return {**record, key: self.rng.choice(others) if others else f"{job.id}0", **word}

    @staticmethod
    def _id_key(job: TrueJob) -> str:
        return "job_id" if job.shape in ("vision", "bare") else "id"

    def _view(self, job: TrueJob, now: float, odd: set[str]) -> tuple[dict[str, object], Shown] | None:
        """Return the job's record as a request sees it now, and what that truly tells."""
        if "stale" in odd and not (job.dated or job.tells_history):
            odd.discard("stale")
        index = job.index_at(now - self.lag if "stale" in odd else now)
        if index < 0:
            return None
        if "stale" in odd and index == job.index_at(now):
            odd.discard("stale")
        if "recased" in odd and job.shape == "capydb" and self.rng.random() < 0.5:
            odd.discard("recased")
        recased: Callable[[str], str] = _swapped if "recased" in odd else str
        record: dict[str, object] = {}
        if not job.tells_history:
            odd -= {"status behind", "history behind", "untimed", "duplicated", "reordered"}
            return self._snapshot(job, index, recased, record, odd)
        _keep_recoverable(job, odd)
        if job.newest_first:
            odd.discard("untimed")
        status, events = self._apart(job, index, odd)
        shown = Shown(tuple(events), status, frozenset(odd))
        told = [self._event(job, each, recased, "untimed" in odd) for each in events]
        if "duplicated" in odd and told:
            again = self.rng.randrange(len(told))
            told.insert(self.rng.randrange(again, len(told)) + 1, told[again])
        if "reordered" in odd:
            self.rng.shuffle(told)
        elif job.newest_first and told and told[0]["timestamp"] != told[-1]["timestamp"]:
            told.reverse()  # of the entries of one second alone nobody could tell which way they go
        elif job.end_early and "duplicated" not in odd:
            _have_end_early(job, events, told)
        record["events"] = told
        return self._common(job, index, status, recased, record), shown

    def _apart(self, job: TrueJob, index: int, odd: set[str]) -> tuple[int, list[int]]:
        """Return which state the status tells of and which the history does."""
        status, events = index, list(range(index + 1))
        if "status behind" in odd and index:
            status = self.rng.randrange(index)
            if job.states[status].phase in ENDED:
                status = index
        if "history behind" in odd:
            events = events[: self.rng.randrange(index + 1)]
        if status == index:
            odd.discard("status behind")
        return status, events[-job.keeps :] if job.keeps else events

    def _event(self, job: TrueJob, index: int, recased: Callable[[str], str], untimed: bool) -> dict[str, object]:
        entry: dict[str, object] = {"status": recased(job.states[index].word)}
        if not (job.timeless or (untimed and self.rng.random() < 0.7)):
            entry["timestamp"] = stamp(job.told_at(index, self.skew), job.style)
        return entry

    def _common(
        self, job: TrueJob, index: int, status: int, recased: Callable[[str], str], record: dict[str, object]
    ) -> dict[str, object]:
        key = self._id_key(job)
        record |= {key: int(job.id) if job.numeric else job.id, "status": recased(job.states[status].word)}
        record |= {"type": job.type, "created_at": stamp(job.told_at(0, self.skew), job.style)}
        if job.project_id is not None:
            record["project_id"] = job.project_id
        if job.dated:
            record["updated_at"] = stamp(job.told_at(index, self.skew), job.style)
        if job.states[status].phase in ENDED and not job.timeless:
            record["completed_at"] = stamp(job.told_at(status, self.skew), job.style)
        return record

    def _snapshot(
        self, job: TrueJob, index: int, recased: Callable[[str], str], record: dict[str, object], odd: set[str]
    ) -> tuple[dict[str, object], Shown]:
        self._common(job, index, index, recased, record)
        if job.shape == "bare":
            return record, Shown((index,), index, frozenset(odd))
        record["state"] = record.pop("status")
        record["attempts"] = job.states[index].attempt
        proven = {0, index}
        start = job.start_before(index)
        if start is not None:
            record["started_at"] = stamp(job.told_at(start, self.skew), job.style)
            proven.add(start)
        return record, Shown(tuple(sorted(proven)), index, frozenset(odd))

    # --- a list of jobs ------------------------------------------------------------------------------------------

    def _listed(self, path: str, query: str, now: float, noisy: bool) -> Exchange:
        project_id = unquote(path.split("/")[-2])
        limit = int(parse_qs(query)["limit"][0])
        odd = {name for name in self._lists if noisy and self.rng.random() < self.rates[name]}
        jobs = [job for job in self.jobs.values() if job.project_id == project_id and self._is_known(job, now)]
        jobs.sort(key=lambda job: job.states[0].at, reverse=True)
        jobs = jobs[:limit]
        if "list without some" in odd:
            jobs = [job for job in jobs if self.rng.random() < 0.7]
        records: list[dict[str, object]] = []
        shown: dict[str, Shown] = {}
        twice = self.rng.choice(jobs) if jobs and "list with one twice" in odd else None
        for job in jobs:
            for _ in range(1 + (job is twice)):
                stale = {"stale"} if noisy and self.rng.random() < self.rates.get("stale", 0.0) else set()
                view = self._view(job, now, stale)
                if view is not None:
                    records.append(view[0])
                    shown[job.id] = view[1] if job.id not in shown else _both(shown[job.id], view[1])
        torn = None
        if shown and noisy and self._meets("list that contradicts itself"):
            torn = self._have_contradicted(records, shown)
            odd.add("list that contradicts itself")
        if "list with strangers" in odd:
            records.append({"id": "stranger", "state": "completed", "type": "project.backup"})
        verdict = faults.GOOD
        if "list with one broken" in odd:
            records.append({"id": "broken", "state": None})  # the others may be read all the same
        body = msgspec.json.encode({"jobs": records or None})
        damage = self._pick(self._body) if noisy else None
        first = _id_of(records[0]) if records else None
        if torn is not None and (damage not in _OF_ONE or first == torn):
            damage = None  # with one of the two entries unreadable, nobody could tell that there are two
        if damage is not None and b'"state":"' in body:
            body, odd, verdict = faults.BODY[damage](self.rng, body), {damage}, faults.UNREADABLE
            # What is wrong with the first job only need not keep anyone from reading the others.
            shown = {each: told for each, told in shown.items() if damage in _OF_ONE and each != first}
        answer = Answer(200, self._headers(now, set()), body, delay=self._delay())
        exchange = self._exchange(now, verdict, answer, tuple(sorted(odd)))
        exchange.shown = shown
        return exchange

    def _have_contradicted(self, records: list[dict[str, object]], shown: dict[str, Shown]) -> str:
        """Tell of one job a second time, in another state, and say of which: of the two nobody knows which is true."""
        job_id = self.apart.choice(list(shown))
        record = next(each for each in records if _id_of(each) == job_id)
        other = "failed" if record["state"] == "completed" else "completed"
        records.insert(self.apart.randrange(len(records) + 1), {**record, "state": other})
        del shown[job_id]
        return job_id

    def _is_known(self, job: TrueJob, now: float) -> bool:
        return job.appears_at <= now < self.vanished.get(job.id, now + 1.0)


def _id_of(record: Mapping[str, object]) -> str:
    return str(record["id"])


@functools.lru_cache(maxsize=256)
def _job_id(path: str) -> str | None:
    """Return the id of the job that a path is about; None for a list."""
    parts = path.split("/")
    return unquote(parts[-1]) if parts[-2] == "jobs" else None


@functools.lru_cache(maxsize=256)
def _date(unix: int) -> str:
    return formatdate(unix, usegmt=True)


_OF_ONE = frozenset({"status null", "status number", "status object"})
_STATUS_STANDS = frozenset({"cut", "reset in the body", "chunked and cut", "too large"})


def _keep_recoverable(job: TrueJob, odd: set[str]) -> None:
    """Leave out distortions which together would hide the truth from anyone."""
    distorting = [name for name in ("status behind", "history behind", "untimed") if name in odd]
    odd.difference_update(distorting if job.keeps or job.timeless else distorting[1:])
    if job.timeless or job.coarse or "untimed" in odd:
        odd -= {"duplicated", "reordered"}


def _have_end_early(job: TrueJob, events: Sequence[int], told: list[dict[str, object]]) -> None:
    """Tell an end before another state of its second."""
    ends = [job.states[each].phase in ENDED for each in events[-2:]]
    if ends == [False, True] and told[-1]["timestamp"] == told[-2]["timestamp"]:
        told[-2:] = [told[-1], told[-2]]


def _swapped(word: str) -> str:
    """Return a word with its ASCII letters in the other case."""
    return "".join(letter.swapcase() if letter.isascii() else letter for letter in word)


def _both(one: Shown, other: Shown) -> Shown:
    return Shown(tuple(sorted({*one.states, *other.states})), max(one.status, other.status), one.odd | other.odd)


def _enveloped(job: TrueJob, record: dict[str, object]) -> dict[str, object]:
    match job.shape:
        case "cms":
            return {"data": record}
        case "capydb":
            return {"job": record}
        case _:
            return record


def _twice(body: bytes) -> bytes:
    """Put another status before the true one: of two equal keys the last one counts."""
    for marker, wrong in ((b'"state":', b'"state":"failed",'), (b',"status":', b',"status":"FAILED"')):
        at = body.rfind(marker) if marker == b'"state":' else body.find(marker)
        if at >= 0:
            return body[:at] + wrong + body[at:]
    return body


def _traits_told(job: TrueJob, *, is_cut: bool) -> list[str]:
    """Return what a job has from its beginning that shows in an answer, and whether its history is cut short there."""
    told = {
        "end before its moment": job.end_early,
        "history cut short": is_cut,
        "newest first": job.newest_first,
        "told by HTTP status": job.by_status,
        "undated": not job.dated,
        "whole seconds": job.coarse,
        "without times": job.timeless,
    }
    return [name for name, is_so in told.items() if is_so]
