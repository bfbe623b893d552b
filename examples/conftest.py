"""Runs an example as its README tells a reader to: every shell block, in order, in a copy of the folder.

    README.md --> ```sh blocks --> bash, with this Python's `tidegate` --> what was printed, block by block

The copy's project file asks for free ports, and the addresses in the commands are replaced by the ones that were given.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESSES = {"http": "http://127.0.0.1:8080", "control": "http://127.0.0.1:8000"}
LEFT_OUT = (".tidegate", "__pycache__", "test_*", "*.parquet", "*.skops")
FREE_PORTS = "server: {http: 0, grpc: 0, control: 0}\n"


class Reader:
    """Someone who follows a README to the letter."""

    def __init__(self, example: Path, workdir: Path) -> None:
        self.folder = workdir / example.name
        shutil.copytree(
            example, self.folder, ignore=shutil.ignore_patterns(".tidegate", "__pycache__", "test_*", "*.parquet")
        )
        project = self.folder / "tidegate.yaml"
        project.write_text(project.read_text() + FREE_PORTS)
        self.blocks = BLOCK.findall((self.folder / "README.md").read_text())

    def follow(self) -> list[str]:
        """Run every block; what each printed. A command that fails ends the test with what it said."""
        return [self.run(block) for block in self.blocks]

    def run(self, block: str) -> str:
        folder_of_python = str(Path(sys.executable).parent)
        env = {
            **os.environ,
            "PATH": folder_of_python + os.pathsep + os.environ["PATH"],
            "COLUMNS": "120",
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(block)],
            cwd=self.folder, env=env, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n--- exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def _here(self, block: str) -> str:
        """The commands, and the scripts they name, with the addresses that this run has."""
        running = self.folder / ".tidegate" / "run" / "processes.json"
        if not running.is_file():
            return block
        known = json.loads(running.read_text())
        for name, usual in ADDRESSES.items():
            url = known[name] if "://" in known[name] else f"http://{known[name]}"
            for script in self.folder.glob("*.py"):
                if usual in (text := script.read_text()):
                    script.write_text(text.replace(usual, url))
            block = block.replace(usual, url)
        return block


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Callable[[Path], Reader]]:
    """Make a Reader of an example's folder; whatever it left running is stopped at the end."""
    made: list[Reader] = []

    def make(example: Path) -> Reader:
        made.append(Reader(example, tmp_path))
        return made[-1]

    yield make
    for each in made:
        if (each.folder / ".tidegate" / "run" / "processes.json").is_file():
            down = [sys.executable, "-m", "tidegate", "down"]
            subprocess.run(down, cwd=each.folder, capture_output=True, timeout=60, check=False)
