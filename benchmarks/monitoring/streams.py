"""Streaming detectors on simulated rows: false alarms of clean streams against the budget, and rows until a shift is found.

    python -m benchmarks.monitoring.streams [--small]        writes ALARMS.md and results/streams.json

One stream a run, made of a reference and rows after it, fed to the very detectors of `tidegate.detectors`; the rules of the
peers are computed from their formulas here (their real packages run in `benchmarks.monitoring`).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from benchmarks.monitoring import stream_rules
from benchmarks.serving.machine import describe
from tidegate.detectors.groups import Group
from tidegate.profiles.reference import make
from tidegate.stats import shift

HERE = Path(__file__).parent
SEED = 20_261_123
STREAMS, ROWS, REFERENCE = 200, 50_000, 5_000
BUDGET = 0.2
"""False alarms allowed a stream of ROWS rows: A = rows / budget, in blocks."""
BATCH = 10_000

Rng = np.random.Generator
Made = tuple[pl.DataFrame, pl.Series | None]


def threshold(rows: int, budget: float = BUDGET) -> float:
    """ln A for one stream: on average at least rows / budget rows to a false alarm."""
    return math.log(rows / budget / shift.BLOCK)


# -- clean streams: (rng, rows) -> one column "x", and its times where there is a season ------------------------------


def normal(rng: Rng, rows: int) -> Made:
    return pl.DataFrame({"x": rng.normal(size=rows)}), None


def seasonal(rng: Rng, rows: int, heavy: bool = False) -> Made:
    """A wave of a day and one of a week, twice as high as the noise; rows evenly over whole weeks."""
    weeks = 10 if rows == ROWS else 4
    hours = np.arange(rows) * weeks * 168 / rows
    noise = rng.standard_cauchy(rows) if heavy else rng.normal(size=rows)
    wave = 2 * np.sin(hours * 2 * np.pi / 24) + np.sin(hours * 2 * np.pi / 168)
    moments = np.datetime64("2026-01-05", "us") + (hours * 3.6e9).astype("timedelta64[us]")
    times = pl.Series("time", moments).dt.replace_time_zone("UTC")
    return pl.DataFrame({"x": wave + noise}), times


def cauchy(rng: Rng, rows: int) -> Made:
    return pl.DataFrame({"x": rng.standard_cauchy(rows)}), None


def ties(rng: Rng, rows: int) -> Made:
    return pl.DataFrame({"x": rng.poisson(1.5, rows).astype(float)}), None


def few_integers(rng: Rng, rows: int) -> Made:
    return pl.DataFrame({"x": rng.poisson(1.5, rows)}), None


def texts(codes: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"x": codes}).select(pl.concat_str(pl.lit("c"), pl.col("x")).alias("x"))


def zipf(rng: Rng, rows: int, count: int) -> Made:
    shares = 1 / np.arange(1, count + 1)
    codes = rng.choice(count, rows, p=shares / shares.sum())
    return texts(codes), None


def even(rng: Rng, rows: int, count: int) -> Made:
    return texts(rng.integers(0, count, rows)), None


def skewed_missing(rng: Rng, rows: int) -> Made:
    """Lognormal, and large values are missing more often: 1% to 20%."""
    x = rng.lognormal(0, 2, rows)
    return pl.DataFrame({"x": np.where(rng.random(rows) < np.clip(x / 50, 0.01, 0.2), np.nan, x)}), None


CLEAN: dict[str, Callable[[Rng, int], Made]] = {
    "i.i.d. normal": normal,
    "seasonal, with its hours of the week": seasonal,
    "seasonal, heavy tails": lambda rng, rows: seasonal(rng, rows, True),
    "heavy tails (Cauchy)": cauchy,
    "ties (floats of few values)": ties,
    "few integers": few_integers,
    "50 categories, even": lambda rng, rows: even(rng, rows, 50),
    "50 categories, 1/rank": lambda rng, rows: zipf(rng, rows, 50),
    "900 categories, 1/rank": lambda rng, rows: zipf(rng, rows, 900),
    "10,000 categories, 1/rank": lambda rng, rows: zipf(rng, rows, 10_000),
    "skewed, missing where large": skewed_missing,
}


def group(reference: pl.DataFrame, times: pl.Series | None, effect: float) -> Group:
    """The detectors of one column against a reference."""
    return Group("e", "input", "", make(reference, {"x": "input"}, "made", season=times), effect, set())


def state_of(made: Group) -> Any:
    """The state of the one column that is watched."""
    return next(iter([*made.numbers.values(), *made.categories.values()])).state


def batches(rows: pl.DataFrame, times: pl.Series | None, size: int) -> Iterator[pl.DataFrame]:
    if times is not None:
        rows = rows.with_columns(times.alias("time"))
    yield from (rows[at : at + size] for at in range(0, rows.height, size))


def peaks_of(
    draw: Callable[[Rng, int], Made], rng: Rng, effects: tuple[float, ...], n: int, rows: int, mutate: bool = False
) -> list[float]:
    """The highest ln M of one clean stream, at each minimum effect."""
    reference, times = draw(rng, n)
    groups = [group(reference, times, effect) for effect in effects]
    if mutate:
        without_band(groups[-1])
    for batch in batches(*draw(rng, rows), BATCH):
        for made in groups:
            made.feed(batch)
    return [float(state_of(made).peak) for made in groups]


def without_band(made: Group) -> None:
    """The mutation: the reference is taken for the truth."""
    for one in made.numbers.values():
        one.bets.constant = even_bets().constant


def even_bets() -> shift.Bets:
    """Bets that just break even (E f = 1) against a reference without error."""
    bets = shift.Bets(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000), 20_000, 0, 0.0)
    power = bets.power[:14]
    steps = shift._ABOUT[:14] >= 4
    bets.constant[:14] = np.where(steps, -np.log(np.cosh(power)), np.log(power + 1))
    return bets


def bars(name: str, peaks: np.ndarray, limit: float, budget: float, mutation: bool = False) -> dict[str, Any]:
    """Share of streams with an alarm, Clopper-Pearson at 99% a side; met: not above the budget (a mutation: above it)."""
    count, n = int((peaks >= limit).sum()), len(peaks)
    low = float(stats.beta.ppf(0.01, count, n - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(0.99, count + 1, n - count)) if count < n else 1.0
    met = low > budget if mutation else low <= budget
    return {
        "name": name, "streams": n, "alarms": count, "low": low, "high": high, "budget": budget, "met": met,
        "highest": float(peaks.max()), "limit": limit, "mutation": mutation,
    }  # fmt: skip


def clean(small: bool) -> list[dict[str, Any]]:
    """False alarms against the budget."""
    count, effects = 10 if small else STREAMS, (0.03, 0.0)
    out = []
    for number, (name, draw) in enumerate(CLEAN.items()):
        seeds = (np.random.default_rng([SEED, number, run]) for run in range(count))
        peaks = np.array([peaks_of(draw, rng, effects, REFERENCE, ROWS) for rng in seeds])
        for effect, found in zip(effects, peaks.T, strict=True):
            out.append(bars(f"{name}, minimum effect {effect:g}", found, threshold(ROWS), BUDGET))
            said(out[-1])
    return out


def hundredfold(small: bool) -> list[dict[str, Any]]:
    """N = 100 n clean rows: where the reference's own error is found, unless it is allowed for."""
    count, n, effects = 10 if small else STREAMS, 1_000, (0.03, 0.0, 0.0)
    seeds = (np.random.default_rng([SEED, 50, run]) for run in range(count))
    peaks = np.array([peaks_of(normal, rng, effects, n, 100 * n, mutate=True) for rng in seeds])
    out = []
    for number, (effect, found) in enumerate(zip(effects, peaks.T, strict=True)):
        name = "mutation: the reference taken for the truth" if number == 2 else "normal"
        name = f"{name}, n = 1,000, N = 100,000, minimum effect {effect:g}"
        out.append(bars(name, found, threshold(100 * n), BUDGET, mutation=number == 2))
        said(out[-1])
    return out


