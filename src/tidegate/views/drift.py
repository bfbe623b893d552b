"""What has moved since the reference, how far, of which kind, and does it do harm? Read for people; alarms have detectors.

    log window | profiles | two files --> columns compared (drift_columns) --> ranked, corrected for how many were looked at
                                      --> covariate: inputs moved     label: outputs or labels moved
                                          concept: the truth moved on matching scores     harm: quality moved (drift_quality)

`drift_of` is the core, on two frames; `drift` reads an endpoint's log, `drift_of_files` two files.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from tidegate.errors import InvalidRequest, NotFound
from tidegate.plugins import nearest
from tidegate.storage.layout import Layout
from tidegate.views.drift_columns import ALPHA, MINIMUM, ColumnDrift, PeerScore, decide, percent
from tidegate.views.drift_quality import Concept, Harm, Roles, Rows

if TYPE_CHECKING:
    import polars as pl

    from tidegate.profiles.reference import Reference
    from tidegate.stats.domain import Told
    from tidegate.stats.reconstruction import Reconstruction
    from tidegate.storage.log.recent import Snapshot

WEEK = 7 * 86400.0
MANY_ROWS = 2_000_000
"""A window with more rows is read from profiles, where there are some."""
PREVIOUS, WEEK_BEFORE = "previous", "week"
SERVING = ("stable", "canary", "baseline")
_LABELS = ("label", "y_true", "target", "repaid")
_SCORES = ("y_pred_proba", "score", "probability", "predict_proba_1")
_ANSWERS = ("y_pred", "prediction", "predict", "answer")


class Moved(msgspec.Struct):
    """One kind of drift, in words. `names` are the columns that moved, `of` how many were looked at."""

    outcome: Literal["moved", "steady", "unclear", "unknown"]
    words: str
    names: list[str] = []
    of: int = 0


class DriftView(msgspec.Struct, omit_defaults=True):
    """The report. `source` says what was read; `start` and `end` (unix seconds) are 0 for files. `volume_before` counts the
    rows of a window as long, just before."""

    endpoint: str
    reference: str
    source: Literal["log", "profiles", "files"]
    rows_before: int
    rows_now: int
    verdict: str
    covariate: Moved
    label: Moved
    concept: Concept
    harm: Harm
    columns: list[ColumnDrift]
    start: float = 0.0
    end: float = 0.0
    version: str = ""
    volume_before: int | None = None
    alpha: float = ALPHA
    minimum: float = MINIMUM
    compared: list[str] = []
    left_out: list[str] = []
    """Columns that can't be compared (times, lists, row numbers, those with a season, those that a file lacks)."""
    told: Told | None = None
    reconstruction: Reconstruction | None = None


class Options(msgspec.Struct, frozen=True):
    """What to look at. `compare` names other tools whose figures are shown as well; `together` looks at all columns at once."""

    compare: Sequence[str] = ()
    minimum: float = MINIMUM
    alpha: float = ALPHA
    together: bool = False
    ignore: Sequence[str] = ()


DEFAULTS = Options()


def drift_of(
    reference: pl.DataFrame,
    now: pl.DataFrame,
    roles: Roles = Roles(),
    sides: Mapping[str, str] | None = None,
    options: Options = DEFAULTS,
    *,
    names: tuple[str, str] = ("", "reference"),
    source: Literal["log", "files"] = "files",
) -> DriftView:
    """Compare two frames. Without `sides`, columns that `roles` names are outputs and labels, all others inputs.

    Errors: InvalidRequest for frames without rows, or a tool in `options.compare` that isn't known.
    """
    from tidegate.views.drift_frames import pairs

    _needs_rows(reference.height, now.height, names)
    sides = _sides(reference, now, roles, options.ignore) if sides is None else sides
    view = _view(pairs(reference, now, sides), reference.height, now.height, names, source, options)
    view.left_out = [name for name in sides if name not in {column.name for column in view.columns}]
    _peers(view, reference, now, options)
    _quality(view, reference, now, roles)
    if options.together:
        _together(view, reference, now)
    return _said(view)


def drift_of_files(
    reference: Path, current: Path, options: Options = DEFAULTS, *, label: str = "", score: str = "", answer: str = "",
    positive: str = "1",
) -> DriftView:  # fmt: skip
    """Compare two Parquet or CSV files. Label, score and answer are found by usual names where they aren't given.

    Errors: ConfigError for files that can't be read, InvalidRequest for columns that aren't there.
    """
    from tidegate.profiles.reference import read_file

    frames = [read_file(path, {}, most=100_000_000) for path in (reference, current)]
    known = list(dict.fromkeys([*frames[0].columns, *frames[1].columns]))
    for option, name in (("--label", label), ("--score", score), ("--answer", answer)):
        if name and name not in known:
            raise InvalidRequest(f"{option}: there is no column {name!r}.{nearest(name, known)}")
    roles = Roles(
        label or _first(_LABELS, frames[0].columns), score or _first(_SCORES, known), answer or _first(_ANSWERS, known),
        positive,
    )  # fmt: skip
    return drift_of(frames[0], frames[1], roles, options=options, names=(current.name, reference.name))


