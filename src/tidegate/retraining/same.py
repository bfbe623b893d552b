"""Whether two model files are one model: byte by byte, or in all but what a writer puts beside it (times in a zip, addresses of objects).

file --SHA-256--> bytes      zip (skops, NumPy, Keras) --members without times, addresses numbered as they come--> content
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Literal

Same = Literal["bytes", "content", ""]

_ADDRESS = re.compile(rb"(?<![\d.])\d{12,20}(?!\d|\.\d)")
"""skops names its parts by the addresses that they had in memory."""


def same(one: Path, other: Path) -> Same:
    """How far two files (or folders, file by file) are the same; empty where they aren't."""
    if one.is_dir() or other.is_dir():
        return _folders(one, other)
    if _digest(one) == _digest(other):
        return "bytes"
    if zipfile.is_zipfile(one) and zipfile.is_zipfile(other) and content(one) == content(other):
        return "content"
    return ""


def content(path: Path) -> str:
    """SHA-256 of a zip's members, whatever the times in it and the addresses that objects had."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    numbers: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return numbers.setdefault(found[0], b"<%d>" % len(numbers))

    texts = {name: _ADDRESS.sub(number, data) for name, data in sorted(members.items()) if name.endswith(".json")}
    made = {_ADDRESS.sub(number, name.encode()): texts.get(name, data) for name, data in members.items()}
    total = hashlib.sha256()
    for name, data in sorted(made.items()):
        total.update(b"%d %s %d " % (len(name), name, len(data)))
        total.update(data)
    return total.hexdigest()


def _folders(one: Path, other: Path) -> Same:
    names = [
        sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()) for root in (one, other)
    ]
    if not one.is_dir() or not other.is_dir() or names[0] != names[1]:
        return ""
    found = [same(one / name, other / name) for name in names[0]]
    return "" if "" in found else "content" if "content" in found else "bytes"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