def too_low(small: bool) -> list[dict[str, Any]]:
    """The second mutation: a true reference and bets that just break even, with an A that is a thousand times too small."""
    count = 40 if small else STREAMS
    out = []
    for name, factor, mutation in (("bets that just break even", 1, False), ("mutation: A a thousandth", 1000, True)):
        bets = even_bets()
        states = [shift.fresh() for _ in range(count)]
        rng = np.random.default_rng([SEED, 70])
        for _ in range(25):
            shift.feed(states, [bets] * count, rng.normal(size=(400, count)))
        peaks = np.array([state.peak for state in states])
        limit = threshold(10_000) - math.log(factor)
        out.append(bars(f"{name}, a reference without error, 10,000 rows", peaks, limit, BUDGET, mutation))
        said(out[-1])
    return out


# -- power -------------------------------------------------------------------------------------------------------------


def moved(size: float) -> Callable[[Rng, int], Made]:
    return lambda rng, rows: (pl.DataFrame({"x": rng.normal(size, 1, rows)}), None)


def spread(times: float) -> Callable[[Rng, int], Made]:
    return lambda rng, rows: (pl.DataFrame({"x": rng.normal(0, times, rows)}), None)


def missing(share: float) -> Callable[[Rng, int], Made]:
    def draw(rng: Rng, rows: int) -> Made:
        x = rng.normal(size=rows)
        return pl.DataFrame({"x": np.where(rng.random(rows) < share, np.nan, x)}), None

    return draw