def drift(
    layout: Layout,
    endpoint: str,
    *,
    reference: str | Path | None = None,
    start: float | None = None,
    end: float | None = None,
    window: float = WEEK,
    version: str | None = None,
    options: Options = DEFAULTS,
    source: Literal["auto", "log", "profiles"] = "auto",
) -> DriftView:
    """An endpoint's window against its reference: a file, `previous` (as long a window just before), `week` (the same
    time a week before), or the stored one.

    Errors: NotFound for an endpoint that isn't known or has no reference, InvalidRequest for an empty window, ConfigError
    for a file that can't be read.
    """
    from tidegate.metrics.descriptors.dispatch import describe
    from tidegate.storage.log.recent import snapshot
    from tidegate.storage.profiles import ProfileStore

    found = snapshot(layout, endpoint, describe)
    end = time.time() if end is None else end
    start = end - window if start is None else start
    if start >= end:
        raise InvalidRequest(f"the window ends ({_day(end)}) before it begins ({_day(start)})")
    store = ProfileStore(layout) if (layout.root / "state.db").exists() else None
    stored = store.reference(endpoint, version or "") if store is not None else None
    roles = roles_of(found)
    sides = {column.name: column.side for column in found.book.columns if column.name not in options.ignore}
    names = (endpoint, str(reference) if reference else stored.source if stored else "")
    if reference is None and stored is None:
        raise NotFound(
            f"{endpoint} has no reference yet; name one with --reference FILE, or --reference {PREVIOUS} for the window before"
        )
    if store is not None and stored is not None and reference is None and source != "log" and not options.together:
        profile = store.read(endpoint, start, end, version=version)
        if source == "profiles" or (profile.rows > MANY_ROWS and not stored.season):
            return _of_profiles(stored, profile, sides, names, options, (start, end))
    now = _window(found, start, end, sides, version)
    back = {PREVIOUS: end - start, WEEK_BEFORE: WEEK}.get(str(reference))
    if back is not None:
        before = _window(found, start - back, end - back, sides, version)
        view = drift_of(
            before, now, roles, sides, options, names=(endpoint, _span(start - back, end - back)), source="log"
        )
    elif reference is not None:
        view = _against_file(Path(reference), now, found, stored, roles, sides, options, names)
    else:
        view = _against_stored(stored, now, roles, sides, options, names)  # type: ignore[arg-type]
    view.endpoint, view.start, view.end, view.version = endpoint, start, end, version or ""
    view.volume_before = _count(found, start - (end - start), start, version)
    return view


def roles_of(found: Snapshot) -> Roles:
    """Label, score and answer of an endpoint, from its outputs: the probability of class 1 (else of the last class), and the
    first output that is no probability."""
    outputs = [column for column in found.book.columns if column.side == "output"]
    classes = [column for column in outputs if column.part]
    positive = next((column for column in classes if column.part in ("1", "true", "True")), None)
    positive = positive or (classes[-1] if classes else None)
    answer = next((column.name for column in outputs if not column.part and not column.type.startswith("list<")), "")
    score = positive.name if positive is not None and len(classes) <= 2 else ""
    return Roles("label", score, answer, positive.part if positive is not None and score else "1")


# -- the parts ----------------------------------------------------------------------------------------------------------


def _against_file(
    path: Path, now: pl.DataFrame, found: Snapshot, stored: Reference | None, roles: Roles, sides: Mapping[str, str],
    options: Options, names: tuple[str, str],
) -> DriftView:  # fmt: skip
    """Inputs against the file, and outputs too where it has them; else outputs against what is stored."""
    from tidegate.profiles.reference import read_file
    from tidegate.storage.log.columns import clean
    from tidegate.views.drift_frames import against_summary, pairs

    frame = read_file(path, {column.source: column.name for column in found.book.columns if not column.part})
    tidy = {name: clean(name, "input") for name in frame.columns}
    frame = frame.rename({name: to for name, to in tidy.items() if to in sides and to not in frame.columns})
    _needs_rows(frame.height, now.height, names)
    there = {name: side for name, side in sides.items() if name in frame.columns}
    if not there:
        raise InvalidRequest(
            f"--reference: {path} has no column of {names[0]}. It has {', '.join(frame.columns[:8])}; "
            f"{names[0]} has {', '.join(list(sides)[:8])}"
        )
    columns = pairs(frame, now, there)
    if stored is not None:
        columns += against_summary(stored, now, {n: s for n, s in sides.items() if s == "output" and n not in there})
    view = _view(columns, frame.height, now.height, names, "log", options)
    view.left_out = [name for name in sides if name not in {column.name for column in columns}]
    _peers(view, frame, now, options)
    _quality(view, frame, now, roles)
    if options.together:
        _together(view, frame, now)
    return _said(view)


