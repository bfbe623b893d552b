"""Children end when their supervisor does, even by kill -9: no orphan holds a port or a journal."""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(sig: int = signal.SIGTERM) -> None:
    """Ask the kernel (Linux) for `sig` when the parent dies; elsewhere the supervisor's pid is watched by the process's own loop."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0)
    expected = os.environ.get("TIDEGATE_SUPERVISOR")
    if expected and int(expected) != os.getppid():
        os.kill(os.getpid(), sig)  # it died before we asked
