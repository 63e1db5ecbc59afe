"""What truly happened: jobs with histories made up from a seed, which no client ever sees directly."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jobwatch import Job, Phase
from jobwatch.apis import BEDROCK

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp() - 1000.0
"""What is added to the loop's time for Unix seconds, so that the world begins with the year."""

_WORDS = {
    "bedrock": {
        Phase.PENDING: ("PENDING", "QUEUED", "Pending", "queued"),
        Phase.RUNNING: ("RUNNING", "STARTED", "Running", "started"),
        Phase.SUCCEEDED: ("COMPLETED", "SUCCEEDED", "Completed"),
        Phase.FAILED: ("FAILED", "ERROR", "Failed"),
        Phase.CANCELLED: ("CANCELED", "CANCELLED", "Canceled"),
        Phase.UNKNOWN: ("VALIDATING", "PAUSED", "done?", "Success", "successfully_queued", "FAILED_OVER", "完了"),
    },
    "capydb": {
        Phase.PENDING: ("pending",),
        Phase.RUNNING: ("running",),
        Phase.SUCCEEDED: ("completed",),
        Phase.FAILED: ("failed",),
        Phase.CANCELLED: ("canceled", "cancelled"),
        Phase.UNKNOWN: ("verifying", "throttled", "complete", "failing"),
    },
}

_ENDS = (Phase.SUCCEEDED,) * 5 + (Phase.FAILED,) * 4 + (Phase.CANCELLED,)
ENDED = (Phase.SUCCEEDED, Phase.PARTIAL, Phase.FINISHED, Phase.FAILED, Phase.CANCELLED)

MORE_WORDS: Mapping[Phase, Sequence[str]] = {
    Phase.BLOCKED: ("AWAITS_APPROVAL", "INPUT_NEEDED"),
    Phase.PARTIAL: ("PARTLY_FAILED", "SOME_FAILED"),
    Phase.FINISHED: ("OVER", "THROUGH"),
}
"""Words of a server whose jobs wait for people, fail in part, or are over without a word on how."""


class State(Struct, frozen=True):
    """One state that a job truly entered: the server's word, its true meaning, when, and in which attempt."""

    word: str
    phase: Phase
    at: float
    attempt: int


class TrueJob(Struct, eq=False):
    """One job on the server.

    Attributes:
        shape: How the server tells of it: "cms", "vision" (both Bedrock's, with a history), "bare" (without), "capydb".
        appears_at: When the server first knows it, on the loop's clock.
        keeps: How many of the latest entries of its history the server keeps; 0 for all.
        coarse: Whether its timestamps are whole seconds.
        dated: Whether the server says when it was last changed.
        style: How the server writes its timestamps.
        numeric: Whether the server sends its id as a number.
        timeless: Whether its history never has timestamps.
        newest_first: Whether its history is told so.
        by_status: Whether the HTTP status alone tells its state, and the body is always the same.
        end_early: Whether its end is told before another state that it entered in the same second.
    """

    id: str
    shape: str
    project_id: str | None
    type: str
    states: tuple[State, ...]
    appears_at: float
    keeps: int = 0
    coarse: bool = False
    dated: bool = True
    style: str = "z"
    numeric: bool = False
    timeless: bool = False
    newest_first: bool = False
    end_early: bool = False
    by_status: bool = False
    places: dict[str, list[int]] = {}
    times: dict[float, list[float]] = {}

    def places_of(self, word: str) -> list[int]:
        """Return which of its states are told by a word, without regard to case."""
        if not self.places:
            for place, state in enumerate(self.states):
                self.places.setdefault(as_compared(state.word), []).append(place)
        return self.places.get(as_compared(word), [])

    @property
    def tells_history(self) -> bool:
        return self.shape in ("cms", "vision")

    def index_at(self, at: float) -> int:
        """Return the place of the state the job is in at a time of the loop's clock; -1 before its first."""
        index = -1
        for state in self.states:
            if state.at > at:
                break
            index += 1
        return index

    def start_before(self, index: int) -> int | None:
        """Return the place of the latest start up to a state."""
        return next((each for each in range(index, -1, -1) if self.states[each].phase is Phase.RUNNING), None)

    def told_at(self, index: int, skew: float) -> float:
        """Return when a state was entered as the server tells it, in Unix seconds."""
        return self.told(skew)[index]

    def told(self, skew: float) -> Sequence[float]:
        """Return when each state was entered as the server tells it, in Unix seconds; asked for once all is made up."""
        if skew not in self.times:
            self.times[skew] = [
                EPOCH + skew + (math.floor(state.at) if self.coarse else state.at) for state in self.states
            ]
        return self.times[skew]


