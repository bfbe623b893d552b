"""The nouns. Plain values (msgspec structs), no behaviour beyond what they mean; everything above imports them.

inference.py   DataType, TensorSpec, Signature
records.py     the prediction record and the feedback record, as the journal holds them
traffic.py     the routing table: endpoints, splits, versions, where their runners listen
processes.py   what the supervisor starts, and what it says of each process
"""
