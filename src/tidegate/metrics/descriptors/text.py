"""Texts: length in characters, words, whether it is blank, and a guess at the language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

LANGUAGE_FROM = 20
"""Shorter texts (in letters) get no guess: most would be wrong."""
LANGUAGE_UP_TO = 400
"""Characters that are looked at: a guess costs time by the character, and is no better for more."""
LANGUAGES_A_BATCH = 500
"""More rows than this in a batch: the language of every k-th alone is guessed, the others' is not told."""


class Text:
    """`length` characters, `words` (runs of non-blanks), `empty` (nothing but blanks), `language` (ISO 639-1).

    The language is py3langid's guess (Lui & Baldwin 2012, naive Bayes over byte n-grams), where the extra `text` is installed
    and the text is long enough; else None.

    >>> Text().describe(["Accident on I-5", " ", None])["words"]
    [3, 0, None]
    """

    id = "text"
    help = "Of texts: length, words, whether empty, and the language (extra `text`)."
    names = ("length", "words", "empty", "language")

    def describe(self, values: Sequence[Any]) -> dict[str, list[Any]]:
        """str, or bytes of UTF-8; None stays None."""
        texts = [_as_text(value) for value in values]
        step = -(-len(texts) // LANGUAGES_A_BATCH)
        return {
            "length": [None if text is None else len(text) for text in texts],
            "words": [None if text is None else len(text.split()) for text in texts],
            "empty": [None if text is None else not text.strip() for text in texts],
            "language": [_language(text) if i % step == 0 else None for i, text in enumerate(texts)],
        }


def _as_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _language(text: str | None) -> str | None:
    if text is None:
        return None
    text = text[:LANGUAGE_UP_TO]
    classify = _classifier()
    if classify is None or sum(map(str.isalpha, text)) < LANGUAGE_FROM:
        return None
    return classify(text)


@cache
def _classifier() -> Callable[[str], str] | None:
    try:
        import py3langid
    except ImportError:
        return None
    return lambda text: str(py3langid.classify(text)[0])
