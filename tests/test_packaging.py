"""The wheel holds the whole product and runs where the repository is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = "labeling_tool/static"
SOURCE_SUFFIXES = {
    ".py",
    ".pyi",
    ".jinja",
    ".yaml",
    ".css",
    ".html",
    ".js",
    ".svg",
    ".safetensors",
    ".json",
    ".mako",
    ".png",
    ".typed",
}


def packages() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["tool"]["setuptools"]["packages"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git knows, so that build products of the checkout
    cannot help it.
    """
    source = tmp_path_factory.mktemp("source")
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    for name in filter(None, tracked.decode().split("\0")):
        target = source / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    shutil.copytree(ROOT / BUNDLE, source / BUNDLE)  # the one build product that a wheel carries
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(out),
        ".",
    ]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_every_top_level_package_is_declared() -> None:
    found = {
        "vidact"
        if path.parent == ROOT
        else "vidact." + ".".join(path.parent.relative_to(ROOT).parts)
        for path in ROOT.rglob("__init__.py")
        if not {"tests", "benchmarks", "node_modules", "build", "runs"}
        & set(path.relative_to(ROOT).parts)
        and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    }
    assert found == set(packages())


def test_wheel_holds_every_source_and_asset(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    for package in packages():
        folder = ROOT.joinpath(*package.split(".")[1:])
        for path in sorted(folder.iterdir() if package == "vidact" else folder.rglob("*")):
            inside = path.relative_to(ROOT).as_posix()
            if path.is_file() and path.suffix in SOURCE_SUFFIXES - (
                {".yaml", ".json"} if package == "vidact" else set()
            ):
                if "/frontend/" in inside or "__pycache__" in inside:
                    continue
                assert f"vidact/{inside}" in held
    assert not [
        name for name in held if name.startswith(("tests/", "vidact/tests", "vidact/benchmarks"))
    ]


def test_installed_wheel_runs_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True)
    code = (
        "import sys, vidact, vidact.cli\n"
        "from vidact.datasets.actions.spec import ActionSpec\n"
        "names = [ActionSpec.load(name).name for name in ('doom', 'crafter', 'minecraft')]\n"
        "print(vidact.__file__, *names)\n"
        "sys.argv = ['vidact', '--help']\n"
        "vidact.cli.main()\n"
    )
    run = subprocess.run(  # noqa: PLW1510 - the code is looked at below
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{site / 'vidact' / '__init__.py'} doom crafter minecraft")
    assert "train-idm" in run.stdout


def test_installation_is_consistent() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pip", "check"], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
