"""The ranking model: Okapi BM25 over the descriptions (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework").

    query --words--> postings --sum of idf(w) * tf*(k1+1) / (tf + k1*(1-b+b*len/mean))--> the ten best

    idf(w) = ln(1 + (N - n + 0.5) / (n + 0.5)),  k1 = 1.2,  b = 0.75

The last word may be unfinished, as people type: where no description has it, those that begin with it count.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

TOP = 10
K1, B = 1.2, 0.75
NOTHING = -1
BEGINNINGS = 50
"""At most so many words stand for an unfinished one."""


class Found(TypedDict):
    """`doc` and `score` of the ten best, -1 and 0 where there are fewer; `found`: how many descriptions have any of the words."""

    doc: Annotated[NDArray[np.int64], (-1, TOP)]
    score: Annotated[NDArray[np.float64], (-1, TOP)]
    found: NDArray[np.int64]


class Ranker:
    """A plain class with `predict`, as anybody may bring it. `descriptions`: a Parquet file with doc and text."""

    def __init__(self, descriptions: str) -> None:
        self._file = Path(descriptions)

    def load(self) -> None:
        import polars as pl

        texts = pl.read_parquet(self._file, columns=["text"])["text"].to_list()
        words: dict[str, int] = {}
        ids: list[int] = []
        owners: list[int] = []
        for doc, text in enumerate(texts):
            for word in tokens(text):
                known = words.setdefault(word, len(words))
                ids.append(known)
                owners.append(doc)
        self._words = words
        self._names = sorted(words)
        self._index(np.array(ids), np.array(owners), len(words), len(texts))

    def predict(self, query: NDArray[np.str_]) -> Found:
        docs = np.full((len(query), TOP), NOTHING, np.int64)
        scores = np.zeros((len(query), TOP))
        found = np.zeros(len(query), np.int64)
        for row, text in enumerate(query):
            total = self._score(tokens(str(text or "")))
            found[row] = np.count_nonzero(total)
            best = np.argsort(-total, kind="stable")[: min(TOP, int(found[row]))]
            docs[row, : len(best)] = best
            scores[row, : len(best)] = total[best]
        return {"doc": docs, "score": scores, "found": found}

    def _index(self, ids: NDArray[np.int64], owners: NDArray[np.int64], words: int, docs: int) -> None:
        """Postings in the order of words: `_docs[_starts[w]:_starts[w + 1]]` have the word w, `_gains` what it adds there."""
        pairs, often = np.unique(ids * docs + owners, return_counts=True)
        word, self._docs = pairs // docs, pairs % docs
        self._starts = np.searchsorted(word, np.arange(words + 1))
        lengths = np.bincount(owners, minlength=docs)
        share = np.diff(self._starts)
        idf = np.log1p((docs - share + 0.5) / (share + 0.5))
        norm = K1 * (1.0 - B + B * lengths / max(lengths.mean(), 1.0))
        self._gains = idf[word] * often * (K1 + 1.0) / (often + norm[self._docs])
        self._count = docs

    def _score(self, words: list[str]) -> NDArray[np.float64]:
        total = np.zeros(self._count)
        for place, word in enumerate(words):
            for known in self._known(word, unfinished=place == len(words) - 1):
                span = slice(self._starts[known], self._starts[known + 1])
                total[self._docs[span]] += self._gains[span]
        return total

    def _known(self, word: str, unfinished: bool) -> list[int]:
        if word in self._words:
            return [self._words[word]]
        if not unfinished or len(word) < 2:
            return []
        from bisect import bisect_left

        at = bisect_left(self._names, word)
        begin = [name for name in self._names[at : at + BEGINNINGS] if name.startswith(word)]
        return [self._words[name] for name in begin]


def tokens(text: str) -> list[str]:
    """Words and numbers in lower case; a road's name is one word.

    >>> tokens("At I-605/San Diego Fwy - Accident.")
    ['at', 'i-605', 'san', 'diego', 'fwy', 'accident']
    """
    return re.findall(r"[a-z]{1,3}-\d+[a-z]?|\w+", text.lower())
