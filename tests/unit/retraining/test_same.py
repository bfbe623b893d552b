"""Two model files: the same bytes, the same model, or neither."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import skops.io
from sklearn.linear_model import LogisticRegression

from tidegate.retraining.same import same


def packed(path: Path, address: int, weights: bytes, year: int = 2026) -> Path:
    """As skops writes one: members by address, and a schema that names them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (
            (f"{address}.npy", weights),
            ("schema.json", b'{"__id__": %d, "file": "%d.npy"}' % (address, address)),
        ):
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), data)
    return path


def test_times_and_addresses_are_no_difference_and_a_number_is(tmp_path: Path) -> None:
    one = packed(tmp_path / "a", 139861526513200, b"12")
    assert same(one, packed(tmp_path / "b", 139861526513200, b"12")) == "bytes"
    assert same(one, packed(tmp_path / "c", 140340675282480, b"12", 2027)) == "content"
    assert same(one, packed(tmp_path / "d", 140340675282480, b"13")) == ""
    (tmp_path / "e").write_text("no zip")
    assert same(one, tmp_path / "e") == ""


def test_real_models(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(80, 3))
    for name, y in (("a", x[:, 0] > 0), ("b", x[:, 0] > 0), ("c", x[:, 1] > 0)):
        (tmp_path / name).mkdir()
        skops.io.dump(LogisticRegression().fit(x, y), tmp_path / name / "m.skops")
    assert same(tmp_path / "a" / "m.skops", tmp_path / "b" / "m.skops") in ("bytes", "content")
    assert same(tmp_path / "a" / "m.skops", tmp_path / "c" / "m.skops") == ""
    assert same(tmp_path / "a", tmp_path / "b") in ("bytes", "content"), "folders file by file"
    assert same(tmp_path / "a", tmp_path / "a" / "m.skops") == ""
