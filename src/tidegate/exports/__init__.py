"""What other systems read of us: Prometheus' /metrics, OpenTelemetry's OTLP, a Grafana dashboard.

    run/*.json, profiles, streams, rollouts --collect--> families --openmetrics--> GET /metrics
                                                             |
                                                             +--otlp_metrics--> http://collector:4318/v1/metrics
    journal --(own position, sampled)--> records --spans--> otlp_traces --> http://collector:4318/v1/traces

`families.py` names every metric once; docs and the dashboard are held against it by tests. The OTLP half needs the
extra `otel` and runs in the monitor process (exporter.py).
"""
