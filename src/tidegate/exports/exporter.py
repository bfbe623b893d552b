"""Sends metrics and traces to a collector from a thread of the monitor process, as `telemetry:` of the project says.

    run/project.json --options--> every `interval`: collect -> metrics      each second: journal tail -> spans (at most BATCH a call)

A collector that is away costs nobody anything: one call a turn finds out whether it is back, traces go on where it stopped taking
them (or, after MOST bytes of journal, at the end: tail.py), and metrics are cumulative. What goes wrong is said once, until it
goes well again.
"""

from __future__ import annotations

import sys
import threading
import time

import msgspec

from tidegate.errors import TidegateError
from tidegate.exports.options import TelemetryOptions
from tidegate.exports.otlp import Collector
from tidegate.exports.spans import spans_of
from tidegate.exports.tail import Tail
from tidegate.storage.layout import Layout

TURN = 1.0
BATCH = 512
STUCK = 60
"""Calls after which a batch that was never taken is left out: it may be the batch, not the collector."""


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
        self._stuck = 0
        self.spans = 0
        self.failed = 0
        """Calls that were not answered well."""

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
        if self._tail is not None:
            self._tail.sent = 0  # of another share of traces
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
        tail = self._tail
        assert tail is not None
        for lines in tail.chunks():
            spans = [span for line in lines for span in spans_of(line, self._options.traces)]
            while batch := spans[tail.sent : tail.sent + BATCH]:
                if not collector.send_spans(batch):
                    self.failed += 1
                    self._stuck += 1
                    if self._stuck % STUCK == 0:
                        tail.sent += len(batch)
                    self._say(f"{self._options.otlp} didn't take the spans")
                    return
                tail.sent += len(batch)
                self._stuck = 0
                self.spans += len(batch)
                self._say("")
        tail.save()

    def _say(self, problem: str) -> None:
        if problem and problem != self._said:
            sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} telemetry: {problem}\n")
            sys.stderr.flush()
        self._said = problem
