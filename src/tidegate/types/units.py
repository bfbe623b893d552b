"""Durations and sizes as people write them.

>>> parse_duration("500ms"), parse_duration("1h30m"), parse_size("64MB"), parse_size("1.5GiB")
(0.5, 5400.0, 64000000, 1610612736)
"""

from __future__ import annotations

import math
import re

_DURATION = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = {
    "": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)")
_SIZED = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?B?)", re.IGNORECASE)


def parse_duration(text: str | int | float) -> float:
    """Seconds. A bare number is seconds; units us, ms, s, m, h, d, w, joined freely. Errors: ValueError."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        if not math.isfinite(text):
            raise ValueError(f"{text} is not a duration; write it as 500ms, 10s, 5m, 2h, 7d or 1h30m")
        if text < 0:
            raise ValueError(f"{text} is negative; a duration is at least 0")
        return float(text)
    raw = str(text).strip().lower()
    try:
        return parse_duration(float(raw)) if raw else _bad_duration(text)
    except ValueError:
        pass
    if not raw or _PART.sub("", raw):
        return _bad_duration(text)
    return sum(float(number) * _DURATION[unit] for number, unit in _PART.findall(raw))


def _bad_duration(text: object) -> float:
    raise ValueError(f"{text!r} is not a duration; write it as 500ms, 10s, 5m, 2h, 7d or 1h30m")


def parse_size(text: str | int) -> int:
    """Bytes. A bare number is bytes; KB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024. Errors: ValueError."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    match = _SIZED.fullmatch(str(text).strip())
    unit = match.group(2).upper() if match else ""
    if match is None or (unit not in _SIZE and unit + "B" not in _SIZE):
        raise ValueError(f"{text!r} is not a size; write it as 512KB, 64MB or 2GiB")
    return int(float(match.group(1)) * (_SIZE.get(unit) or _SIZE[unit + "B"]))


def parse_share(text: str | int | float) -> float:
    """A share of 1, from `99.9%` or 0.999. Errors: ValueError outside [0, 1].

    >>> parse_share("5%"), parse_share(0.25)
    (0.05, 0.25)
    """
    value = parse_threshold(text)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text!r} is not a share; write it as 99.9% or 0.999")
    return value


def parse_threshold(text: str | int | float) -> float:
    """A number, a percentage (as a share of 1), or a duration (as seconds). Errors: ValueError.

    >>> parse_threshold("5%"), parse_threshold("-3.5"), parse_threshold("500ms")
    (0.05, -3.5, 0.5)
    """
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        raise ValueError(f"{text!r} is not a number; write it as 0.05, 5% or 500ms")
    if isinstance(text, (int, float)):
        return _finite(float(text), text)
    raw = text.strip()
    try:
        value = float(raw[:-1]) / 100.0 if raw.endswith("%") else float(raw)
    except ValueError:
        pass
    else:
        return _finite(value, text)
    try:
        return parse_duration(raw)
    except ValueError:
        raise ValueError(f"{text!r} is not a number; write it as 0.05, 5% or 500ms") from None


def _finite(value: float, text: object) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number to compare with; write it as 0.05, 5% or 500ms")
    return value
