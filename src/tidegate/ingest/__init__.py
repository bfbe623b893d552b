"""Journal -> prediction log. One process a machine; behind or down, it catches up from where the tables are.

    journal/*.ndjson --cycle.py: whole lines -> records -> frames--> one Delta commit a table (rows + positions)
                                                                        |
          upkeep.py: finished segments deleted, files joined, retention <
          process.py: when to run a cycle, what it says of itself (run/ingest.json), how it stops

A cycle keeps nothing in memory for the next: it takes the log's lock, reads from the committed position, commits, and
lets go. So a kill at any point, and an erasure between any two cycles, can neither repeat nor lose nor bring back a
row.
"""
