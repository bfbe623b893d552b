"""Work in processes of its own, which the monitor process starts and begins again: it goes through the same doors as people do.

batch.py     one run of a batch: source --client--> answers --> sink
retrain.py   one retraining: rows --> training --> a version --replay, evaluation--> its rollout, or out again
"""
