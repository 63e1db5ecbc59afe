"""What must hold of the requests themselves, as the server counts them.

* R1 **floor**: two looks at a job by one poller are at least the shortest interval apart, except that each newcomer
  and each time limit may cause one look at once.
* R2 **stay away**: a poller sends nothing before the time that the server asked it to wait has passed, or the longest
  that it needs to believe.
* R3 **rate**: with a rate given, never more than the rate and its burst, in any stretch of time.
* R4 **silence**: after its end, and when nobody listens, a job is not looked at.
* R5 **alive**: a wait that goes on is looked after: never silent for longer than the longest interval and what the
  server asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from . import faults

if TYPE_CHECKING:
    from .people import Heard
    from .server import Exchange
    from .world import World

TICK = 0.002
BURST_SECONDS = 0.25

AWAY_AT_MOST = 300.0
"""For how long a client may believe that it is to stay away; then one request may ask again."""


def wrongs(world: World) -> Iterable[str]:
    """Return what was wrong with the requests of a run."""
    for client, exchanges in world.by_client.items():
        yield from _over_rate(world, client, exchanges)
        if _is_polled(client):
            yield from _too_soon(world, client, exchanges)
            yield from _not_asked_for(world, client, exchanges)
            yield from _silent(world, client, exchanges)
            yield from _did_not_stay_away(world, exchanges)
            world.sometimes["list asked for"] += sum(each.job_id is None for each in exchanges)
        else:
            yield from _look_too_soon(world, exchanges)


def _over_rate(world: World, client: str, exchanges: Sequence[Exchange]) -> Iterable[str]:
    rate = world.plan.max_rate
    if rate is None or not _is_polled(client):
        return
    burst = max(1.0, rate * BURST_SECONDS)
    tokens, at = burst, 0.0
    for each in exchanges:
        tokens = min(burst, tokens + (each.asked - at) * rate) - 1.0
        at = each.asked
        if tokens < -0.01:
            yield f"R3 more than {rate} requests a second at {at:.3f}"
            return


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
        if count > allowed:
            yield f"R1 {count} looks at {job_id} came sooner than {floor} s after another, {allowed} may"


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


def _did_not_stay_away(world: World, exchanges: Sequence[Exchange]) -> Iterable[str]:
    told = [each for each in exchanges if each.stay_away and each.answered is not None]
    world.sometimes["asked to stay away"] += len(told)
    for each in told:
        answered, asked_for = each.answered or 0.0, each.stay_away or 0.0
        end = answered + min(asked_for, AWAY_AT_MOST)
        broken = next((other for other in exchanges if answered + TICK < other.asked < end - TICK), None)
        if broken is not None:
            yield f"R2 asked at {broken.asked:.3f} though told at {answered:.3f} to stay away for {asked_for:g} s"
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
    longest = 1.5 * plan.pace.max_interval + 31.0 + TICK
    for heard in world.heard:
        if not _polls(heard, client) or heard.who in ("all", "watches", "journals") or not heard.prompt:
            continue  # a watcher looks slowly at what a wait would have given up
        end = _left(heard) or world.closed_at
        at = heard.began
        for each in exchanges:
            if each.asked > end or each.asked - at > longest:
                break
            if each.asked >= heard.began and (each.job_id == heard.job_id or heard.job_id in each.shown):
                at = max(at, each.asked)
            if each.stay_away and each.answered is not None:
                at = max(at, each.answered + each.stay_away)
        if end - at > longest:
            yield f"R5 {heard.job_id}: no look between {at:.3f} and {end:.3f}"


__all__ = ["wrongs"]
