"""Families and spans as OpenTelemetry's SDK has them, and over OTLP/HTTP (protobuf) to a collector. Needs the extra `otel`.

    tidegate_requests_total -> tidegate.requests (cumulative sum)     *_seconds -> unit s     *_bytes -> By     *_percent -> %

A backend of Prometheus' kind gives them their names back, so one dashboard serves both ways.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from prometheus_client.core import Metric as Family

from tidegate import __version__
from tidegate.errors import ConfigError
from tidegate.exports.spans import Span

UNITS: Final = {"seconds": "s", "bytes": "By", "percent": "%", "": "1"}
TIMEOUT = 10.0


class Collector:
    """Sends to one address. Errors at making: ConfigError where the extra is not installed."""

    def __init__(self, address: str, headers: Mapping[str, str], resource: Mapping[str, str]) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
        except ImportError as exc:
            raise ConfigError("telemetry.otlp needs OpenTelemetry: pip install 'tidegate[otel]'") from exc
        more: dict[str, Any] = {"headers": dict(headers), "timeout": TIMEOUT}
        self._spans = OTLPSpanExporter(endpoint=f"{address}/v1/traces", **more)
        self._metrics = OTLPMetricExporter(endpoint=f"{address}/v1/metrics", **more)
        self._resource = Resource(dict(resource))
        self._began: dict[tuple[str, ...], tuple[float, int]] = {}

    def send_spans(self, spans: Sequence[Span]) -> bool:
        """Whether they arrived. Waits for the answer, and tries again, for at most TIMEOUT seconds."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        made = [_span(span, self._resource) for span in spans]
        return bool(self._spans.export(made) is SpanExportResult.SUCCESS)

    def send_metrics(self, families: Iterable[Family], now: float | None = None) -> bool:
        """Likewise."""
        from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, ResourceMetrics, ScopeMetrics

        moment = int((now or time.time()) * 1e9)
        metrics = [made for family in families if (made := self._metric(family, moment)) is not None]
        scope = ScopeMetrics(_scope(), metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        return bool(self._metrics.export(data) is MetricExportResult.SUCCESS)

    def close(self) -> None:
        """Let go of the connections."""
        self._spans.shutdown()
        self._metrics.shutdown()

    def _metric(self, family: Family, moment: int) -> Any:
        from opentelemetry.sdk.metrics.export import (
            AggregationTemporality,
            Gauge,
            Histogram,
            HistogramDataPoint,
            Metric,
            NumberDataPoint,
            Sum,
        )

        cumulative = AggregationTemporality.CUMULATIVE
        name = family.name.removesuffix(f"_{family.unit}" if family.unit else "").replace("tidegate_", "tidegate.", 1)
        data: Any
        if family.type == "histogram":
            points = []
            for labels, bounds, counts, total in _histograms(family):
                began = self._since((family.name, *labels.values()), float(sum(counts)), moment)
                points.append(
                    HistogramDataPoint(labels, began, moment, sum(counts), total, counts, bounds, 0.0, 0.0)
                )  # fmt: skip
            data = Histogram(points, cumulative)
        elif family.type == "counter":
            data = Sum(
                [
                    NumberDataPoint(dict(one.labels), self._since(_key(one), one.value, moment), moment, float(one.value))
                    for one in family.samples
                ],
                cumulative, True,
            )  # fmt: skip
        else:
            data = Gauge([NumberDataPoint(dict(one.labels), 0, moment, float(one.value)) for one in family.samples])
        return Metric(name, family.documentation, UNITS[family.unit], data)

    def _since(self, series: tuple[str, ...], value: float, moment: int) -> int:
        """When this counter began, as far as we saw: a fall is a new beginning, as OTLP wants it said."""
        before, began = self._began.get(series, (0.0, moment))
        if value < before:
            began = moment
        self._began[series] = (value, began)
        return began


def _key(sample: Any) -> tuple[str, ...]:
    return (sample.name, *sample.labels.values())


def _histograms(family: Family) -> list[tuple[dict[str, str], list[float], list[int], float]]:
    """Labels, upper bounds, counts a bucket (not added up), and the sum, of each series."""
    found: dict[tuple[tuple[str, str], ...], tuple[list[float], list[int], list[float]]] = {}
    for one in family.samples:
        labels = {name: value for name, value in one.labels.items() if name != "le"}
        bounds, counts, total = found.setdefault(tuple(labels.items()), ([], [], [0.0]))
        if one.name.endswith("_bucket"):
            counts.append(int(one.value) - sum(counts))
            if one.labels["le"] != "+Inf":
                bounds.append(float(one.labels["le"]))
        elif one.name.endswith("_sum"):
            total[0] = float(one.value)
    return [(dict(labels), bounds, counts, total[0]) for labels, (bounds, counts, total) in found.items()]


def _scope() -> Any:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    return InstrumentationScope("tidegate", __version__)


def _span(span: Span, resource: Any) -> Any:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(id: str, is_remote: bool) -> Any:
        return SpanContext(int(span.trace, 16), int(id, 16), is_remote, TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        span.name,
        context(span.id, False),
        context(span.parent, span.parent_is_remote) if span.parent else None,
        resource,
        dict(span.attributes),
        kind=SpanKind.SERVER if span.kind == "server" else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.error[:500]) if span.error else Status(),
        start_time=span.start,
        end_time=span.end,
        instrumentation_scope=_scope(),
    )
