"""Texts, and which tensors are taken for texts at all."""

from typing import Any

import numpy as np
import pytest

from tidegate.metrics.descriptors.dispatch import describe, is_free_text
from tidegate.metrics.descriptors.text import Text
from tidegate.storage.log.describe import Payload

SENTENCES = {
    "en": "The right lane is blocked after an accident near the bridge, expect long delays.",
    "de": "Nach einem Unfall auf der Autobahn ist der rechte Fahrstreifen gesperrt.",
    "bg": "Дясната лента е затворена заради катастрофа край моста.",
    "ja": "橋の近くで起きた事故のため右側の車線が通行止めになっています。",
}


def texts(*values: Any) -> Any:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def test_length_is_in_characters_and_blanks_are_empty() -> None:
    found = Text().describe(["Плевен  град", b"caf\xc3\xa9", " \n", "", None])
    assert found["length"] == [12, 4, 2, 0, None]
    assert found["words"] == [2, 1, 0, 0, None]
    assert found["empty"] == [False, False, True, True, None]


def test_the_language_is_guessed_of_sentences_alone() -> None:
    pytest.importorskip("py3langid")
    found = Text().describe([*SENTENCES.values(), "ok", "12 34 56 78 90 12 34 56 78"])
    assert found["language"] == [*SENTENCES, None, None]


def test_nonsense_is_described_and_not_refused() -> None:
    found = Text().describe([b"\xff\xfe\x00 x", 3.5, ["a"], "\ud800 lone surrogate of many letters"])
    assert found["words"] == [2, None, None, 6]


@pytest.mark.parametrize(
    "values",
    [
        ["Day", "Night"] * 10,
        ["Partly Cloudy", "Fair", "Mostly Cloudy / Windy", "Light Rain"] * 10,
        ["3f2a-9c", "77b1-0e", "90ac-11"] * 10,
        ["does not apply to me"] * 20,
        ["", None, b""],
        [f"user-{i}" for i in range(50)],
    ],
)
def test_categories_and_ids_are_not_texts(values: list[Any]) -> None:
    assert not is_free_text(values)
    assert describe(Payload("input", "c", texts(*values))) == {}


@pytest.mark.parametrize(
    "values",
    [
        list(SENTENCES.values())[:2],
        [f"ice hill {i}" for i in range(20)],
        [SENTENCES["ja"] * 5],
        [f"red shoes {i}" for i in range(9)],
    ],
)
def test_sentences_and_many_different_phrases_are(values: list[Any]) -> None:
    assert is_free_text(values)
    assert set(describe(Payload("output", "answer", texts(*values)))) == set(Text.names)


def test_what_was_text_once_stays_text() -> None:
    known = frozenset(Text.names)
    assert describe(Payload("input", "c", texts("no"), known=known))["length"] == [2]
