"""Monitoring beside Evidently and NannyML, the real packages, each in an environment of its own, on the same files.

    data (Parquet) --systems/NAME.py, a process each--> one line of JSON --report.py, alarms.py--> results/*.json --page.py--> RESULTS.md

report: seconds and memory of one drift report.     alarms: false alarms on data without drift, and rows until a real one.
"""
