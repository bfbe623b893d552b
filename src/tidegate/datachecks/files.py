"""Files as such: ones that can't be read or aren't there, and rates, channels, sizes and modes that are mixed."""

from __future__ import annotations

import polars as pl

from tidegate.datachecks.base import ITEM, Data, Finding, found


class Files:
    """Of recordings and pictures."""

    id = "files"

    def find(self, data: Data) -> list[Finding]:
        """What is missing, unreadable or mixed."""
        if data.media is None:
            return []
        media, of = data.media, data.items.height
        there = set(media[ITEM].to_list())
        gone = [item for item in data.items[ITEM].to_list() if item not in there]
        broken = media.filter(~pl.col("readable"))[ITEM].to_list() if "readable" in media.columns else []
        made = [
            *found(
                "files",
                "error",
                "labels name files that aren't there",
                len(gone),
                of,
                "mend the names, or bring the files",
                [(item, "no such file") for item in gone],
            ),
            *found(
                "files",
                "error",
                "files can't be read",
                len(broken),
                of,
                "leave them out, or convert them again",
                [(item, "unreadable") for item in broken],
                fixable=True,
            ),
        ]
        for column, what in (("rate", "sample rates"), ("channels", "numbers of channels"), ("mode", "colour modes")):
            if column in media.columns:
                made += _mixed(media, column, what, of)
        if "turned" in media.columns:
            turned = media.filter(pl.col("turned").fill_null(False))[ITEM].to_list()
            made += found(
                "files",
                "warning",
                "pictures are turned by their metadata alone",
                len(turned),
                of,
                "turn the pixels: many readers don't look at it, and training and serving then differ",
                [(item, "EXIF orientation") for item in turned],
            )
        return made


def _mixed(media: pl.DataFrame, column: str, what: str, of: int) -> list[Finding]:
    counts = list(media.drop_nulls(column)[column].value_counts(sort=True).iter_rows())
    if len(counts) < 2:
        return []
    usual = counts[0][0]
    others = media.filter(pl.col(column) != usual)
    shown = [(item, f"{value}, most have {usual}") for item, value in others.select(ITEM, column).head(8).iter_rows()]
    return found(
        "files",
        "warning",
        f"files have {len(counts)} {what}",
        others.height,
        of,
        f"make them alike ({usual}); serving must do the same",
        shown,
        fixable=column == "rate",
    )
