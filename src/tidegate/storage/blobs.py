"""Large payloads by content: bytes -> blobs/<2 hex>/<64 hex>, and a reference that says digest and size.

    blob:sha256:<64 hex>:<bytes>

The reference is written whatever the policy is; whether the payload is kept depends on it (all, sample, none). A
sample is chosen by the digest, so that the same payload is always kept or never.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tidegate.errors import NotFound
from tidegate.storage.layout import write_atomic

REFERENCE = re.compile(r"blob:sha256:([0-9a-f]{64}):(\d+)")


class BlobStore:
    """The folder and its policy. `limit` is in bytes: larger values become blobs."""

    def __init__(
        self, folder: Path, policy: Literal["all", "sample", "none"] = "all", share: float = 0.01, limit: int = 64_000
    ) -> None:
        self.folder = folder
        self.policy = policy
        self.share = share
        self.limit = limit

    def put(self, data: bytes) -> str:
        """Keep `data` if the policy says so; its reference in any case."""
        digest = hashlib.sha256(data).hexdigest()
        if self.policy == "all" or (self.policy == "sample" and int(digest[:8], 16) < self.share * 2**32):
            path = self.path(digest)
            if not path.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                write_atomic(path, data)
        return f"blob:sha256:{digest}:{len(data)}"

    def get(self, reference: str) -> bytes:
        """The payload. Errors: NotFound when the reference is malformed or the payload was not kept."""
        match = REFERENCE.fullmatch(reference)
        if match is None:
            raise NotFound(f"{reference!r} is no blob reference; it looks like blob:sha256:<64 hex>:<bytes>")
        try:
            return self.path(match[1]).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"the payload of {reference} is not kept (policy, retention or erasure)") from None

    def path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def digests(self) -> list[str]:
        """All that are kept."""
        return sorted(path.name for path in self.folder.glob("??/*") if len(path.name) == 64)

    def remove(self, digests: Iterable[str]) -> int:
        """Delete payloads; how many there were."""
        removed = 0
        for digest in digests:
            try:
                self.path(digest).unlink()
                removed += 1
            except FileNotFoundError:
                pass
        return removed