def _against_stored(
    stored: Reference,
    now: pl.DataFrame,
    roles: Roles,
    sides: Mapping[str, str],
    options: Options,
    names: tuple[str, str],
) -> DriftView:
    from tidegate.views.drift_frames import against_summary

    if options.compare or options.together:
        what = "--compare" if options.compare else "--together"
        raise InvalidRequest(f"{what} needs the reference's rows: add --reference FILE or --reference {PREVIOUS}")
    _needs_rows(stored.rows, now.height, names)
    view = _view(against_summary(stored, now, sides), stored.rows, now.height, names, "log", options)
    view.left_out = [name for name in sides if name not in {column.name for column in view.columns}]
    _quality(view, now.clear(), now, roles)
    return _said(view)


def _of_profiles(
    stored: Reference, profile: Any, sides: Mapping[str, str], names: tuple[str, str], options: Options,
    span: tuple[float, float],
) -> DriftView:  # fmt: skip
    from tidegate.views.drift_frames import against_profile

    if options.compare:
        raise InvalidRequest("--compare needs rows: add --reference FILE, or read the log with --exact")
    _needs_rows(stored.rows, profile.rows, names)
    view = _view(against_profile(stored, profile, sides), stored.rows, profile.rows, names, "profiles", options)
    view.start, view.end = span
    return _said(view)


def _view(
    columns: list[ColumnDrift], before: int, now: int, names: tuple[str, str], source: Any, options: Options
) -> DriftView:
    unknown = Moved("unknown", "")
    return DriftView(
        names[0], names[1], source, before, now, "", unknown, unknown,
        Concept("unknown", "whether the same inputs still mean the same can't be told without labels"),
        Harm("unknown", "without labels or calibrated scores whether it does harm can't be told"),
        decide(columns, options.alpha, options.minimum), alpha=options.alpha, minimum=options.minimum,
        compared=list(options.compare),
    )  # fmt: skip


def _peers(view: DriftView, reference: pl.DataFrame, now: pl.DataFrame, options: Options) -> None:
    from tidegate.views.drift_peers import peer_score

    for column in view.columns if options.compare else ():
        if column.name in reference.columns and column.name in now.columns:
            found = [peer_score(tool, reference[column.name], now[column.name]) for tool in options.compare]
            column.peers = [score for score in found if isinstance(score, PeerScore)]


def _quality(view: DriftView, reference: pl.DataFrame, now: pl.DataFrame, roles: Roles) -> None:
    from tidegate.views.drift_quality import concept, harm, read_rows

    before: Rows = read_rows(reference, roles)
    after = read_rows(now, roles, before.kind)
    view.concept, view.harm = concept(before, after, view.alpha), harm(before, after)


def _together(view: DriftView, reference: pl.DataFrame, now: pl.DataFrame) -> None:
    """All inputs at once: what a classifier and linear structure see."""
    from tidegate.stats.domain import domain_classifier
    from tidegate.stats.reconstruction import reconstruction_error

    inputs = [c.name for c in view.columns if c.side == "input" and c.kind in ("number", "category")]
    if not inputs:
        return
    a, b = (_matrix(frame, inputs, reference) for frame in (reference, now))
    view.told = domain_classifier(a, b, inputs)
    view.reconstruction = reconstruction_error(a, b)


def _matrix(frame: pl.DataFrame, names: list[str], reference: pl.DataFrame) -> Any:
    """Floats; categories as how frequent they are in the reference, so that a new one is far from all."""
    import polars as pl

    columns = []
    for name in names:
        series = frame[name]
        if series.dtype.is_numeric() or series.dtype == pl.Boolean:
            columns.append(series.cast(pl.Float64).to_numpy())
            continue
        counts = reference[name].cast(pl.String).value_counts(sort=True)[name].to_list()
        codes = {value: float(place) for place, value in enumerate(counts) if value is not None}
        columns.append(series.cast(pl.String).replace_strict(codes, default=-1.0, return_dtype=pl.Float64).to_numpy())
    return np.column_stack(columns)


