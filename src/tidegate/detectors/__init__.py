"""Streams under continuous watch: one e-detector a column, fed in the order of the journal."""
