"""Sentences with commands in them: what stands in backticks is set as code."""

from __future__ import annotations

from tidegate.ui.components import Plain, box


def sentence(words: str, tag: str = "p", classes: str = "") -> Plain:
    """One sentence; its first letter large."""
    found = box(classes, tag)
    with found:
        for place, part in enumerate((words[:1].upper() + words[1:]).split("`")):
            if part:
                Plain("code" if place % 2 else "span", text=part)
    return found
