"""How the serving itself does: of a window's profile, one metric a file; and of the machine, by host.py.

Profile --ProfileMetric--> Value      throughput, latency, errors, time-outs, queue, batches, fallbacks
run/*.json, /proc --host.sample--> {id: Value}      CPU, memory, load, files, journal lag, disk, GPU
"""

BUILTIN = {
    "software.throughput": "tidegate.metrics.software.throughput:Throughput",
    "software.latency.p50": "tidegate.metrics.software.latency:P50",
    "software.latency.p90": "tidegate.metrics.software.latency:P90",
    "software.latency.p95": "tidegate.metrics.software.latency:P95",
    "software.latency.p99": "tidegate.metrics.software.latency:P99",
    "software.queue.p99": "tidegate.metrics.software.queue:QueueP99",
    "software.infer.p99": "tidegate.metrics.software.infer:InferP99",
    "software.errors": "tidegate.metrics.software.errors:Errors",
    "software.errors.model": "tidegate.metrics.software.errors_by_class:MODEL",
    "software.errors.overload": "tidegate.metrics.software.errors_by_class:OVERLOAD",
    "software.errors.input": "tidegate.metrics.software.errors_by_class:INPUT",
    "software.errors.other": "tidegate.metrics.software.errors_by_class:OTHER",
    "software.timeouts": "tidegate.metrics.software.errors_by_class:TIMEOUTS",
    "software.batch.mean": "tidegate.metrics.software.batch:BatchMean",
    "software.fallbacks": "tidegate.metrics.software.fallbacks:Fallbacks",
    "software.cpu": "tidegate.metrics.software.gauges:CPU",
    "software.memory": "tidegate.metrics.software.gauges:MEMORY",
    "software.load": "tidegate.metrics.software.gauges:LOAD",
    "software.open_files": "tidegate.metrics.software.gauges:OPEN_FILES",
    "software.journal_lag": "tidegate.metrics.software.gauges:JOURNAL_LAG",
    "software.disk_free": "tidegate.metrics.software.gauges:DISK_FREE",
    "software.disk_used": "tidegate.metrics.software.gauges:DISK_USED",
    "software.gpu": "tidegate.metrics.software.gauges:GPU",
    "software.gpu_memory": "tidegate.metrics.software.gauges:GPU_MEMORY",
}
