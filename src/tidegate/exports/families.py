"""Every metric that we export: name, type, unit, help. Base units; names end in their unit, counters in `_total`.

Labels: endpoint, model, version, role (stable, canary, baseline, shadow, human), stage; `worker` is the gateway worker that
counted. Counters are kept a worker: one that restarts begins at 0, which Prometheus' rate() takes for what it is, and
`sum without (worker) (rate(...))` is right. (A sum over workers would seem to jump back.)
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from prometheus_client.core import Metric

Kind = Literal["counter", "gauge", "histogram", "info", "stateset"]


class Family(msgspec.Struct, frozen=True):
    """One metric. `labels` beside those that every one of its group has."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()

    def metric(self) -> Metric:
        """An empty one, to be filled."""
        return Metric(self.name, self.help, self.kind, self.unit)

    @property
    def samples(self) -> tuple[str, ...]:
        """The names under which its samples are found."""
        if self.kind == "counter":
            return (f"{self.name}_total",)
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (f"{self.name}_info",) if self.kind == "info" else (self.name,)


_SERVED = ("endpoint", "model", "version", "role", "stage")
_COUNTED = (*_SERVED, "worker")

_ALL = [
    Family("tidegate_build", "info", "", "The version that runs.", ("version",)),
    Family("tidegate_up", "gauge", "", "1 while the project's supervisor lives."),
    Family("tidegate_revision", "gauge", "", "Newest revision of the desired state, as `tidegate status` and the history number it."),
    Family("tidegate_revision_in_force", "gauge", "", "1 once every worker follows that revision."),
    Family("tidegate_routing_revision", "gauge", "", "Changes of the routing table so far: several a revision (loads, rollouts)."),
    Family("tidegate_requests", "counter", "", "Requests by class of their status (2xx, 4xx, 5xx); copies for a shadow have role "
           "shadow.", (*_COUNTED, "status")),
    Family("tidegate_request_duration_seconds", "histogram", "seconds", "From a request's head to its answer.", _COUNTED),
    Family("tidegate_queue_seconds", "gauge", "seconds", "Wait for the model over the last 5 whole minutes, by quantile.",
           (*_SERVED, "quantile")),
    Family("tidegate_infer_seconds", "gauge", "seconds", "The model's time a batch over the last 5 whole minutes, by quantile.",
           (*_SERVED, "quantile")),
    Family("tidegate_batch_rows", "gauge", "", "Mean rows of a request's batch over the last 5 whole minutes.", _SERVED),
    Family("tidegate_in_flight", "gauge", "", "Requests being answered.", ("worker",)),
    Family("tidegate_rejected", "counter", "", "Requests refused because too many were in flight.", ("worker",)),
    Family("tidegate_unlogged", "counter", "", "Answers without a record in the journal.", ("worker",)),
    Family("tidegate_journal_failures", "counter", "", "Failed journal writes.", ("worker",)),
    Family("tidegate_shadow_dropped", "counter", "", "Copies for a shadow that were dropped.", ("endpoint", "worker")),
    Family("tidegate_process_resident_memory_bytes", "gauge", "bytes", "Resident memory.", ("process", "kind")),
    Family("tidegate_process_restarts", "counter", "", "Restarts by the supervisor.", ("process", "kind")),
    Family("tidegate_process_start_time_seconds", "gauge", "seconds", "Unix time of its start.", ("process", "kind")),
    Family("tidegate_runner_state", "stateset", "", "State of a runner process.", ("model", "version", "replica")),
    Family("tidegate_journal_lag_bytes", "gauge", "bytes", "Journal that is not in the prediction log yet."),
    Family("tidegate_journal_lag_seconds", "gauge", "seconds", "How far the prediction log is behind."),
    Family("tidegate_log_rows", "counter", "", "Rows written to the prediction log."),
    Family("tidegate_log_damage", "counter", "", "Journal lines that were torn or corrupt.", ("kind",)),
    Family("tidegate_disk_free_bytes", "gauge", "bytes", "Free space on the state folder's disk."),
    Family("tidegate_split_weight_percent", "gauge", "percent", "Share of an endpoint's traffic that goes to a version.", _SERVED),
    Family("tidegate_rollout_phase", "stateset", "", "Phase of an endpoint's newest rollout.", ("endpoint", "version")),
    Family("tidegate_alarms_firing", "gauge", "", "Alarms that fire or are acknowledged.", ("endpoint", "severity")),
    Family("tidegate_incidents_open", "gauge", "", "Incidents that are not resolved.", ("endpoint",)),
    Family("tidegate_metric", "gauge", "", "Newest value of a monitor's metric: shares 0 to 1, seconds, bytes.",
           ("endpoint", "metric", "version", "segment")),
    Family("tidegate_metric_limit", "gauge", "", "The threshold it is held against, where it has one.",
           ("endpoint", "metric", "version", "segment")),
    Family("tidegate_stream_log_evidence", "gauge", "", "Natural log of an e-detector's statistic.",
           ("endpoint", "side", "column", "version")),
    Family("tidegate_stream_log_limit", "gauge", "", "Natural log of the statistic at which the alarm budget lets one fire."),
    Family("tidegate_stream_effect", "gauge", "", "Distance from the reference over the last rows, 0 to 1.",
           ("endpoint", "side", "column", "version")),
    Family("tidegate_monitor_time_seconds", "gauge", "seconds", "Unix time at which the monitor process last looked."),
    Family("tidegate_notifications", "counter", "", "Notices by channel and what came of them.", ("channel", "result")),
]  # fmt: skip

FAMILIES: Final = {family.name: family for family in _ALL}
