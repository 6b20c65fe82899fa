"""Environments of their own for other projects' readers, which want other versions than vidact."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def python_with(
    packages: Sequence[str], variable: str, pythons: Sequence[str], folder: Path
) -> str:
    """A Python that has these packages.

    It is the one that the environment variable names; else one is made in `folder` with the first
    of `pythons` that is there, which downloads what it needs.
    """
    if given := os.environ.get(variable):
        return given
    base = next(filter(None, map(shutil.which, pythons)), None)
    if base is None:
        pytest.skip(f"needs one of {', '.join(pythons)}")
    subprocess.run([base, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", *packages], check=True)
    return str(folder / "bin/python")


def read_by(python: str, script: str, folder: Path, *words: str | Path) -> None:
    """Run a script under another Python, which sees nothing of this one's packages or of a hub."""
    path = folder / "read.py"
    path.write_text(script)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    environment.pop("PYTHONPATH", None)
    subprocess.run([python, path, *words], check=True, env=environment)
