"""One script a system, run by its own environment's Python. Each prints one line of JSON, last.

    report  REFERENCE CURRENT             {"seconds", "cpu_seconds", "load_seconds", "rss_mb", "added_mb", "drifted", "version"}
    alarms  SIZE REFERENCE STREAM ...     {"seconds", "version", "alarms": [[[column, last row] ...] a pair of files]}

Nothing of Tidegate's is imported by a peer's script.
"""
