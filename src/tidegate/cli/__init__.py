"""The `tidegate` command: one noun a file, each thin; it reads flags, asks the layers below, and shows the answer.

    argv -> main -> app.py (Typer) -> project | running | rollout | log | keys ... -> views, app, changes, client -> show

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the project is not running, 4 the SLO was missed, 5 a rollout waits for a
person, 6 it was still moving when the time was up, 130 interrupted.
Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

OK, FAILED, USAGE, NOT_RUNNING, SLO_MISSED, WAITING, TIMED_OUT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. An error of ours is one clear message on stderr, without a traceback."""
    from tidegate.cli.app import app
    from tidegate.errors import TidegateError

    try:
        app(args=list(arguments), prog_name="tidegate")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else (OK if exc.code is None else FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except TidegateError as exc:
        from tidegate.cli.show import complain

        complain(str(exc))
        return int(getattr(exc, "exit_code", FAILED))
    return OK