def tilted(more: float) -> Callable[[Rng, int], Made]:
    """Ten even categories; one has `more` of the rows, the others share the rest."""
    shares = np.r_[0.1 + more, np.full(9, (0.9 - more) / 9)]
    return lambda rng, rows: (texts(rng.choice(10, rows, p=shares)), None)


SHIFTS: dict[str, tuple[Callable[[Rng, int], Made], Callable[[Rng, int], Made]]] = {
    **{f"mean + {size:g} sd": (normal, moved(size)) for size in (0.1, 0.2, 0.3, 0.5, 1.0)},
    **{f"spread x {times:g}": (normal, spread(times)) for times in (1.2, 1.5, 2.0)},
    **{f"missing 0 -> {share:.0%}": (normal, missing(share)) for share in (0.01, 0.05)},
    **{f"one of 10 categories + {more:.0%}": (tilted(0), tilted(more)) for more in (0.05, 0.1, 0.2)},
}
AFTER = 20_000


def delay(made: Group, rows: pl.DataFrame, limit: float) -> float:
    """Rows until M >= A, to the block; inf for not in these."""
    for at in range(0, rows.height, 160):
        before = made.views()[0][1]
        made.feed(rows[at : at + 160])
        if state_of(made).peak >= limit:
            made.restore({"x": before})
            for block in range(at, at + 160, shift.BLOCK):
                made.feed(rows[block : block + shift.BLOCK])
                if state_of(made).peak >= limit:
                    return float(block + shift.BLOCK)
    return math.inf


def power(small: bool) -> list[dict[str, Any]]:
    """Rows to the alarm after 5,000 clean ones, at A = 10^6 rows."""
    count, limit = 5 if small else 40, math.log(1e6 / shift.BLOCK)
    out = []
    for number, (name, (before, after)) in enumerate(SHIFTS.items()):
        found: dict[str, list[float]] = {}
        for run in range(count):
            rng = np.random.default_rng([SEED, 100 + number, run])
            reference, warm, rows = before(rng, REFERENCE)[0], before(rng, 5_000)[0], after(rng, AFTER)[0]
            for effect in (0.03, 0.0):
                made = group(reference, None, effect)
                for at in range(0, 5000, 1000):
                    made.feed(warm[at : at + 1000])
                early = state_of(made).peak >= limit
                key = f"tidegate, minimum effect {effect:g}"
                found.setdefault(key, []).append(math.nan if early else delay(made, rows, limit))
            for rule, judge in stream_rules.RULES.items():
                when = judge(reference["x"], pl.concat([warm["x"], rows["x"]]))
                found.setdefault(rule, []).append(math.nan if when <= 5000 else when - 5000)
        for rule, values in found.items():
            rows_to = np.array(values)
            good = rows_to[~np.isnan(rows_to)]
            row: dict[str, Any] = {"shift": name, "rule": rule, "streams": count, "false": int(np.isnan(rows_to).sum())}
            for label, q in (("median", 0.5), ("q90", 0.9)):
                row[label] = float(np.quantile(good, q, method="higher")) if len(good) else math.nan
            out.append(row)
            said(row)
    return out


