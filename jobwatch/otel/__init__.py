"""OpenTelemetry for a client: a span a wait, and metrics of what it does (extra ``otel``).

Metrics are read from `Client.stats` when they are collected, and a span's events are added when its wait is over, so a
look costs the same as without. Names follow the semantic conventions: a namespace of our own, singular but for what is
counted, units of UCUM, ``error.type`` for what went wrong
(https://opentelemetry.io/docs/specs/semconv/general/naming/).
"""

from __future__ import annotations

import contextlib
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from .. import __version__
from .._client.access import counters_of
from .._client.client import Client
from .._errors import ConfigError
from .._models import Outcome
from .._sync.client import SyncClient, client_of

try:
    from opentelemetry import metrics, trace
except ImportError:
    raise ImportError("jobwatch.otel needs OpenTelemetry: pip install 'jobwatch-client[otel]'") from None

if TYPE_CHECKING:
    from datetime import datetime

    from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, Observation
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from .._core.stats import Stats
    from .._core.tracker import Watched
    from .._engine.counters import Counters
    from .._models import Transition

__all__ = ["instrument"]

_NAME: Final = "jobwatch"
_API: Final = "jobwatch.api"
_LAGS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_Key: TypeAlias = tuple[tuple[str, str], ...]
_Read: TypeAlias = "Callable[[Stats], dict[_Key, float]]"

_TOTALS: Final[dict[str, tuple[str, str, _Read]]] = {
    "jobwatch.requests": ("{request}", "Questions that were answered, or failed.", lambda it: {(): it.requests}),
    "jobwatch.looks": ("{look}", "How many times jobs were looked at.", lambda it: {(): it.looks}),
    "jobwatch.spared_requests": (
        "{request}",
        "Requests that lists and batches have spared.",
        lambda it: {(): it.spared},
    ),
    "jobwatch.unchanged_looks": (
        "{look}",
        "Looks answered by no more than that nothing has changed.",
        lambda it: {(): it.unchanged},
    ),
    "jobwatch.faults": (
        "{fault}",
        "Requests that failed.",
        lambda it: {(("error.type", kind.value),): count for kind, count in it.faults.items()},
    ),
    "jobwatch.ended_jobs": (
        "{job}",
        "Jobs that were seen to end.",
        lambda it: {(("jobwatch.outcome", outcome.value),): count for outcome, count in it.ended.items()},
    ),
}
"""The counters: the unit, what it counts, and where in the statistics it stands, by further attributes."""


