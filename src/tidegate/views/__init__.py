"""Read-only questions that the CLI, the API and the dashboard all ask, answered once.

log.py       the prediction log: query, tail, export, and erasure by subject (the one thing here that writes)
"""
