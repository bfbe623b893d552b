"""The dashboard's few signs, drawn as strokes on a 20 x 20 grid."""

from __future__ import annotations

from tidegate.ui.components.element import Plain

SIGNS = {
    "gate": "M3 2v16M17 2v16M3 5h14M6 12.500c1.300-1.400 2.700-1.400 4 0s2.700 1.400 4 0M6 16c1.300-1.400 2.700-1.400 4 0s2.700 1.400 4 0",
    "overview": "M3 4h14M3 10h14M3 16h9",
    "rollouts": "M3 10h3M8 10h4M14 10h3M6.500 10a1 1 0 1 0 0 .010M12.500 10a1 1 0 1 0 0 .010M17 10l-3-3M17 10l-3 3",
    "alarms": "M5 14V9a5 5 0 0 1 10 0v5l1.500 1.500h-13zM8.500 17.500h3",
    "monitors": "M2.500 10h3l2-5 4 10 2.500-5h3.500",
    "drift": "M3 16c2 0 2.500-9 5-9s3 9 5 9M8 16c2 0 2.500-12 5-12s2.500 12 4.500 12",
    "review": "M10 9.500a3 3 0 1 0 0-6a3 3 0 0 0 0 6M4 17c0-3 2.500-5 6-5c1 0 1.900.200 2.700.500M13 15.500l2 2l3.500-4",
    "log": "M4 3h9l3 3v11H4zM7 8h6M7 11h6M7 14h4",
    "models": "M10 2.500l6.500 3.700v7.600L10 17.500l-6.500-3.700V6.200zM3.500 6.200L10 10l6.500-3.800M10 10v7.500",
    "evaluation": "M3 4h14M3 10h14M3 16h14M6 2v4M13 8v4M9 14v4",
    "retraining": "M16 7a6.500 6.500 0 0 0-12-.500M4 3v4h4M4 13a6.500 6.500 0 0 0 12 .500M16 17v-4h-4",
    "project": "M4 10a3 3 0 1 1 6 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0a3 3 0 1 1-6 0",
    "settings": "M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4",
    "theme": "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
    "keys": "M2.500 5.500h15v9h-15zM5.500 8.500h.010M8.500 8.500h.010M11.500 8.500h.010M14.500 8.500h.010M6.500 11.500h7",
    "leave": "M8 3H4v14h4M12 6l4 4-4 4M16 10H8",
}


def icon(name: str, size: int = 18) -> Plain:
    """A sign beside a word; it says nothing by itself, so screen readers pass it by."""
    found = Plain(
        "svg",
        "tg-gate" if name == "gate" else "tg-icon",
        viewBox="0 0 20 20",
        width=size,
        height=size,
        fill="none",
        stroke="currentColor",
        stroke_width="1.6",
        stroke_linecap="round",
        stroke_linejoin="round",
        aria_hidden="true",
    )
    with found:
        Plain("path", d=SIGNS[name])
    return found
