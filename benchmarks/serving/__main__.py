"""`python -m benchmarks.serving` (`make bench`): all of it, one script after the other, then RESULTS.md. About an hour.

`--quick` takes minutes and writes nothing: the peers in one short round, to see that all still work.
"""

from __future__ import annotations

import argparse

from benchmarks.serving import change, compare, footprint, grow, report, shadow, slo, spent, switch


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short round of each system at 64 connections, nothing written"
    )
    parser.add_argument("--peers", default="all", help="as compare's")
    given = parser.parse_args()
    if given.quick:
        compare.main(
            [
                "--peers",
                given.peers,
                "--placement",
                "pinned",
                "--connections",
                "64",
                "--rounds",
                "1",
                "--seconds",
                "2",
                "--name",
                "",
            ]
        )
        return
    compare.main(["--peers", given.peers])
    for script in (footprint, change, switch, shadow, grow, spent, slo):
        script.main([])
    report.main()


if __name__ == "__main__":
    main()