def _said(view: DriftView) -> DriftView:
    """The kinds of drift and the verdict, in words."""
    inputs = [column for column in view.columns if column.side == "input"]
    outputs = [column for column in view.columns if column.side in ("output", "label")]
    view.covariate, view.label = _moved(inputs, "inputs"), _moved(outputs, "outputs and labels")
    parts = []
    for kind, found in (("covariate drift", view.covariate), ("label drift", view.label)):
        if found.outcome == "moved":
            named = ", ".join(found.names[:3]) + (f" and {len(found.names) - 3} more" if len(found.names) > 3 else "")
            parts.append(f"{kind} ({named})")
    if view.concept.outcome == "moved":
        parts.append(f"concept drift ({view.concept.words})")
    if view.told is not None and view.told.low > 0.55 and view.covariate.outcome != "moved":
        parts.append(f"columns go together otherwise (a classifier tells the two apart, AUC {view.told.auc:.2f})")
    words = {
        "harmful": f"Harmful: {view.harm.words}.",
        "harmless": f"Harmless so far: {view.harm.words}.",
        "unclear": f"Whether it does harm is unclear: {view.harm.words}.",
        "unknown": "Whether it does harm is unknown.",
    }[view.harm.outcome]
    if not parts:
        unclear = sum(column.outcome == "unclear" for column in view.columns)
        view.verdict = (
            f"Nothing found; {unclear} of {len(view.columns)} columns have too few rows to rule out a change of {view.minimum:g}."
            if unclear
            else f"No drift: no column moved by more than {percent(view.minimum)} of its distribution."
        )
        if view.harm.outcome == "harmful":
            view.verdict += f" Yet quality fell: {view.harm.words}."
        return view
    sentence = "; ".join(parts)
    view.verdict = f"{sentence[0].upper()}{sentence[1:]}. {words}"
    return view


def _moved(columns: list[ColumnDrift], what: str) -> Moved:
    names = [column.name for column in columns if column.moved]
    if not columns:
        return Moved("unknown", f"no {what} to compare")
    if names:
        return Moved("moved", f"{len(names)} of {len(columns)} {what} moved", names, len(columns))
    unclear = sum(column.outcome == "unclear" for column in columns)
    if unclear:
        return Moved(
            "unclear", f"none of {len(columns)} {what} surely moved; {unclear} have too few rows", [], len(columns)
        )
    return Moved("steady", f"none of {len(columns)} {what} moved", [], len(columns))


# -- reading ------------------------------------------------------------------------------------------------------------


def _window(found: Snapshot, start: float, end: float, sides: Mapping[str, str], version: str | None) -> pl.DataFrame:
    """Answered rows of a window: their features, outputs, time, and labels where they came."""
    import polars as pl

    there = found.predictions.collect_schema().names()
    rows = _rows(found, start, end, version).select(
        "prediction_id", "row", "time", *[name for name in sides if name in there]
    )
    if found.feedback.select(pl.len()).collect().item():
        rows = rows.join(
            found.labels().select("prediction_id", "row", "label", "label_text"), ["prediction_id", "row"], "left"
        )
        frame = rows.collect(engine="streaming")
        if frame["label"].null_count() == frame.height:
            frame = frame.with_columns(pl.col("label_text").alias("label"))
        return frame.drop("prediction_id", "row", "label_text").sort("time")
    return rows.drop("prediction_id", "row").collect(engine="streaming").sort("time")


def _rows(found: Snapshot, start: float, end: float, version: str | None) -> pl.LazyFrame:
    import polars as pl

    low, high = (datetime.fromtimestamp(at, UTC) for at in (start, end))
    keep = (pl.col("time") >= low) & (pl.col("time") < high) & (pl.col("status") == 200) & pl.col("role").is_in(SERVING)
    return found.predictions.filter(keep if version is None else keep & (pl.col("version") == version))


def _count(found: Snapshot, start: float, end: float, version: str | None) -> int:
    import polars as pl

    return int(_rows(found, start, end, version).select(pl.len()).collect(engine="streaming").item())


def _sides(a: pl.DataFrame, b: pl.DataFrame, roles: Roles, ignore: Iterable[str]) -> dict[str, str]:
    sides = dict.fromkeys([*a.columns, *b.columns], "input")
    for name in (roles.score, roles.answer):
        if name in sides:
            sides[name] = "output"
    if roles.label in sides:
        sides[roles.label] = "label"
        if roles.label not in a.columns or roles.label not in b.columns:
            del sides[roles.label]  # labels come late: that there are none yet is no drift
    skipped = set(ignore)
    return {name: side for name, side in sides.items() if name not in skipped}


def _needs_rows(before: int, now: int, names: tuple[str, str]) -> None:
    if not before:
        raise InvalidRequest(f"the reference {names[1]} has no rows")
    if not now:
        raise InvalidRequest(
            f"{names[0]} has no answered rows in the window; name another with --window or --start and --end"
        )


def _first(wanted: Iterable[str], there: Sequence[str]) -> str:
    return next((name for name in wanted if name in there), "")


def _day(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M")


def _span(start: float, end: float) -> str:
    return f"{_day(start)} to {_day(end)} UTC"
