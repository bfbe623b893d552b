"""What Tidegate's speed is, measured beside others in one run. README.md says what is measured, and its bias.

serving/   requests: beside other model servers, alone as load and payload grow, at rest, at start, under a steady rate
ingest/    the journal -> prediction log
"""
