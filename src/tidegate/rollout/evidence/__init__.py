"""From the journal to counts: what each unit of a rollout came to, in the order in which units were assigned.

    journal --tail--> lines of this endpoint --order (marks)--> complete ones --assignment--> arm, step, share
                                                     |                          |
        mirrored pairs <-----------------------------+        units (once a stage) --measures--> good or bad
                                                                                |
        prediction log with labels --labels (after maturation)----------> tally --> Batch (integers)

`collector.py` wires it. What it keeps between two writes of the database is small: where to read on, and who was counted.
"""
