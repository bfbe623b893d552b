"""What the world sends to the demos' models: pictures that are none, and customers nobody knows, over HTTP."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from tests.support.system import Response, System

from tidegate.demo.recommender.models import SLATE
from tidegate.demo.recommender.train import train
from tidegate.demo.scratches.phones import phones

pytestmark = pytest.mark.xdist_group("odd inputs")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The scratch model and the recommender's pipeline, in one system."""
    learned = tmp_path_factory.mktemp("learned")
    train(learned, visits=500)

    def version(name: str, file: str = "") -> dict[str, Any]:
        options = {"options": {"args": {"file": str(learned / file)}}} if file else {}
        return {"versions": {"1": {"path": f"tidegate.demo.recommender.models:{name}", **options}}}

    project = {
        "project": "odd",
        "server": {"http": 0, "grpc": 0, "control": -1, "workers": 1},
        "models": {
            "scratch": {"versions": {"1": {"path": "tidegate.demo.scratches.models:Scratch", "warmup": False}}},
            "profile": version("Profile", "profile.npz"),
            "scores": version("Scores", "scores.npz"),
            "slate": version("Slate"),
        },
        "endpoints": {
            "inspect": {"model": "scratch", "split": {"1": 100}},
            "recommend": {
                "pipeline": [{"stage": name, "model": name, "split": {"1": 100}} for name in ("profile", "scores", "slate")]
            },
        },
    }  # fmt: skip
    system = System(tmp_path_factory.mktemp("shop"), project)
    try:
        yield system.start()
    finally:
        system.stop()


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is `side` x `side` pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def looked(system: System, *pictures: bytes) -> Response:
    """The answer to pictures, as KServe's v1 spells bytes."""
    rows = [{"image": {"b64": base64.b64encode(one).decode()}} for one in pictures]
    return system.post("/v1/models/inspect:predict", {"instances": rows})


GOOD = next(phones(5)).png()


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (b"", "the file is empty"),
        (b"not a picture, but words", "no picture that can be read"),
        (GOOD[: len(GOOD) // 2], "damaged"),
        (GOOD[:60] + bytes(40) + GOOD[100:], "damaged"),
        (bomb(60_000), "too many pixels"),
        (bomb(6_000), "6000 x 6000 pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture that can be read"),
    ],
    ids=["empty", "words", "cut", "holes", "bomb", "large", "eps", "svg"],
)
def test_a_bad_picture_is_refused_in_words(shop: System, picture: bytes, said: str) -> None:
    pid = shop.pid("runner", "scratch", "1")
    answer = looked(shop, picture)
    assert answer.status == 400 and list(answer.json()) == ["error"]
    assert "image" in answer.json()["error"] and said in answer.json()["error"]
    assert looked(shop, GOOD).status == 200, "the next caller has a picture"
    assert shop.pid("runner", "scratch", "1") == pid, "no runner died of it"


def test_odd_pictures_are_pictures(shop: System) -> None:
    rng = np.random.default_rng(0)
    plain = Image.fromarray(rng.integers(0, 255, (50, 70, 3), np.uint8))
    odd = {
        "grey": saved(plain.convert("L")),
        "one bit": saved(plain.convert("1")),
        "palette": saved(plain.convert("P")),
        "seen through": saved(plain.convert("RGBA")),
        "of a printer": saved(plain.convert("CMYK"), "JPEG"),
        "16 bits": saved(Image.fromarray(rng.integers(0, 65535, (50, 70), np.uint16))),
        "one pixel": saved(Image.new("RGB", (1, 1))),
        "a line": saved(Image.new("RGB", (3000, 1))),
        "moving": saved(plain, "GIF", save_all=True, append_images=[plain.rotate(90)]),
    }
    answer = looked(shop, *odd.values())
    assert answer.status == 200
    found = answer.json()["predictions"]
    assert [row["label"] in ("clean", "scratched") and 0.5 <= row["confidence"] <= 1 for row in found] == [True] * len(
        odd
    )


def test_a_bomb_is_not_unpacked(shop: System) -> None:
    runner = psutil.Process(shop.pid("runner", "scratch", "1"))
    before = runner.memory_info().rss
    answer = looked(shop, *[bomb(5_000)] * 8)
    assert answer.status == 400 and "5000 x 5000 pixels" in answer.json()["error"]
    assert runner.memory_info().rss - before < 64 << 20, "75 MB each, were they read"


def recommended(system: System, pages: list[Any], items: list[Any]) -> list[list[str]]:
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": values}
        for name, values in (("pages", pages), ("items", items))
    ]
    answer = system.post("/v2/models/recommend/infer", {"inputs": inputs})
    assert answer.status == 200, answer.body
    (products,) = [one["data"] for one in answer.json()["outputs"] if one["name"] == "product"]
    return [products[at : at + SLATE] for at in range(0, len(products), SLATE)]


def test_unknown_customers_get_what_is_popular(shop: System) -> None:
    strangers = ["", " ", "999 no-such-page", "0" * 100_000, "‮\u0000 page", "'; drop table users; --"]
    slates = recommended(shop, strangers, [""] * len(strangers))
    assert len({tuple(one) for one in slates}) == 1 and len(set(slates[0])) == SLATE
    (bought,) = recommended(shop, [""], [",".join([*slates[0][:2], "no such product"])])
    assert not set(slates[0][:2]) & set(bought) and len(set(bought)) == SLATE


def test_a_customer_without_a_field_is_told_which(shop: System) -> None:
    one = {"name": "pages", "datatype": "BYTES", "shape": [1], "data": ["101"]}
    answer = shop.post("/v2/models/recommend/infer", {"inputs": [one]})
    assert answer.status == 400 and "items" in answer.json()["error"]
    longer = {"name": "items", "datatype": "BYTES", "shape": [2], "data": ["", ""]}
    answer = shop.post("/v2/models/recommend/infer", {"inputs": [one, longer]})
    assert answer.status == 400 and "rows" in answer.json()["error"]
