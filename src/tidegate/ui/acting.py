"""An act of a person: what goes wrong is said in words on the page, and nothing else breaks."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from tidegate.errors import TidegateError

_log = logging.getLogger("tidegate.ui")


def guarded(handler: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """The handler, sync or async, whose TidegateErrors are shown instead of raised."""

    async def run(*args: Any) -> None:
        from tidegate.ui.components.toasts import say

        try:
            found = handler(*args)
            if inspect.isawaitable(found):
                await found
        except TidegateError as exc:
            say(str(exc), "firing")
        except Exception:
            _log.exception("an act failed")
            say(
                "That failed: the log of the web process has more. Nothing was changed that isn't in the audit.",
                "firing",
            )

    return run
