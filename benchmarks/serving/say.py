"""Words to the person at the terminal: progress with the time, and an end that says what to do."""

from __future__ import annotations

import sys
import time
from typing import NoReturn


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def stop(text: str) -> NoReturn:
    """End the program with an explanation and no traceback."""
    sys.exit(text)
