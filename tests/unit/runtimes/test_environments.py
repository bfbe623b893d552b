"""An environment of a version's own: made once, whole or not at all, free of the libraries beside Tidegate's."""

from __future__ import annotations

import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from tidegate.errors import LoadError
from tidegate.runtimes.environments import digest, ensure_environment


def package(folder: Path) -> Path:
    """A tiny wheel to install, and a requirements file that names it by a relative path."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_package-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_package.py", "answer = 42\n")
        about = "tiny_package-1.2.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.2\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", f"tiny_package.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    (folder / "requirements.txt").write_text("./tiny_package-1.2-py3-none-any.whl\n")
    return folder / "requirements.txt"


def run(python: Path, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout.strip()


def test_an_environment_is_made_once_and_holds_only_its_own(tmp_path: Path) -> None:
    requirements, root = package(tmp_path / "a"), tmp_path / "envs"
    said: list[str] = []
    made: list[Path] = []

    def make() -> None:
        made.append(ensure_environment(requirements, root, progress=said.append))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made[0] == made[1]
    assert sum("making environment" in line for line in said) == 1
    assert run(made[0], "import tiny_package; print(tiny_package.answer)") == "42"
    # Tidegate's runner side is there; what lies beside Tidegate in its own environment is not
    assert (
        run(made[0], "import tidegate.runtimes.resolve, tidegate.runtimes.python, tidegate.wire.codecs.v2; print('ok')")
        == "ok"
    )
    assert (
        run(made[0], "import importlib.util as u; print(u.find_spec('pydantic'), u.find_spec('polars'))") == "None None"
    )
    said.clear()
    assert ensure_environment(requirements, root, progress=said.append) == made[0]
    assert not said
    assert [path.name for path in root.iterdir() if not path.name.startswith(".")] == [digest(requirements)]


def test_a_package_that_can_not_be_installed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("./no-such-folder\n")
    with pytest.raises(LoadError, match=r"(?s)requirements.txt can't be installed:.*no-such-folder"):
        ensure_environment(tmp_path / "requirements.txt", tmp_path / "envs")
    assert not [path for path in (tmp_path / "envs").iterdir() if path.is_dir()]
    with pytest.raises(LoadError, match="can't read"):
        ensure_environment(tmp_path / "gone.txt", tmp_path / "envs")


def test_the_digest_follows_included_files(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-r more.txt\n")
    (tmp_path / "more.txt").write_text("a\n")
    before = digest(tmp_path / "requirements.txt")
    (tmp_path / "more.txt").write_text("b\n")
    assert digest(tmp_path / "requirements.txt") != before
