"""Pure numerics: counts in, evidence out. Nothing here knows of requests, files or clocks.

    Batch (integers) --EProcess.update--> log E  --judge (rollout/)--> go on, roll back, promote

Every e-process is a function of its batches alone, in their order: the same batches give the same floats.
"""
