"""The ranking model: BM25 held against its formula written out, and what people may type."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tidegate.demo.search import corpus
from tidegate.demo.search.ranker import K1, NOTHING, B, Ranker, tokens
from tidegate.errors import StateError

TEXTS = [
    "At I-95/Exit 4 - Overturned truck. Lane blocked.",
    "At I-95 - Accident.",
    "Ice on the bridge, bridge closed.",
    "At Main St - Accident. Lane blocked.",
    "Truck fire at Main St.",
]


@pytest.fixture
def ranker(tmp_path: Path) -> Ranker:
    pl.DataFrame({"doc": range(len(TEXTS)), "text": TEXTS}).write_parquet(tmp_path / "d.parquet")
    made = Ranker(str(tmp_path / "d.parquet"))
    made.load()
    return made


def ask(ranker: Ranker, *queries: Any) -> dict[str, Any]:
    array = np.empty(len(queries), object)
    array[:] = queries
    return dict(ranker.predict(array))


def by_the_formula(query: str) -> list[float]:
    documents = [tokens(text) for text in TEXTS]
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for word in tokens(query):
            n = sum(word in other for other in documents)
            tf = document.count(word)
            idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            score += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(document) / mean))
        scores.append(score)
    return scores


@pytest.mark.parametrize("query", ["bridge closed", "truck lane", "accident at main", "i-95 blocked", "bridge"])
def test_scores_are_those_of_the_formula(ranker: Ranker, query: str) -> None:
    want = by_the_formula(query)
    found = ask(ranker, query)
    order = sorted((i for i, score in enumerate(want) if score > 0), key=lambda i: (-want[i], i))
    assert found["doc"][0].tolist() == order + [NOTHING] * (10 - len(order))
    assert found["score"][0][: len(order)] == pytest.approx([want[i] for i in order])
    assert found["found"].tolist() == [len(order)]


def test_an_unfinished_last_word_is_completed_and_nonsense_finds_nothing(ranker: Ranker) -> None:
    found = ask(ranker, "overt", "zzzqx", "", None, "overt lane")
    assert found["doc"][0][0] == 0 and found["found"].tolist() == [1, 0, 0, 0, 2]
    assert found["doc"][1].tolist() == [NOTHING] * 10


def test_each_different_description_is_one_document(tmp_path: Path) -> None:
    rows = {
        "Description": ["At A.", " At A. ", "At B.", ""], "target_multi": [2, 3, 4, 1], "year_acc": [2016, 2019, 2017, 2020],
        "season_acc": ["winter"] * 4, "Nautical_Twilight": ["Day"] * 4, "Temperature(F)": [1.0, None, 2.0, 3.0],
        "Visibility(mi)": [1.0] * 4,
    }  # fmt: skip
    pl.DataFrame(rows).write_csv(tmp_path / "a.csv")
    found = corpus.write(tmp_path / "a.csv", tmp_path / "d.parquet")
    assert found.select("doc", "text", "count", "year").rows() == [(0, "At A.", 2, 2019), (1, "At B.", 1, 2017)]
    pl.DataFrame(rows).drop("Description").write_csv(tmp_path / "b.csv")
    with pytest.raises(StateError, match="no column 'Description'"):
        corpus.write(tmp_path / "b.csv", tmp_path / "d.parquet")
