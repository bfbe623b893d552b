"""Embeddings and tensors, against numpy."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tidegate.metrics.descriptors.dispatch import describe
from tidegate.metrics.descriptors.tensor import Tensor
from tidegate.storage.log.describe import Payload


def test_norm_zeros_and_nan() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 3, 8)).astype(np.float32)
    rows[1] = 0
    rows[2, 0] = np.nan
    found = Tensor().describe(list(rows))
    assert found["norm"][0] == pytest.approx(np.linalg.norm(rows[0]), rel=1e-6)
    assert found["zeros"][:2] == [0.0, 1.0] and found["nan"][2] == pytest.approx(1 / 3)
    assert found["norm"][2] == pytest.approx(np.linalg.norm(rows[2, 1:]), rel=1e-6)
    assert found["dtype"] == ["float32"] * 5 and found["shape"] == ["3x8"] * 5


def test_rows_of_many_shapes_and_nothing_at_all() -> None:
    found = Tensor().describe([np.ones(4), None, np.ones((2, 2), np.int8), "text", np.zeros((0,))])
    assert found["norm"] == [2.0, None, 2.0, None, 0.0]
    assert found["shape"] == ["4", None, "2x2", None, "0"]
    assert found["zeros"][4] is None


def test_huge_values_do_not_overflow() -> None:
    assert Tensor().describe([np.array([3e38, np.inf], np.float32)])["norm"][0] == pytest.approx(3e38, rel=1e-6)


def test_lists_among_the_outputs_are_counted() -> None:
    lists = np.array([[1.0, 4.0], [np.nan, 3.0]])
    assert describe(Payload("output", "length", lists)) == {"count": [2, 2], "mean": [2.5, 3.0]}
    assert describe(Payload("output", "length", np.zeros((3, 0), np.int64))) == {"count": [0] * 3, "mean": [None] * 3}


def test_of_outputs_tensors_are_not_described() -> None:
    assert describe(Payload("output", "embedding", np.zeros((2, 768)))) == {}
    assert describe(Payload("input", "embedding", np.zeros((2, 768))))["shape"] == ["768"] * 2


THIRD = """
class Mark:
    id, kind, help, names = "mark", "tensor", "Always one.", ("mark",)
    def describe(self, values):
        return {"mark": [1.0 for _ in values]}

class Broken(Mark):
    id, names = "broken", ("broken",)
    def describe(self, values):
        raise RuntimeError("no")
"""


def test_third_parties_add_theirs_and_one_that_fails_costs_the_others_nothing(tmp_path: Path) -> None:
    (tmp_path / "third_party.py").write_text(THIRD)
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tidegate.descriptors]\nmark = third_party:Mark\nbroken = third_party:Broken\n"
    )
    program = (
        "import numpy as np; from tidegate.metrics.descriptors.dispatch import describe;"
        "from tidegate.storage.log.describe import Payload;"
        "print(sorted(describe(Payload('input', 'x', np.zeros((2, 300))))))"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['dtype', 'mark', 'nan', 'norm', 'shape', 'zeros']"
