"""Metrics: one a file, each a small class that turns a summary into a number.

    profiles/ (a window, merged) --ProfileMetric--> Value        software, input, output
    labelled rows of the log     --QualityMetric--> Value        quality, with its interval
    events of the log            --EventMetric----> Value        behaviour
    payloads (text, image, audio, tensors) --Descriptor--> columns of their own, profiled like any other

`registry.py` knows the built-in ones; third parties add theirs by the entry points `tidegate.metrics` and `tidegate.descriptors`.
"""
