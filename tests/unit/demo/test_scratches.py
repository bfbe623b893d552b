"""Phones with planted scratches, the net that finds them, and picture files of every kind."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from tidegate.config import parse_project
from tidegate.demo.scratches.cli import project
from tidegate.demo.scratches.models import CLEAN, SCRATCHED, Scratch, opened
from tidegate.demo.scratches.net import Net, prepared
from tidegate.demo.scratches.phones import SIDE, Camera, phones
from tidegate.demo.scratches.train import pictures, train
from tidegate.errors import InvalidRequest


def test_the_same_seed_gives_the_same_phones() -> None:
    first, again = (list(itertools.islice(phones(5), 3)) for _ in range(2))
    assert all(
        np.array_equal(a.pixels, b.pixels) and a.scratched == b.scratched for a, b in zip(first, again, strict=True)
    )
    assert first[0].pixels.shape == (SIDE, SIDE, 3)
    pixels, truth = pictures(60, 1)
    assert 15 < truth.sum() < 45
    dark, _ = pictures(20, 1, Camera(light=0.35, noise=0.03))
    assert dark.mean() < 0.5 * pixels.mean()


def test_the_weights_find_scratches_and_the_dark_deceives_them() -> None:
    model = Scratch()
    model.load()
    found = list(itertools.islice(phones(77), 120))
    answer = model.predict(np.array([one.png() for one in found], object))
    truth = np.array([SCRATCHED if one.scratched else CLEAN for one in found])
    assert (answer["label"] == truth).mean() > 0.93
    assert answer["heat"].shape == (120, 12, 12)
    assert ((answer["confidence"] >= 0.5) & (answer["confidence"] <= 1)).all()
    dark = list(itertools.islice(phones(78, Camera(light=0.35, noise=0.03)), 80))
    blind = model.predict(np.array([one.png() for one in dark], object))
    right = (blind["label"] == np.array([SCRATCHED if one.scratched else CLEAN for one in dark])).mean()
    assert right < 0.8 < blind["confidence"].mean(), "it is wrong, and as sure as ever"


def test_it_looks_where_the_scratch_is() -> None:
    model = Scratch()
    model.load()
    rng = np.random.default_rng(0)
    plain = (np.full((SIDE, SIDE, 3), 34) + rng.normal(0, 4, (SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
    for at in range(24):
        plain[20 + at, 60 + at // 3] = 150
        plain[20 + at, 61 + at // 3] = 110
    _, heat = model._net.predict(plain[None])
    y, x = np.unravel_index(heat[0].argmax(), (12, 12))
    assert 1 <= y <= 6 and 6 <= x <= 9


def test_gradients_are_those_of_the_loss() -> None:
    net = Net.fresh(3)
    x = prepared(pictures(4, 9)[0])
    truth = np.array([1, 0, 1, 1], np.float32)
    _, gradient = net.step(x, truth)
    rng = np.random.default_rng(0)
    for weight, grad in zip(net.weights, gradient, strict=True):
        direction = rng.normal(size=weight.shape).astype(np.float32)
        direction *= 1e-2 / np.linalg.norm(direction)
        before = weight.copy()
        weight += direction
        high = net.step(x, truth)[0]
        weight -= 2 * direction
        low = net.step(x, truth)[0]
        weight[:] = before
        assert (high - low) / 2 == pytest.approx(float((grad * direction).sum()), rel=0.15, abs=2e-5)


def test_a_few_steps_learn() -> None:
    pixels, truth = pictures(64, 2)
    net = train(pixels, truth, epochs=3, seed=0)
    assert (
        net.step(prepared(pixels), truth.astype(np.float32))[0]
        < Net.fresh(0).step(prepared(pixels), truth.astype(np.float32))[0]
    )


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.new("CMYK", (50, 40)), "JPEG"),
        encoded(Image.new("I;16", (50, 40), 40_000), "PNG"),
        encoded(Image.new("RGBA", (50, 40), (1, 2, 3, 4)), "PNG"),
        encoded(Image.new("P", (50, 40)), "GIF"),
        encoded(Image.new("1", (1, 1)), "PNG"),
    ],
    ids=["cmyk", "16 bits", "transparent", "gif", "one pixel"],
)
def test_unusual_pictures_are_understood(data: bytes) -> None:
    assert opened(data).shape == (SIDE, SIDE, 3)


def test_a_picture_of_16_bits_is_as_dark_as_it_is() -> None:
    dark = np.linspace(0, 60, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint8)
    deep = Image.fromarray(dark.astype(np.uint16) * 257)
    assert np.array_equal(opened(encoded(deep, "PNG")), opened(encoded(Image.fromarray(dark), "PNG")))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"not a picture", "no picture"),
        (encoded(Image.new("RGB", (300, 300), (9, 80, 7)), "PNG")[:200], "damaged"),
        (encoded(Image.new("1", (30_000, 30_000)), "PNG"), "at most 20,000,000"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
    ],
    ids=["empty", "text", "cut off", "bomb", "svg"],
)
def test_what_is_no_picture_is_said(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        opened(data)


def test_the_project_file_is_valid() -> None:
    rule = parse_project(project("3%")).endpoints["inspect"].automation
    assert rule is not None and rule.step_down.on == ["input.mean.image_brightness"]