def instrument(
    client: Client | SyncClient,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Have OpenTelemetry told of what a client does: a span for each wait that begins from now on, and metrics.

    Call it once for each client. A span begins in the context in which the wait is first awaited.

    Args:
        client: The client.
        tracer_provider: Where spans go; by default, to the global provider.
        meter_provider: Where metrics go; by default, to the global provider.

    Raises:
        ConfigError: The client is instrumented already.
    """
    plain = client_of(client) if isinstance(client, SyncClient) else client
    counters = counters_of(plain)
    if counters.observer is not None:
        raise ConfigError("this client is instrumented already")
    meters = _meters_of(metrics.get_meter_provider() if meter_provider is None else meter_provider)
    tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
    counters.observer = _Observer(plain.name, tracer, meters.lag)
    meters.add(plain, counters)


class _Observer:
    """Tells OpenTelemetry of the waits of one client, and of how late ends were known."""

    def __init__(self, api: str, tracer: Tracer, lag: Histogram) -> None:
        self._api = api
        self._tracer = tracer
        self._lag = lag

    def began(self, job_id: str) -> object:
        """Begin a span."""
        with contextlib.suppress(Exception):  # what a processor of the program's raises is none of the wait's business
            return self._tracer.start_span(f"wait {self._api}", attributes={_API: self._api, "jobwatch.job.id": job_id})
        return None

    def left(
        self, wait: object, watched: Watched, outcome: Outcome | None, transitions: tuple[Transition, ...]
    ) -> None:
        """End the span, with an event for each state."""
        if not isinstance(wait, trace.Span):
            return
        with contextlib.suppress(Exception):  # as above
            if wait.is_recording():
                _describe(wait, watched, outcome, transitions)
            wait.end()

    def ended(self, outcome: Outcome, lag: float) -> None:
        """Record how late an end was known."""
        with contextlib.suppress(Exception):  # as above
            self._lag.record(lag, {_API: self._api, "jobwatch.outcome": outcome.value})


def _describe(span: Span, watched: Watched, outcome: Outcome | None, transitions: Iterable[Transition]) -> None:
    for each in transitions:
        at: dict[str, str | bool] = {} if each.at is None else {"jobwatch.transition.at": each.at.isoformat()}
        at |= {"jobwatch.job.status": each.status, "jobwatch.job.phase": each.phase.value}
        span.add_event("jobwatch.transition", at | ({"jobwatch.gap": True} if each.gap else {}), _nanos(each.seen_at))
    span.set_attribute("jobwatch.looks", watched.looks)
    if watched.status is not None and watched.phase is not None:
        span.set_attributes({"jobwatch.job.status": watched.status, "jobwatch.job.phase": watched.phase.value})
    if outcome is None:
        return
    span.set_attribute("jobwatch.outcome", outcome.value)
    if outcome is not Outcome.SUCCEEDED:
        span.set_attribute("error.type", outcome.value)
        span.set_status(trace.StatusCode.ERROR)


def _nanos(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000


class _Meters:
    """The instruments of one provider, for all clients that are measured by it.

    A metric is summed over the clients of an API, and what one that is gone has counted stays counted.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self._clients: weakref.WeakSet[Client] = weakref.WeakSet()
        self._gone: dict[str, Counter[_Key]] = {name: Counter() for name in _TOTALS}
        meter = provider.get_meter(_NAME, __version__)
        for name, (unit, about, read) in _TOTALS.items():
            meter.create_observable_counter(name, [self._callback(read, self._gone[name])], unit, about)
        meter.create_observable_up_down_counter(
            "jobwatch.job.count", [self._callback(_jobs)], "{job}", "Jobs that are watched now."
        )
        meter.create_observable_gauge(
            "jobwatch.request.rate.limit",
            [self._callback(lambda it: {} if it.rate is None else {(): it.rate})],
            "{request}/s",
            "Requests that may be made, where anything limits them.",
        )
        meter.create_observable_gauge(
            "jobwatch.request.demand",
            [self._callback(lambda it: {(): it.demand})],
            "{request}/s",
            "Requests that all watched jobs would like.",
        )
        self.lag = meter.create_histogram(
            "jobwatch.detection.lag",
            "s",
            "From the end of a job until it was known.",
            explicit_bucket_boundaries_advisory=_LAGS,
        )

    def add(self, client: Client, counters: Counters) -> None:
        """Measure a client, for as long as it is there."""
        self._clients.add(client)
        weakref.finalize(client, self._keep, client.name, counters).atexit = False

    def _keep(self, api: str, counters: Counters) -> None:
        """Keep what a client has counted that is gone."""
        stats = counters.totals()
        for name, (_, _, read) in _TOTALS.items():
            self._gone[name].update(_keyed(api, read(stats)))

    def _callback(
        self, read: _Read, gone: Counter[_Key] | None = None
    ) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(_options: CallbackOptions) -> Iterator[Observation]:
            found: Counter[_Key] = Counter(gone or {})
            for client in list(self._clients):
                found.update(_keyed(client.name, read(client.stats)))
            return (metrics.Observation(value, dict(key)) for key, value in found.items())

        return observe


def _jobs(stats: Stats) -> dict[_Key, float]:
    jobs = {phase.value: count for phase, count in stats.jobs.items()} | {"unread": stats.unread}
    return {(("jobwatch.job.phase", phase),): count for phase, count in jobs.items() if count}


def _keyed(api: str, values: dict[_Key, float]) -> dict[_Key, float]:
    return {((_API, api), *key): value for key, value in values.items()}


_METERS: weakref.WeakKeyDictionary[MeterProvider, _Meters] = weakref.WeakKeyDictionary()


def _meters_of(provider: MeterProvider) -> _Meters:
    # A provider takes each instrument once.
    if provider not in _METERS:
        _METERS[provider] = _Meters(provider)
    return _METERS[provider]
