"""Sends metrics and traces to a collector from a thread of the monitor process, as `telemetry:` of the project says.

    run/project.json --options--> every `interval`: collect -> metrics      each second: journal tail -> spans (at most BATCH a call)

A collector that is away costs nobody anything: what it would have got of traces is skipped (tail.py), and metrics are
cumulative. What goes wrong is said once, until it goes well again.
"""

from __future__ import annotations

import sys
import threading
import time

import msgspec

from tidegate.errors import TidegateError
from tidegate.exports.options import TelemetryOptions
from tidegate.exports.otlp import Collector
from tidegate.exports.spans import Span, spans_of
from tidegate.exports.tail import Tail
from tidegate.storage.layout import Layout

TURN = 1.0
BATCH = 512


class Exporter:
    """`start` it once; it follows changes of the project file by itself, and idles where `telemetry.otlp` is empty."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._stamp = -1
        self._options = TelemetryOptions.model_validate({})
        self._collector: Collector | None = None
        self._tail: Tail | None = None
        self._next = 0.0
        self._said = ""
        self.spans = 0
        self.failed = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End after the call that is under way."""
        self._stop.set()
        self._thread.join(timeout)

    def turn(self) -> None:
        """What is done each second. Never fails."""
        try:
            self._follow()
            if self._collector is None:
                return
            if self._options.metrics and time.monotonic() >= self._next:
                self._next = time.monotonic() + self._options.interval
                self._send_metrics(self._collector)
            self._send_spans(self._collector)
        except Exception as exc:  # whatever a collector or a library does: monitoring goes on
            self._say(str(exc) if isinstance(exc, TidegateError) else f"{type(exc).__name__}: {exc}")

    def _run(self) -> None:
        while not self._stop.wait(TURN):
            self.turn()
        if self._collector is not None:
            self._collector.close()

    def _follow(self) -> None:
        path = self._layout.run / "project.json"
        try:
            stamp = path.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        project = msgspec.json.decode(path.read_bytes())
        options = TelemetryOptions.model_validate(project.get("telemetry") or {})
        if self._collector is not None:
            self._collector.close()
            self._collector = None
        self._options, self._next = options, 0.0
        if not options.otlp:
            return
        from tidegate.notify.urls import fill

        name = str(project.get("project", ""))
        headers = {key: fill(value, field="telemetry.headers") for key, value in options.headers.items()}
        resource = {"service.name": options.service or name, "service.namespace": "tidegate", "tidegate.project": name}
        self._collector = Collector(options.otlp, headers, resource)
        self._tail = self._tail or Tail(self._layout)

    def _send_metrics(self, collector: Collector) -> None:
        from tidegate.exports.collect import collect

        if collector.send_metrics(collect(self._layout)):
            self._say("")
        else:
            self._say(f"{self._options.otlp} didn't take the metrics")

    def _send_spans(self, collector: Collector) -> None:
        assert self._tail is not None
        batch: list[Span] = []
        for line in self._tail.lines():
            batch += spans_of(line, self._options.traces)
            if len(batch) >= BATCH:
                self._flush(collector, batch)
                batch = []
        if batch:
            self._flush(collector, batch)
        self._tail.save()

    def _flush(self, collector: Collector, batch: list[Span]) -> None:
        if collector.send_spans(batch):
            self.spans += len(batch)
            self._say("")
        else:
            self.failed += len(batch)
            self._say(f"{self._options.otlp} didn't take the spans")

    def _say(self, problem: str) -> None:
        if problem and problem != self._said:
            sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} telemetry: {problem}\n")
            sys.stderr.flush()
        self._said = problem
