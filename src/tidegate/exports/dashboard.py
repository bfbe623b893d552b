"""A Grafana dashboard over /metrics: traffic, quality of service, rollouts, alarms and drift, the machine.

    tidegate metrics dashboard > tidegate.json      then in Grafana: Dashboards, New, Import

It asks for its data source (any of Prometheus' kind) when imported; the variables narrow it to endpoints and versions.
"""

from __future__ import annotations

from typing import Any

SCHEMA = 39
"""Of Grafana 10.4 and later, which migrate it by themselves."""

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_OF = 'endpoint=~"$endpoint",version=~"$version"'
_ROW = tuple[str, str, list[tuple[str, str]], dict[str, Any]]

_TRAFFIC: list[_ROW] = [
    (
        "Requests a second", "reqps",
        [(f"sum by (endpoint, version, role) (rate(tidegate_requests_total{{{_OF}}}[$__rate_interval]))",
          "{{endpoint}} {{version}} {{role}}")],
        {},
    ),
    (
        "Share of errors (5xx)", "percentunit",
        [(f'sum by (endpoint, version) (rate(tidegate_requests_total{{{_OF},status="5xx",role!="shadow"}}[$__rate_interval])) '
          f'/ sum by (endpoint, version) (rate(tidegate_requests_total{{{_OF},role!="shadow"}}[$__rate_interval]))',
          "{{endpoint}} {{version}}")],
        {"min": 0},
    ),
    (
        "Latency", "s",
        [(f"histogram_quantile({q}, sum by (le, endpoint, version) (rate(tidegate_request_duration_seconds_bucket{{{_OF},"
          f'role!="shadow"}}[$__rate_interval])))', f"p{q * 100:g} {{{{endpoint}}}} {{{{version}}}}") for q in (0.5, 0.99)],
        {"min": 0},
    ),
    (
        "Queue and model, p99", "s",
        [(f'tidegate_queue_seconds{{{_OF},quantile="0.99"}}', "queue {{endpoint}} {{version}}"),
         (f'tidegate_infer_seconds{{{_OF},quantile="0.99"}}', "model {{endpoint}} {{version}}")],
        {"min": 0},
    ),
    ("Rows a batch", "short", [(f"tidegate_batch_rows{{{_OF}}}", "{{endpoint}} {{version}}")], {"min": 0}),
    (
        "In flight, and refused a second", "short",
        [("sum(tidegate_in_flight)", "in flight"), ("sum(rate(tidegate_rejected_total[$__rate_interval]))", "refused")],
        {"min": 0},
    ),
]  # fmt: skip

_CHANGE: list[_ROW] = [
    (
        "Traffic split", "percent",
        [(f"tidegate_split_weight_percent{{{_OF}}}", "{{endpoint}} {{version}} {{role}}")],
        {"min": 0, "max": 100},
    ),
    (
        "Phase of the rollout", "short",
        [(f"tidegate_rollout_phase{{{_OF}}} == 1", "{{endpoint}} {{version}} {{tidegate_rollout_phase}}")],
        {"min": 0, "max": 1},
    ),
]  # fmt: skip

_WATCH: list[_ROW] = [
    (
        "Alarms that fire", "short",
        [('sum by (endpoint, severity) (tidegate_alarms_firing{endpoint=~"$endpoint|"})', "{{endpoint}} {{severity}}"),
         ('tidegate_incidents_open{endpoint=~"$endpoint"}', "incidents {{endpoint}}")],
        {"min": 0, "decimals": 0},
    ),
    ("Metrics that are watched", "short", [('tidegate_metric{endpoint=~"$endpoint",metric=~"$metric"}', "{{endpoint}} {{metric}}"),
     ('tidegate_metric_limit{endpoint=~"$endpoint",metric=~"$metric"}', "limit {{endpoint}} {{metric}}")], {}),
    (
        "Evidence of drift (log), and where an alarm begins", "short",
        [('topk(10, tidegate_stream_log_evidence{endpoint=~"$endpoint"})', "{{endpoint}} {{side}} {{column}}"),
         ("tidegate_stream_log_limit", "limit")],
        {},
    ),
    (
        "Distance from the reference", "percentunit",
        [('topk(10, tidegate_stream_effect{endpoint=~"$endpoint"})', "{{endpoint}} {{side}} {{column}}")],
        {"min": 0},
    ),
]  # fmt: skip

_MACHINE: list[_ROW] = [
    ("Memory", "bytes", [("tidegate_process_resident_memory_bytes", "{{process}}")], {"min": 0}),
    ("Restarts in an hour", "short", [("increase(tidegate_process_restarts_total[1h])", "{{process}}")], {"min": 0}),
    (
        "Runners that are ready", "short",
        [('sum by (model, version) (tidegate_runner_state{tidegate_runner_state="ready"})', "{{model}} {{version}}")],
        {"min": 0, "decimals": 0},
    ),
    ("Prediction log behind the journal", "s", [("tidegate_journal_lag_seconds", "behind")], {"min": 0}),
    (
        "Journal not in the log, and free disk", "bytes",
        [("tidegate_journal_lag_bytes", "journal"), ("tidegate_disk_free_bytes", "free disk")],
        {"min": 0},
    ),
    (
        "What was lost", "short",
        [("sum(increase(tidegate_unlogged_total[1h]))", "answers without a record"),
         ("sum(increase(tidegate_journal_failures_total[1h]))", "failed journal writes"),
         ("sum(increase(tidegate_shadow_dropped_total[1h]))", "shadow copies"),
         ('sum by (channel) (increase(tidegate_notifications_total{result!="sent"}[1h]))', "notices to {{channel}}")],
        {"min": 0},
    ),
]  # fmt: skip

_SECTIONS = (("Traffic", _TRAFFIC), ("Change", _CHANGE), ("Monitoring", _WATCH), ("Machine", _MACHINE))


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON model."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, rows in _SECTIONS:
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": _grid(0, y, 24, 1)}
        )  # fmt: skip
        y += 1
        for number, (name, unit, targets, more) in enumerate(rows):
            panels.append(
                _panel(len(panels) + 1, name, unit, targets, more, _grid(number % 2 * 12, y + number // 2 * 8, 12, 8))
            )
        y += (len(rows) + 1) // 2 * 8
    return {
        "title": "Tidegate",
        "uid": "tidegate",
        "description": "Models in production: traffic, rollouts, alarms, drift.",
        "tags": ["tidegate"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source(), *(_variable(*one) for one in _VARIABLES)]},
        "panels": panels,
    }


_VARIABLES = (
    ("endpoint", "label_values(tidegate_split_weight_percent, endpoint)"),
    ("version", 'label_values(tidegate_split_weight_percent{endpoint=~"$endpoint"}, version)'),
    ("metric", 'label_values(tidegate_metric{endpoint=~"$endpoint"}, metric)'),
)


def _grid(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _source() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "type": "query", "name": name, "label": name.capitalize(), "datasource": _SOURCE, "query": query, "refresh": 2,
        "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _panel(
    id: int, title: str, unit: str, targets: list[tuple[str, str]], more: dict[str, Any], grid: dict[str, int]
) -> dict[str, Any]:
    return {
        "id": id,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": {"unit": unit, **more}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(65 + number), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for number, (expression, legend) in enumerate(targets)
        ],
    }
