"""The front end's models, mouse and keys in node: what needs no browser is tested without one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.requirements import require

FRONTEND = Path(__file__).resolve().parents[3] / "labeling_tool" / "frontend"
TESTS = sorted(Path(__file__).parent.glob("*.test.ts"))


def test_front_end_without_a_browser(tmp_path: Path) -> None:
    """Each `*.test.ts`, bundled with the front end's own code."""
    node = require("node")
    if not (FRONTEND / "node_modules" / "esbuild").is_dir():
        pytest.skip("the front end's packages are not installed; make setup installs them")
    esbuild = [node, "node_modules/esbuild/bin/esbuild", *map(str, TESTS), f"--outdir={tmp_path}"]
    subprocess.run(
        [*esbuild, "--bundle", "--format=esm", "--platform=node", "--out-extension:.js=.mjs"],
        cwd=FRONTEND,
        check=True,
        capture_output=True,
        env=os.environ | {"NODE_PATH": str(FRONTEND / "node_modules")},
    )
    tests = [node, "--test", *map(str, sorted(tmp_path.glob("*.mjs")))]
    run = subprocess.run(tests, check=False, capture_output=True, text=True, cwd=FRONTEND)
    assert run.returncode == 0, run.stdout + run.stderr
