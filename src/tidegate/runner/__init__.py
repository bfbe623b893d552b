"""One process a model version: a model that crashes, hangs, leaks or holds the GIL hurts only itself.

    gateway --frames--> loop.py (queue) --batch--> batch.py (decode, join, predict, split, encode) --frames--> gateway
                          heartbeat.py: a shared page that says when the current call began, read by the supervisor

Imports only NumPy, orjson, msgspec and the foundation, so that it runs in an environment of the version's own.
"""
