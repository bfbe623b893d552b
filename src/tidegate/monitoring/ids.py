"""A monitor's id: ENDPOINT/METRIC, then @VERSION and [SEGMENT] where it is of one."""

from __future__ import annotations

import re

import msgspec

from tidegate.types.monitoring import StreamView

_SEGMENT = re.compile(r"\[([^\[\]]*=[^\[\]]*)\]$")
_GROUPS = ("software.", "input.", "output.", "quality.", "behaviour.")
_VERSION = re.compile(r"@([A-Za-z0-9][A-Za-z0-9_.-]{0,99})$")


class Parts(msgspec.Struct, frozen=True):
    """What an id says. `endpoint` is empty where it names none."""

    endpoint: str
    metric: str
    version: str = ""
    segment: str = ""


def monitor_id(endpoint: str, metric: str, version: str = "", segment: str = "") -> str:
    """
    >>> monitor_id("severity", "output.drift.p", version="2", segment="State=CA")
    'severity/output.drift.p@2[State=CA]'
    """
    return f"{endpoint}/{metric}" + (f"@{version}" if version else "") + (f"[{segment}]" if segment else "")


def parse_id(id: str) -> Parts:
    """
    >>> parse_id("severity/output.drift.p@2[State=CA]")
    Parts(endpoint='severity', metric='output.drift.p', version='2', segment='State=CA')
    >>> parse_id("output.null")
    Parts(endpoint='', metric='output.null', version='', segment='')
    """
    endpoint, slash, rest = id.partition("/")
    if not slash or endpoint.startswith(_GROUPS):  # a slash may also be within a share's value
        endpoint, rest = "", id
    segment = version = ""
    if found := _SEGMENT.search(rest):
        rest, segment = rest[: found.start()], found.group(1)
    if found := _VERSION.search(rest):
        rest, version = rest[: found.start()], found.group(1)
    return Parts(endpoint, rest, version, segment)


def built_in(metric: str) -> bool:
    """Whether it is of an objective or a dead man's switch, which have rules of their own and are on no budget."""
    return metric.startswith(("slo.", "dead."))


def stream_metric(stream: StreamView) -> str:
    """The metric that a stream watches on the budget: `input.drift.Humidity`, `output.drift.p`, `quality.drift.error`."""
    return f"{stream.side}.drift.{stream.column}"


def stream_id(stream: StreamView) -> str:
    """The id of a stream's monitor."""
    return monitor_id(stream.endpoint, stream_metric(stream), stream.version)
