"""What must hold of the requests themselves, as the server counts them.

* R1 **floor**: two looks at a job by one poller are at least the shortest interval apart, except that each newcomer,
  each time limit and each event of a stream may cause one look at once.
* R2 **stay away**: a poller sends nothing before the time that the server asked it to wait has passed, or the longest
  that it needs to believe.
* R3 **rate**: with a rate given, never more than the rate and its burst, in any stretch of time; streams count too,
  and so does every hop of a redirect.
* R4 **silence**: after its end, and when nobody listens, a job is not looked at.
* R5 **alive**: a wait that goes on is looked after: never silent for longer than the longest interval and what the
  server asked for.
* R7 **newcomers**: a job that nobody waited for is looked at as soon as somebody does, unless the server or a limit
  keeps requests back, as many as there may be are under way, or many others came shortly before.
* R8 **blocked**: a job that is known to wait for a person is looked at after as long a pause as it has been seen to, or
  the longest interval, but for what each newcomer, each time limit and each event of a stream may cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jobwatch import Phase
from jobwatch._engine.streams import BEATS

from . import faults

if TYPE_CHECKING:
    from .people import Heard
    from .server import Exchange
    from .world import World

TICK = 0.002
BURST_SECONDS = 0.25

DOUBTS = 6
"""How many looks may go after what a stream told before it was lost."""

NEWCOMER = 0.02
"""Within what time the first look is made, in seconds."""

LONGEST_PAUSE = 300.0
"""For how long a client may believe that it is to stay away; then one request may ask again."""


def wrongs(world: World) -> Iterable[str]:
    """Return what was wrong with the requests of a run."""
    for client, exchanges in world.by_client.items():
        yield from _over_rate(world, client, exchanges)
        if _is_polled(client):
            yield from _too_soon(world, client, exchanges)
            yield from _eager(world, client, exchanges)
            yield from _not_asked_for(world, client, exchanges)
            yield from _silent(world, client, exchanges)
            yield from _late(world, client, exchanges)
            yield from _did_not_stay_away(world, client, exchanges)
            world.sometimes["list asked for"] += sum(each.job_id is None for each in exchanges)
        else:
            yield from _look_too_soon(world, exchanges)


def _over_rate(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    rate = world.plan.max_rate
    if rate is None or not _is_polled(client):
        return
    burst = max(1.0, rate * BURST_SECONDS)
    tokens, at = burst, 0.0
    for asked in sorted([*(each.arrived for each in exchanges), *_others(world, client)]):
        tokens = min(burst, tokens + (asked - at) * rate) - 1.0
        at = asked
        if tokens < -0.01 - TICK * rate:  # one may be under way for so much longer than the next
            yield f"R3 more than {rate} requests a second at {at:.3f}"
            return


def _others(world: World, client: str) -> list[float]:
    """Return when a client sent what is no exchange: requests for streams, and hops of redirects."""
    return [asked for name, asked in (*world.server.streams_asked, *world.server.hops) if name == client]


def _too_soon(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    floor = world.plan.pace.min_interval
    last: dict[str, float] = {}
    short: dict[str, int] = {}
    for each in exchanges:
        if each.job_id is None:
            continue
        if each.asked - last.get(each.job_id, -1e9) < floor - TICK:
            short[each.job_id] = short.get(each.job_id, 0) + 1
        last[each.job_id] = each.asked
    for job_id, count in short.items():
        heard = [each for each in world.heard if each.job_id == job_id and _polls(each, client)]
        # A newcomer's look, and the one that was due soon after it; the look at a time limit, and the one after that.
        allowed = sum(2 + (each.timeout is not None) for each in heard)
        # An event may have a look made at once, and that one may have missed what another event told meanwhile.
        streams = [each for each in world.server.streams if (each.client, each.job_id) == (client, job_id)]
        allowed += sum(2 * each.events + ("stream too long" in each.odd) for each in streams)
        if count > allowed:
            yield f"R1 {count} looks at {job_id} came sooner than {floor} s after another, {allowed} may"


def _eager(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    """Count the looks at jobs known to be blocked that came sooner than they may."""
    plan = world.plan
    if "more phases" not in plan.traits or plan.max_rate is not None or plan.quota or "rate told" in plan.rates:
        return
    if any(each.verdict not in (faults.GOOD, "same") for each in exchanges):
        return  # a look that failed is followed by others
    since: dict[str, tuple[int, float]] = {}
    before: dict[str, float] = {}
    short: dict[str, int] = {}
    for each in sorted(exchanges, key=lambda each: each.answered or each.asked):
        job_id = each.job_id
        if job_id is not None and job_id in before:
            lasted = before[job_id] - since[job_id][1]
            longest = min(plan.pace.max_interval, lasted)
            short[job_id] = short.get(job_id, 0) + (lasted >= 10.0 and each.asked < before[job_id] + longest - 1.0)
            world.sometimes["looked at while blocked"] += lasted >= 10.0
        for shown_id, shown in each.shown.items():
            before.pop(shown_id, None)
            job = world.server.jobs[shown_id]
            if job.states[shown.status].phase is not Phase.BLOCKED or shown.odd:
                continue
            if since.get(shown_id, (-1, 0.0))[0] != shown.status:
                since[shown_id] = shown.status, each.answered or each.asked
            before[shown_id] = each.answered or each.asked
    for job_id, count in short.items():
        heard = [each for each in world.heard if each.job_id == job_id and _polls(each, client)]
        allowed = sum(2 + (each.timeout is not None) for each in heard)
        streams = [each for each in world.server.streams if (each.client, each.job_id) == (client, job_id)]
        # At its end a look is made, too; what it told and no look shows is looked for some times.
        allowed += sum((2 + DOUBTS) * (each.events + ("stream too long" in each.odd)) + 1 for each in streams)
        if count > allowed:
            yield f"R8 {count} looks at {job_id} came though it was blocked, {allowed} may"


def _look_too_soon(world: World, exchanges: Sequence[Exchange]) -> Iterable[str]:
    floor = world.plan.pace.min_interval
    jobs: dict[str, tuple[float, float]] = {}
    for each in exchanges:
        if each.job_id is None or each.answered is None:
            continue
        asked, free = jobs.get(each.job_id, (-1e9, -1e9))
        too_soon = each.asked < asked + floor - TICK or each.asked < free - TICK
        if too_soon and each.asked > asked + TICK:
            yield f"R1 a look at {each.job_id} at {each.asked:.3f}, before {max(asked + floor, free):.3f}"
        jobs[each.job_id] = each.asked, each.answered + (each.stay_away or 0.0)


def _did_not_stay_away(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    told = [each for each in exchanges if each.stay_away and each.answered is not None]
    world.sometimes["asked to stay away"] += len(told)
    for each in told:
        answered, asked_for = each.answered or 0.0, each.stay_away or 0.0
        end = answered + min(asked_for, LONGEST_PAUSE)
        requests = (*(other.asked for other in exchanges), *_others(world, client))
        broken = next((asked for asked in requests if answered + TICK < asked < end - TICK), None)
        if broken is not None:
            yield f"R2 asked at {broken:.3f} though told at {answered:.3f} to stay away for {asked_for:g} s"
            return


def _not_asked_for(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    for each in exchanges:
        if each.job_id is None:
            continue
        if not any(
            heard.job_id == each.job_id
            and _polls(heard, client)
            and heard.began <= each.asked <= (_left(heard) or world.closed_at) + TICK
            for heard in world.heard
        ):
            yield f"R4 {each.job_id} was looked at {each.asked:.3f} while nobody waited for it"
            return


def _is_polled(client: str) -> bool:
    return client in ("main", "watch") or client.startswith("life-")


def _polls(heard: Heard, client: str) -> bool:
    return any(leg.client == client for leg in (heard.legs if heard.who == "journals" else heard.legs[:1]))


def _left(heard: Heard) -> float | None:
    """Return when somebody left who went on by other clients, or knew the end."""
    return heard.legs[1].began if len(heard.legs) > 1 and heard.who != "journals" else heard.until


def _silent(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    plan = world.plan
    slowed = plan.max_rate is not None or plan.quota or any(each.verdict == faults.LIMITED for each in exchanges)
    if slowed or "rate told" in plan.rates or len(plan.jobs) > 60 or plan.max_in_flight < 3:
        return
    # A request may hang, and keep others from being made; where streams alone are wrong none does.
    only_streams = plan.rates.keys() <= set(faults.STREAM) and plan.traits <= {"streams"}
    longest = 1.5 * plan.pace.max_interval + (10.0 * plan.latency + 1.0 if only_streams else 31.0) + TICK
    for heard in world.heard:
        if not _polls(heard, client) or heard.who in ("all", "watches", "journals") or not heard.prompt:
            continue  # a watcher looks slowly at what a wait would have given up
        end = _left(heard) or world.closed_at
        at = heard.began
        for each in exchanges:
            at = _followed_until(world, client, heard.job_id, at, longest)
            if each.asked > end or each.asked - at > longest:
                break
            if each.asked >= heard.began and (each.job_id == heard.job_id or heard.job_id in each.shown):
                at = max(at, each.asked)
            if each.stay_away and each.answered is not None:
                at = max(at, each.answered + each.stay_away)
        at = _followed_until(world, client, heard.job_id, at, longest)
        if end - at > longest:
            yield f"R5 {heard.job_id}: no look between {at:.3f} and {end:.3f}"


def _late(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    """A first look that is not made at once, though nothing keeps it back."""
    plan = world.plan
    if plan.max_rate is not None or plan.quota or "rate told" in plan.rates or len(plan.jobs) > 60:
        return
    for heard in world.heard:
        if not _polls(heard, client) or heard.who == "journals" or (heard.until or world.closed_at) - heard.began < 0.1:
            continue
        at = heard.began
        listeners = [each for each in world.listeners(heard.job_id) if each is not heard and _polls(each, client)]
        if any(each.began <= at and (_left(each) or world.closed_at) >= at - TICK for each in listeners):
            continue  # it is looked at already
        before = [each for each in exchanges if each.asked <= at + NEWCOMER]
        under_way = sum(each.answered is None or each.answered >= at - TICK for each in before)
        kept_back = any(each.stay_away or each.verdict == faults.LIMITED for each in before)
        if kept_back or under_way >= plan.max_in_flight:
            continue
        asked = (each.asked for each in exchanges if each.job_id in (heard.job_id, None))
        if not any(at - TICK <= each <= at + NEWCOMER for each in asked):
            yield f"R7 {heard.job_id}: somebody came at {at:.3f}, and no look was made"
            return


def _followed_until(world: World, client: str, job_id: str, at: float, longest: float) -> float:
    """Return until when a stream that spoke may stand for looks after one at a time; never longer than a beat."""
    followed = at
    for each in world.server.streams:
        if (each.client, each.job_id) == (client, job_id) and each.spoke_at is not None:
            closed_at = world.closed_at if each.closed_at is None else each.closed_at
            if each.spoke_at < at + longest and closed_at > at:
                followed = max(followed, closed_at)
    return min(followed, at + BEATS * world.plan.pace.max_interval)


__all__ = ["wrongs"]
