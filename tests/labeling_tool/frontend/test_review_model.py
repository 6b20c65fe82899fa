"""The review's model and mouse in node: what cannot need a browser is tested without one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.requirements import require

FRONTEND = Path(__file__).resolve().parents[3] / "labeling_tool" / "frontend"
TESTS = Path(__file__).with_name("review.test.ts")


def test_review_model(tmp_path: Path) -> None:
    """`review.test.ts`, bundled with the front end's own code."""
    node = require("node")
    if not (FRONTEND / "node_modules" / "esbuild").is_dir():
        pytest.skip("the front end's packages are not installed; make setup installs them")
    bundle = tmp_path / "review.test.mjs"
    esbuild = [node, "node_modules/esbuild/bin/esbuild", str(TESTS), f"--outfile={bundle}"]
    subprocess.run(
        [*esbuild, "--bundle", "--format=esm", "--platform=node"],
        cwd=FRONTEND,
        check=True,
        capture_output=True,
        env=os.environ | {"NODE_PATH": str(FRONTEND / "node_modules")},
    )
    tests = [node, "--test", str(bundle)]
    run = subprocess.run(tests, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
