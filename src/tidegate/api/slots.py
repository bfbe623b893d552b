"""Long work asked for over HTTP: so many at once, and a further one is refused at once instead of waiting without an end.

>>> proofs = Slots(1, "a proof runs already", retry_after=30.0)
>>> with proofs:
...     with proofs:
...         pass
Traceback (most recent call last):
tidegate.errors.Overloaded: a proof runs already; try again when it is done
"""

from __future__ import annotations

import threading
from types import TracebackType

from tidegate.errors import Overloaded


class Slots:
    """`with slots: ...`. Errors: Overloaded where all are taken (503, with Retry-After)."""

    def __init__(self, count: int, words: str, *, retry_after: float) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._words, self._retry_after = words, retry_after

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            raise Overloaded(f"{self._words}; try again when it is done", retry_after=self._retry_after)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()
