"""A model learned anew from what came of its predictions: when, on which rows, by whose function, and how it ended.

person, or triggers.py (drift, quality, schedule, enough labels; cool-down and budget) --storage.retraining--> one run an endpoint
scheduler.py (in the monitor process) --> a process of its own a run (jobs/retrain.py), which goes from step to step:
    collecting  dataset.py   the log joined with labels, by window or query --> rows to learn from, newest rows to judge on
    training    child.py --> trainer.py, a process of its own with limits --> the user's function (contract.py) --> a model file
    adding, evaluating, waiting, starting, rolling: the house's own doors (versions, replay, evaluation, rollout)
mlflow.py: the same to a tracking server, where its address is given
options.py: what the project file says of it
"""
