"""`jobwatch.otel`: what OpenTelemetry's own in-memory exporters get of a client."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, StatusCode

from jobwatch import Client, ConfigError, Fault, FaultKind, JobFailed, Problem, SyncClient, WaitTimeout
from jobwatch.otel import instrument
from jobwatch.testing import FakeSource
from tests.virtual import on_virtual_clock


class Heard:
    """The SDK with exporters that keep what they get."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._reader])

    def instrument(self, client: Client | SyncClient) -> None:
        instrument(client, tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return each metric's points, by what stands in their attributes beside the API."""
        data = self._reader.get_metrics_data()
        found: dict[str, dict[str, Any]] = {}
        for each in [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics:
            for point in each.data.data_points:
                attributes = dict(point.attributes or {})
                assert attributes.pop("jobwatch.api") == "fake"
                key = ",".join(map(str, attributes.values()))
                found.setdefault(each.name, {})[key] = getattr(point, "value", point)
        return found


@on_virtual_clock
async def test_a_wait_is_a_span_with_an_event_for_each_state() -> None:
    source, heard = FakeSource(), Heard()
    source.add("a", [("running", 0), ("succeeded", 30)])
    async with Client(source=source) as client:
        heard.instrument(client)
        with heard.tracers.get_tracer("mine").start_as_current_span("caller") as caller:
            await client.wait_for("a")
    span, _ = heard.spans
    assert span.name == "wait fake"
    assert span.parent is not None
    assert span.parent.span_id == caller.get_span_context().span_id
    assert [event.name for event in span.events] == ["jobwatch.transition"] * 2
    told = [(dict(event.attributes or {})["jobwatch.job.phase"], event.timestamp) for event in span.events]
    assert [phase for phase, _ in told] == ["running", "succeeded"]
    assert 29.9e9 < told[1][1] - told[0][1] < 40e9, "each at the time at which it was seen"
    assert dict(span.attributes or {}) == {
        "jobwatch.api": "fake",
        "jobwatch.job.id": "a",
        "jobwatch.looks": client.stats.looks,
        "jobwatch.job.status": "succeeded",
        "jobwatch.job.phase": "succeeded",
        "jobwatch.outcome": "succeeded",
    }
    assert span.status.status_code is StatusCode.UNSET


@on_virtual_clock
async def test_what_went_wrong_is_an_error_of_the_span_and_a_wait_that_was_left_is_none() -> None:
    source, heard = FakeSource(), Heard()
    source.add("a", [("running", 0), ("failed", 5)], error=Problem("secret words of the server"))
    source.add("b", [("running", 0)])
    async with Client(source=source) as client:
        heard.instrument(client)
        with pytest.raises(JobFailed):
            await client.wait_for("a")
        with pytest.raises(WaitTimeout):
            await client.wait_for("b", timeout=5)
        async for _ in client.wait_for("b"):
            break
        task = asyncio.get_running_loop().create_task(client.wait_for("b"))
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.wait([task])
    failed, late, *left = heard.spans
    assert (failed.status.status_code, dict(failed.attributes or {})["error.type"]) == (StatusCode.ERROR, "failed")
    assert (late.status.status_code, dict(late.attributes or {})["error.type"]) == (StatusCode.ERROR, "timeout")
    assert len(left) == 2
    for span in left:
        assert span.status.status_code is StatusCode.UNSET
        assert "jobwatch.outcome" not in dict(span.attributes or {})
    assert "secret words" not in "".join(span.to_json() for span in heard.spans)


@on_virtual_clock
async def test_metrics_are_those_of_the_statistics_over_all_clients_also_those_that_are_gone() -> None:
    source, heard = FakeSource(), Heard()
    source.add("a", [("running", 0), ("succeeded", 30)])
    source.add("b", [("running", 0)])
    source.trouble(Fault(FaultKind.UNREACHABLE, "no"), of="a", times=2)
    first, second = Client(source=source, max_rate=10.0), Client(source=source)
    for client in (first, second):
        heard.instrument(client)
    task = asyncio.get_running_loop().create_task(second.wait_for("b"))
    await first.wait_for("a")
    found = heard.metrics()
    looks = first.stats.looks + second.stats.looks
    assert found["jobwatch.looks"] == found["jobwatch.requests"] == {"": looks}
    assert found["jobwatch.faults"] == {"unreachable": 2}
    assert found["jobwatch.ended_jobs"] == {"succeeded": 1}
    assert found["jobwatch.job.count"] == {"running": 1}
    assert found["jobwatch.request.rate.limit"] == {"": 10.0}
    assert found["jobwatch.request.demand"][""] > 0.0
    lag = found["jobwatch.detection.lag"]["succeeded"]
    assert (lag.count, lag.sum) == (1, pytest.approx(first.stats.lag.mean))
    task.cancel()
    await asyncio.wait([task])
    await first.aclose()
    await second.aclose()
    del first, second, client, task
    gc.collect()
    after = heard.metrics()
    assert after["jobwatch.looks"] == {"": looks}
    assert "jobwatch.job.count" not in after


@on_virtual_clock
async def test_a_processor_that_raises_spoils_no_wait() -> None:
    class Raising(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            raise ValueError

    source, tracers = FakeSource(), TracerProvider()
    source.add("a", ["succeeded"])
    tracers.add_span_processor(Raising())
    async with Client(source=source) as client:
        instrument(client, tracer_provider=tracers, meter_provider=MeterProvider())
        assert (await client.wait_for("a")).status == "succeeded"


def test_a_client_is_instrumented_once_and_without_async_as_well() -> None:
    heard = Heard()
    with SyncClient(source=FakeSource()) as client:
        heard.instrument(client)
        with pytest.raises(ConfigError, match="instrumented already"):
            heard.instrument(client)


@on_virtual_clock
async def test_where_no_provider_is_set_nothing_is_told_and_nothing_is_in_the_way() -> None:
    source = FakeSource()
    source.add("a", [("running", 0), ("succeeded", 3)])
    async with Client(source=source) as client:
        instrument(client)
        assert (await client.wait_for("a")).status == "succeeded"
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.slow
def test_it_is_imported_by_nobody_else_and_says_what_to_install() -> None:
    code = (
        "import sys, jobwatch; jobwatch.Client(source=type('S', (), {'key': 's', 'job': print})());"
        "assert not any('opentelemetry' in name for name in sys.modules);"
        "sys.modules['opentelemetry'] = None; import jobwatch.otel"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1] == (
        "ImportError: jobwatch.otel needs OpenTelemetry: pip install 'jobwatch-client[otel]'"
    )