def said(row: dict[str, Any]) -> None:
    print(time.strftime("%H:%M:%S"), row, flush=True)


def _plain(value: Any) -> Any:
    """JSON has no infinities: null is `not within these rows`."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring.streams", description=__doc__)
    parser.add_argument("--small", action="store_true", help="few streams; nothing is written")
    given = parser.parse_args()
    begun = time.perf_counter()
    content = {
        "machine": describe(), "seed": SEED,
        "clean": hundredfold(given.small) + too_low(given.small) + clean(given.small), "power": power(given.small),
    }  # fmt: skip
    content["note"] = f"{time.perf_counter() - begun:.0f} s."
    if not given.small:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "streams.json").write_text(json.dumps(_plain(content), indent=1) + "\n")
        (HERE / "ALARMS.md").write_text(page(content))


def page(content: dict[str, Any]) -> str:
    """ALARMS.md."""
    said_of = ", ".join(str(content["machine"][key]) for key in ("date", "machine", "commit"))
    lines = [
        "# Streaming detectors: false alarms, and rows to an alarm", "",
        "Written by `python -m benchmarks.monitoring.streams` (`--small` writes nothing). Simulated rows through the detectors "
        "of `tidegate.detectors`; the others' rules by their formulas (`stream_rules.py`).", "",
        f"{said_of}; seed {content['seed']}. {content['note']}", "",
        f"## Clean streams: share with an alarm, against a budget of {BUDGET:g} a stream", "",
        f"Streams of {ROWS:,} rows against a reference of {REFERENCE:,} (where not said otherwise); an alarm is M >= A with "
        "A = rows / budget, in blocks of 16 rows. Bounds: Clopper & Pearson, 99% each.", "",
        "| case | streams | alarms | 99% bounds | highest ln M (limit) | within budget |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in content["clean"]:
        met = (
            ("fails, as it must" if row["met"] else "NO: it should fail")
            if row["mutation"]
            else ("yes" if row["met"] else "NO")
        )
        lines.append(
            f"| {row['name']} | {row['streams']} | {row['alarms']} | {row['low']:.1%} to {row['high']:.1%} "
            f"| {row['highest']:.1f} ({row['limit']:.1f}) | {met} |"
        )
    lines += [
        "", "## Rows to an alarm after 5,000 clean ones (A = 10^6 rows)", "",
        f"Median and 90% of the streams without a false alarm before; `-` is not within {AFTER:,}. Read the two together: a rule that "
        "always alarms is the fastest.", "",
        "| shift | rule | streams | false alarms before | median | 90% |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in content["power"]:
        rows = ["-" if not math.isfinite(row[key]) else f"{row[key]:,.0f}" for key in ("median", "q90")]
        lines.append(f"| {row['shift']} | {row['rule']} | {row['streams']} | {row['false']} | {rows[0]} | {rows[1]} |")
    lines += [
        "", "## What these figures are biased by", "",
        "- We wrote the simulation and chose its cases. All rows are independent; rows that depend on each other (a user's, a "
        "day's) are not covered by the guarantee.",
        "- The budget is a bound on the mean. With the reference's error and a minimum effect allowed for, clean streams stay "
        "far below it, and small shifts are found later or, below the minimum effect, not at all.",
        "- Others' rules have their defaults, not what a user might tune for these streams; windows of 1,000 rows are ours.",
        "- A season is taken from numbers only, and only its level: a spread that follows the hour of the week, and categories "
        "that do, are found as drift.", "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
