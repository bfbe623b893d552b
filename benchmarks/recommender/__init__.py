"""Recommenders on real ratings: how good they are, and that they are as good when served."""
