"""What differs from all others: recordings too long or noisy, pictures too dark or blurred, texts that are empty or broken."""

from __future__ import annotations

import polars as pl

from tidegate.datachecks.base import ITEM, TEXT, Data, Finding, found

FAR = 6.0
"""Robust deviations (of the median absolute one) from the middle."""
MEASURES = {
    "duration": "long or short",
    "snr": "noisy or clean",
    "brightness": "dark or bright",
    "contrast": "flat or harsh",
    "sharpness": "blurred or sharp",
}
BROKEN = ("\ufffd", "Ã¤", "Ã¶", "Ã¼", "Ã©", "â€")


class Outliers:
    """Of what was measured of files."""

    id = "outliers"

    def find(self, data: Data) -> list[Finding]:
        """One finding a measure."""
        if data.media is None:
            return []
        made: list[Finding] = []
        for name, words in MEASURES.items():
            if name not in data.media.columns:
                continue
            have = data.media.drop_nulls(name).filter(pl.col(name).is_finite())
            if have.height < 20:
                continue
            middle = float(have[name].median() or 0.0)  # type: ignore[arg-type]
            wide = float((have[name] - middle).abs().median() or 0.0) * 1.4826  # type: ignore[arg-type]
            if wide <= 0:
                continue
            far = have.filter((pl.col(name) - middle).abs() > FAR * wide).sort(
                (pl.col(name) - middle).abs(), descending=True
            )
            shown = [
                (item, f"{name} {value:.3g}, {middle:.3g} in the middle")
                for item, value in far.select(ITEM, name).head(8).iter_rows()
            ]
            made += found(
                "outliers", "note", f"items are unusually {words}", far.height, have.height, "look at them", shown
            )
        return made


class Texts:
    """Of texts themselves."""

    id = "texts"

    def find(self, data: Data) -> list[Finding]:
        """Empty, broken by an encoding, of another language."""
        if TEXT not in data.rows.columns:
            return []
        items = data.items
        empty = items.filter(pl.col(TEXT).is_null() | (pl.col(TEXT).str.strip_chars() == ""))
        broken = items.filter(pl.any_horizontal(pl.col(TEXT).str.contains(sign, literal=True) for sign in BROKEN))
        made = [
            *found(
                "texts",
                "error",
                "texts are empty",
                empty.height,
                items.height,
                "leave them out",
                [(item, "empty") for item in empty[ITEM].head(8)],
                fixable=True,
            ),
            *found(
                "texts",
                "warning",
                "texts were read in the wrong encoding",
                broken.height,
                items.height,
                "read the files as UTF-8, or as what they are",
                [(item, str(text)[:60]) for item, text in broken.select(ITEM, TEXT).head(8).iter_rows()],
            ),
        ]
        return made + self._languages(items)

    def _languages(self, items: pl.DataFrame) -> list[Finding]:
        from tidegate.metrics.descriptors.text import Text

        long = items.filter(pl.col(TEXT).str.len_chars() >= 40).head(5000)
        if long.height < 20:
            return []
        found_ = Text().describe(long[TEXT].to_list()).get("language", [])
        languages = pl.Series([one or "" for one in found_])
        counts = [
            (name, count) for name, count in languages.filter(languages != "").value_counts(sort=True).iter_rows()
        ]
        if len(counts) < 2:
            return []
        others = [(name, f"{count:,} texts") for name, count in counts[1:] if count >= 2]
        return (
            found(
                "texts",
                "note",
                f"texts are in {1 + len(others)} languages, most in {counts[0][0]}",
                sum(count for _, count in counts[1:]),
                long.height,
                "is that meant? judge languages apart",
                others,
            )
            if others
            else []
        )
