"""Summaries that merge: a minute of one endpoint x version x role x segment, a few kilobytes however many rows."""
