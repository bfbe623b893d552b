"""Tidegate lets a new model's traffic in only as far as the evidence allows, and shuts by itself when the tide turns.

    request -> gateway -> routing -> runner (runtime) -> journal -> prediction log

Imports run downward only: cli, api, client, demo -> supervisor -> app -> config -> flows (gateway, ingest, rollout, views)
-> parts (routing, runtimes, runner, storage, auth) -> foundation (wire, telemetry, types, plugins, errors).
"""

__version__ = "0.1.0"
