"""Read-only questions that the doors (cli, api, demo) all ask, answered once.

    run/*.json (processes, routing, counters, ingest, controller) --status.gather--> StatusView
    log/<endpoint>/ and the journal's tail                        --log.query, tail, export--> rows

log.py also offers erasure by subject: the one thing here that writes.
"""