BY_STATUS: Mapping[Phase, tuple[int, str]] = {
    Phase.PENDING: (201, "PENDING"),
    Phase.RUNNING: (202, "RUNNING"),
    Phase.SUCCEEDED: (200, "COMPLETED"),
    Phase.FAILED: (203, "FAILED"),
}
"""By which HTTP status a server tells a phase that puts nothing else of it into its answers, and by which word it is
known then."""

BY_STATUS_MARK = b'"told_by_status":true'


def read_by_status(body: bytes, http_status: int, _job_id: str, _headers: object) -> Job:
    """Read a job as Bedrock's, with its state from the HTTP status where its body leaves that to it."""
    if BY_STATUS_MARK in body:
        word = next((word for status, word in BY_STATUS.values() if status == http_status), None)
        body = msgspec.json.encode({"status": word, **msgspec.json.decode(body)})
    return BEDROCK.read_job(body)


def told_by_status(states: Sequence[State]) -> tuple[State, ...] | None:
    """Return the same states with the words that stand for HTTP statuses; None where one has none."""
    if any(state.phase not in BY_STATUS for state in states):
        return None
    return tuple(State(BY_STATUS[state.phase][1], state.phase, state.at, state.attempt) for state in states)


@functools.lru_cache(maxsize=1024)
def as_compared(word: str) -> str:
    """Return a word as it is compared: its ASCII letters in one case, and no others."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


_MEANT = {as_compared(word): phase for phase, words in MORE_WORDS.items() for word in words}


def looking_alike(rng: Random, states: Sequence[State]) -> tuple[State, ...]:
    """Have some states be told by words that look like documented ones, and are none."""
    words = ("\u017fUCCEEDED", "\u017fucceeded", "\uff26\uff21\uff29\uff2c\uff25\uff24", "QUEUED\u200b", "\u017ftarted")
    alike = list(states)
    for place, state in enumerate(states):
        if state.phase is Phase.UNKNOWN or (state.phase is Phase.RUNNING and rng.random() < 0.2):
            alike[place] = State(rng.choice(words), Phase.UNKNOWN, state.at, state.attempt)
    repeated = any(as_compared(one.word) == as_compared(other.word) for one, other in itertools.pairwise(alike))
    return tuple(states if repeated else alike)


def with_more_phases(rng: Random, states: Sequence[State], *, lower: bool) -> tuple[State, ...]:
    """Have a job wait for people on its way, for some time each, and end in part or without a word on how.

    Args:
        rng: Decides where and for how long.
        states: What the job goes through without that.
        lower: Whether its server writes its words in lower case.
    """
    more: list[State] = []
    later = 0.0

    def word(phase: Phase) -> str:
        chosen = rng.choice(MORE_WORDS[phase])
        return chosen.lower() if lower else chosen

    for place, state in enumerate(states):
        phase, told = state.phase, state.word
        if phase in ENDED and rng.random() < 0.7:
            phase = rng.choice((Phase.PARTIAL, Phase.FINISHED))
            told = word(phase)
        elif phase is Phase.PENDING and place and rng.random() < 0.5:
            phase, told = Phase.BLOCKED, word(Phase.BLOCKED)
        more.append(State(told, phase, round(state.at + later, 3), state.attempt))
        if place + 1 == len(states) or phase in ENDED:
            continue
        if phase is Phase.BLOCKED:
            later += log_uniform(rng, 0.5, 200.0)
        elif rng.random() < 0.4:
            at = round(state.at + later + (states[place + 1].at - state.at) / 2, 3)
            more.append(State(word(Phase.BLOCKED), Phase.BLOCKED, at, state.attempt))
            later += log_uniform(rng, 0.5, 200.0)
    repeated = any(as_compared(one.word) == as_compared(other.word) for one, other in itertools.pairwise(more))
    return tuple(states if repeated else more)


def meant(job: Job) -> Job:
    """Return a job with what the words of such a server mean."""
    events = job.events
    if events is not None and any(as_compared(event.status) in _MEANT for event in events):
        events = tuple(replace(each, phase=_MEANT.get(as_compared(each.status), each.phase)) for each in events)
    return replace(job, phase=_MEANT.get(as_compared(job.status), job.phase), events=events)


def log_uniform(rng: Random, least: float, most: float) -> float:
    return math.exp(rng.uniform(math.log(least), math.log(most)))


def history(
    rng: Random, api: str, start: float, *, scale: float, unknowns: bool, reopens: bool, chatty: bool
) -> tuple[State, ...]:
    """Make up what one job goes through.

    Args:
        start: When it is created.
        scale: The longest that a state of it usually lasts, in seconds.
        unknowns: Whether it may enter states by words that nobody documented.
        reopens: Whether the server may take a job up again that had ended.
        chatty: Whether it is queued and started again very many times.
    """
    words = _WORDS[api]
    path = _path(rng, unknowns=unknowns, chatty=chatty)
    if reopens and path[-1] in ENDED:
        path += [Phase.RUNNING, rng.choice(_ENDS)] if rng.random() < 0.7 else [_other(rng, path[-1])]
    states: list[State] = []
    at, attempt, last = start, 0, ""
    for phase in path:
        attempt += phase is Phase.RUNNING
        word = rng.choice([word for word in words[phase] if word.casefold() != last] or words[phase])
        last = word.casefold()
        states.append(State(word, phase, round(at, 3), attempt))
        at += max(0.002, log_uniform(rng, 0.01, scale / (8 if chatty else 1)))
    if rng.random() < 0.1 and states[-1].phase in ENDED:
        states.pop()  # it never ends
    return tuple(states)


def _path(rng: Random, *, unknowns: bool, chatty: bool) -> list[Phase]:
    path = [Phase.PENDING]

    def may_be_odd() -> None:
        if unknowns and rng.random() < 0.4:
            path.append(Phase.UNKNOWN)

    may_be_odd()
    attempts = rng.randint(30, 80) if chatty else rng.choice((0, 1, 1, 1, 1, 2, 3, 4))
    for attempt in range(attempts):
        path.append(Phase.RUNNING)
        may_be_odd()
        if attempt + 1 < attempts:
            path.append(Phase.PENDING)
    path.append(rng.choice(_ENDS) if attempts else Phase.CANCELLED)
    return path


def _other(rng: Random, end: Phase) -> Phase:
    return rng.choice([phase for phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED) if phase is not end])


@functools.lru_cache(maxsize=4096)
def stamp(unix: float, style: str) -> str | int | float:
    """Write a timestamp in one of the ways that servers do."""
    match style:
        case "seconds":
            return round(unix, 3)
        case "milliseconds":
            return round(unix * 1000)
        case _:
            moment = datetime.fromtimestamp(round(unix, 3), UTC)
            text = moment.isoformat(timespec="milliseconds")[: -len("+00:00")]
            return text + {"z": "Z", "offset": "+00:00", "naive": "", "nano": "000000Z"}[style]


STYLES: Sequence[str] = ("z", "offset", "naive", "nano", "seconds", "milliseconds")
