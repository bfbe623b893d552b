"""Predictions of whole tables, again and again: what the project file has under `batches`.

    schedule or person --storage.batch_runs--> one queued run a due time
    scheduler.py (in the monitor process) --> a process of its own a run (jobs/batch.py)
        source.py: file, Delta table at one version, or SQL rows kept first --> parts --gateway--> answers
        sink.py: each part once into file, Delta table or SQL table
options.py: what the project file says of it
"""
