"""Images against scipy's and Pillow's own arithmetic, on photographs, and on files that are broken."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_sample_image

from tidegate.metrics.descriptors.dispatch import describe, looks_like_image
from tidegate.metrics.descriptors.image import Image, luma_of_array
from tidegate.storage.log.describe import Payload

PIL = pytest.importorskip("PIL.Image")
FILTER = pytest.importorskip("PIL.ImageFilter")


@pytest.fixture(scope="module")
def china() -> Any:
    return load_sample_image("china.jpg")


def file_of(array: Any, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    PIL.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def one(value: Any) -> dict[str, Any]:
    return {name: values[0] for name, values in Image().describe([value]).items()}


def test_a_photograph_as_file_and_as_array(china: Any) -> None:
    grey = np.asarray(PIL.fromarray(china).convert("L"), np.float64)
    as_file, as_array = one(file_of(china)), one(china)
    assert as_file["brightness"] == pytest.approx(grey.mean() / 255)
    assert as_file["contrast"] == pytest.approx(grey.std() / 255)
    assert as_file["sharpness"] == pytest.approx(ndimage.laplace(grey)[1:-1, 1:-1].var())
    assert (as_file["width"], as_file["height"], as_file["aspect"]) == (640, 427, 640 / 427)
    for name in ("brightness", "contrast"):
        assert as_array[name] == pytest.approx(as_file[name], abs=0.002), "Pillow rounds its luma to whole numbers"
    assert as_array["sharpness"] == pytest.approx(as_file["sharpness"], rel=0.02)


def test_each_moves_with_what_it_measures(china: Any) -> None:
    image = PIL.fromarray(china)
    plain, dark = one(china), one((china // 3).astype(np.uint8))
    blurred = one(np.asarray(image.filter(FILTER.GaussianBlur(2))))
    grainy = np.clip(china + np.random.default_rng(0).normal(0, 25, china.shape), 0, 255).astype(np.uint8)
    assert dark["brightness"] == pytest.approx(plain["brightness"] / 3, abs=0.01)
    assert dark["contrast"] < plain["contrast"]
    assert blurred["sharpness"] < plain["sharpness"] / 20
    assert one(grainy)["sharpness"] > 1.5 * plain["sharpness"]


def test_one_photograph_in_every_form_is_one_photograph(china: Any) -> None:
    plain = one(china)
    floats = (china / 255).astype(np.float32)
    for form in (floats, floats * 255, np.moveaxis(floats, 2, 0), np.dstack([china, china[:, :, 0]])):
        found = one(form)
        assert (found["width"], found["height"]) == (640, 427)
        assert found["brightness"] == pytest.approx(plain["brightness"], abs=1e-4)
        assert found["sharpness"] == pytest.approx(plain["sharpness"], rel=1e-3)
    assert luma_of_array(china[:, :, :1]).shape == (427, 640)


def test_files_by_base64_and_data_uri(china: Any) -> None:
    text = base64.b64encode(file_of(china, "JPEG", quality=90)).decode()
    assert one(text)["width"] == one("data:image/jpeg;base64," + text)["width"] == 640


def test_a_broken_file_is_counted_and_stops_nothing(china: Any) -> None:
    whole = file_of(china)
    found = Image().describe([whole, whole[: len(whole) // 2], b"\x89PNG\r\n\x1a\n", "not a picture", None])
    assert found["unreadable"] == [False, True, True, True, None]
    assert found["brightness"][1:] == [None] * 4


def test_a_bomb_is_not_decoded() -> None:
    bomb = file_of(np.zeros((9000, 9000), np.uint8))
    assert one(bomb) == {
        **dict.fromkeys(Image.names),
        "width": 9000,
        "height": 9000,
        "aspect": 1.0,
        "unreadable": False,
    }


def test_odd_arrays_have_no_figures_and_raise_nothing() -> None:
    assert one(np.full((10, 10), np.nan))["brightness"] is None
    assert one(np.zeros((2, 50)))["sharpness"] is None
    assert one(np.zeros((8, 8), bool))["brightness"] == 0.0


@pytest.mark.parametrize(
    ("shape", "dtype", "is_image"),
    [
        ((2, 28, 28), np.uint8, True),
        ((2, 224, 224, 3), np.float32, True),
        ((2, 3, 224, 224), np.float32, True),
        ((2, 80, 3000), np.float32, False),
        ((2, 6, 6, 3), np.uint8, False),
        ((2, 12, 64, 64), np.float32, False),
        ((2, 28, 28), np.int64, False),
    ],
)
def test_which_arrays_are_images(shape: tuple[int, ...], dtype: Any, is_image: bool) -> None:
    array = np.zeros(shape, dtype)
    assert looks_like_image(array) is is_image
    found = describe(Payload("input", "x", array))
    assert ("brightness" in found) is is_image and "norm" in found


def test_an_attention_matrix_of_floats_below_zero_is_no_image() -> None:
    assert not looks_like_image(np.random.default_rng(0).normal(size=(2, 64, 64)))
