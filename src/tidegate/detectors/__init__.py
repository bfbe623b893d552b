"""Streams under continuous watch: one e-detector a column, fed in the order of the journal.

    frame --answered rows, in the order of time--> inputs (all versions)   --> groups of columns --> stats.shift, stats.categories
                                              +--> outputs (each version) -->                              |
    Reference (training, first rows, with its season) -----------------------> bets            StreamView + State, stored

`groups.py` one side of one endpoint: its columns and their states; `streams.py` all sides of one endpoint, and how they are stored.
"""
