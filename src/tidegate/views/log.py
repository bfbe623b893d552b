"""The prediction log, as people and programs ask for it. Everything acknowledged is seen: what ingest hasn't moved
yet is read from the journal.

Delta tables --+
               +--> recent.py: one lazy frame an endpoint --> query (SQL), tail, export
journal tail --+
erase: storage/log/erase.py
"""

from __future__ import annotations

from tidegate.storage.log.erase import ErasureReport, erase
from tidegate.views.log_export import export
from tidegate.views.log_filter import Filter
from tidegate.views.log_query import query
from tidegate.views.log_tail import tail

__all__ = ["ErasureReport", "Filter", "erase", "export", "query", "tail"]
