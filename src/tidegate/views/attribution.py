"""Which stage's new version a change of the final metric comes from: logged requests under every mix of old and new versions.

    the window's labelled requests (or all, for an output) --Final--> ids to replay
    mixes: each stage old or new --client/replay--> answers of each mix, in the log --sums a request--> the metric of each mix
        --stats.shapley--> a share of the change a stage; intervals: requests drawn again, all mixes of a request together

`bound` is of the same requests with one stage replaced by the truth (client/oracle). A request that some mix doesn't answer is
left out of all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.metrics.quality.rows import FoundOut, Rules, labelled
from tidegate.metrics.quality.sums import METRICS, sums
from tidegate.metrics.quality.window import load
from tidegate.plugins import nearest
from tidegate.stats.intervals import Floats, bootstrap
from tidegate.stats.shapley import shapley
from tidegate.storage.blobs import BlobStore
from tidegate.storage.layout import Layout
from tidegate.storage.log.frames import FrameMaker
from tidegate.storage.log.recent import snapshot
from tidegate.types.records import PredictionRecord

MOST_STAGES = 4
"""16 mixes: each further stage doubles the requests that are sent."""


class Figure(msgspec.Struct):
    """A value with its 95% bounds."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether its bounds leave 0 out."""
        return self.low > 0 or self.high < 0


class Share(msgspec.Struct):
    """What of the change is one stage's, in the metric's own unit."""

    stage: str
    before: str
    after: str
    share: Figure


class Mix(msgspec.Struct):
    """The metric with these versions, by stage."""

    versions: dict[str, str]
    value: float


class Attribution(msgspec.Struct):
    """`requests` were answered under every mix, `left_out` were not. Shares sum to `change`."""

    endpoint: str
    metric: str
    requests: int
    left_out: int
    change: Figure
    shares: list[Share]
    mixes: list[Mix]
    verdict: str = ""


class Bound(msgspec.Struct):
    """The metric as it is and with one stage perfect: `gain` is the most that a better stage can change."""

    endpoint: str
    stage: str
    metric: str
    requests: int
    left_out: int
    now: float
    perfect: float
    gain: Figure
    verdict: str = ""


def mixes(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str]]:
    """Every mix of versions by stage; bit i of the place says whether stage i is new.

    Errors: InvalidRequest where the two don't name the same stages, or too many.
    """
    if before.keys() != after.keys():
        odd = ", ".join(sorted(before.keys() ^ after.keys()))
        raise InvalidRequest(f"--from and --to must name the same stages; {odd} is in one of them alone")
    changed = [stage for stage in before if before[stage] != after[stage]]
    if not changed:
        raise InvalidRequest("--from and --to name the same versions, so there is nothing to share out")
    if len(changed) > MOST_STAGES:
        raise InvalidRequest(f"{len(changed)} stages change; at most {MOST_STAGES} at once: name fewer")
    return [
        {**before, **{stage: after[stage] for bit, stage in enumerate(changed) if mix >> bit & 1}}
        for mix in range(1 << len(changed))
    ]


class Final:
    """The final metric of an endpoint: that of its task where labels came, else the mean of an output, or the share of one value.

    Errors: InvalidRequest where there is neither a label nor an output to measure.
    """

    def __init__(
        self, layout: Layout, endpoint: str, rules: Rules | None = None, *, since: datetime, output: str = ""
    ) -> None:
        window = load(layout, endpoint, since.timestamp(), time.time(), rules=rules or FoundOut())
        self._layout, self.endpoint = layout, endpoint
        self._roles = None if output else window.roles
        self._output, equals, self._value = output.partition("=")
        self._counts = bool(equals)
        names = [column.name for column in window.outputs if column.name in window.rows.columns]
        if output and self._output not in names:
            raise InvalidRequest(
                f"--output: {endpoint} has no output {self._output!r}.{nearest(self._output, names)} Known: {', '.join(names)}"
            )
        if output and not equals and not window.rows.schema[self._output].is_numeric():
            raise InvalidRequest(f"--output: {output} is no number; its share of one value is {output}=VALUE")
        rows = window.rows
        if not output:
            rows = rows.filter(pl.col("label").is_not_null() | pl.col("label_text").is_not_null())
            if rows.is_empty() or self._roles is None:
                raise InvalidRequest(
                    f"no request of {endpoint} in that time has a label that its answer could be compared with: send labels, by the "
                    f"prediction ids of {endpoint}, or name an output to follow: --output NAME. It has {', '.join(names) or 'none yet'}"
                )
        self._truth = rows.select("prediction_id", "row", "label", "label_text")
        self.ids = set(rows["prediction_id"])
        task = METRICS[self._roles.task] if self._roles else ""
        self.metric = f"share of {output}" if equals else f"mean of {output}" if output else task

    def answers(self, copies: Mapping[str, str]) -> pl.DataFrame:
        """Rows that the log has of these answers (request -> copy); `prediction_id` is the request's."""
        found = snapshot(self._layout, self.endpoint).predictions.filter(
            pl.col("prediction_id").is_in(list(copies.values()))
        )
        return found.drop("prediction_id").rename({"mirror_of": "prediction_id"}).collect(engine="streaming")

    def answered(self, records: Sequence[PredictionRecord]) -> pl.DataFrame:
        """The same of answers that no log has: records under their requests' ids."""
        book = snapshot(self._layout, self.endpoint).book
        return FrameMaker(book, BlobStore(self._layout.blobs, "none")).frame(records)

    def sums(self, answers: Sequence[pl.DataFrame]) -> Floats:
        """[requests, answers + 1]: what each request adds above the line by each of `answers`, and below it; of those that all hold.

        Errors: InvalidRequest where no request is left.
        """
        needed = [self._output] if self._output else self._roles.columns if self._roles else []
        keys = ["prediction_id", "row"]
        frames = []
        for frame in answers:
            there = [name for name in needed if name in frame.columns]
            kept = frame.filter(pl.col("status") == 200).select(*keys, *there)
            if self._roles is None or self._roles.task != "text":
                kept = kept.drop_nulls(there)
            frames.append(kept if self._output else kept.join(self._truth, keys))
        for frame in frames[1:]:
            frames[0] = frames[0].join(frame, keys, "semi")
        rows = frames[0].select(keys).sort(keys)
        if rows.is_empty():
            raise InvalidRequest("no request was answered under every mix of versions")
        parts = [self._of(rows.join(frame, keys, "left", maintain_order="left")) for frame in frames]
        numbers = np.column_stack([*(part[:, 0] for part in parts), parts[0][:, 1]])
        ids = rows["prediction_id"].rle_id().to_numpy()
        found = np.zeros((int(ids[-1]) + 1, numbers.shape[1]))
        np.add.at(found, ids, numbers)
        return found

    def _of(self, rows: pl.DataFrame) -> Floats:
        if not self._output:
            assert self._roles is not None
            return sums(labelled(rows, self._roles))
        column = rows[self._output]
        values = column.cast(pl.String) == self._value if self._counts else column
        return np.column_stack([values.cast(pl.Float64).to_numpy(), np.ones(rows.height)])


