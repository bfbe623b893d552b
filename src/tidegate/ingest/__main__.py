"""`python -m tidegate.ingest STATE_DIR [OPTIONS_JSON]`."""

import os
import sys

# Before Polars and Delta start theirs: ingest must leave the cores to the models, and each thread keeps memory.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")

from tidegate.ingest.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