def attribute(
    final: Final, versions: Sequence[Mapping[str, str]], copies: Sequence[Mapping[str, str]], sent: int
) -> Attribution:
    """`copies` of each mix of `versions` (as `mixes` orders them): request -> the copy's prediction id; `sent` were to be replayed."""
    table = final.sums([final.answers(one) for one in copies])
    before, after = versions[0], versions[-1]
    changed = [stage for stage in before if before[stage] != after[stage]]

    def shared(totals: Floats) -> Floats:
        """[draws, mixes + 1] -> [stages + 1, draws]: the shares, and the whole change."""
        by_mix = (totals[:, :-1] / totals[:, -1:]).T
        return np.vstack([shapley(by_mix), by_mix[-1:] - by_mix[:1]])

    totals = table.sum(axis=0, keepdims=True)
    figures = [
        Figure(float(value), *bootstrap(table, lambda drawn, place=place: shared(drawn)[place]))  # type: ignore[misc]
        for place, value in enumerate(shared(totals)[:, 0])
    ]
    found = Attribution(
        final.endpoint, final.metric, len(table), sent - len(table), figures[-1],
        [Share(stage, before[stage], after[stage], figure) for stage, figure in zip(changed, figures, strict=False)],
        [Mix(dict(one), float(value)) for one, value in zip(versions, totals[0, :-1] / totals[0, -1], strict=True)],
    )  # fmt: skip
    found.verdict = _verdict(found)
    return found


def bound(final: Final, stage: str, now: Mapping[str, str], perfect: Sequence[PredictionRecord]) -> Bound:
    """`now`: request -> the prediction id of a copy that all stages answered; `perfect`: the answers with the truth in its place.

    Errors: InvalidRequest where no request was answered both ways, with the first reason.
    """
    failed = next((record.error for record in perfect if record.status != 200), "")
    if all(record.status != 200 for record in perfect):
        raise InvalidRequest(f"with the truth in the place of {stage} no request was answered: {failed}")
    table = final.sums([final.answers(now), final.answered(perfect)])
    before, after, rows = (float(one) for one in table.sum(axis=0))
    low, high = bootstrap(table, lambda drawn: (drawn[:, 1] - drawn[:, 0]) / drawn[:, 2])
    gain = Figure((after - before) / rows, low, high)
    found = Bound(
        final.endpoint, stage, final.metric, len(table), len(perfect) - len(table), before / rows, after / rows, gain
    )
    change = f"Were {stage} perfect, {final.metric} would go from {found.now:.4g} to {found.perfect:.4g} ({low:+.4g} to {high:+.4g})"
    found.verdict = f"{change}." if gain.clear else f"{change}: no more than chance makes."
    return found


def _verdict(found: Attribution) -> str:
    change = f"{found.metric} goes from {found.mixes[0].value:.4g} to {found.mixes[-1].value:.4g}"
    if not found.change.clear:
        return f"{change}, over {found.requests:,} requests: no more than chance makes."
    clear = [share for share in found.shares if share.share.clear]
    first = max(clear, key=lambda share: abs(share.share.value), default=None)
    if first is None:
        return f"{change}, and whose change it is can't be told from {found.requests:,} requests."
    part = first.share.value / found.change.value
    return f"{change}: {part:.0%} of it by {first.stage} {first.before} → {first.after}."
