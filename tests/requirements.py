"""Parts of the system that some tests need: they skip where one is missing.

They fail where CI says (`VIDACT_REQUIRE`) that it must be there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

GAMES = "/usr/games"  # where Debian keeps them, beside the usual path
POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def require(name: str) -> str:
    """The path of a program such as `chromium`, `node`, `xvfb` or `minetest`, or of PostgreSQL's
    programs (`postgres`).

    Skips or fails the test without it.

    `VIDACT_REQUIRE=chromium,postgres` names what must not be skipped.
    """
    found = find(name)
    if found is None:
        message = f"{name} is not installed"
        if name in os.environ.get("VIDACT_REQUIRE", "").split(","):
            pytest.fail(f"{message}, and VIDACT_REQUIRE names it", pytrace=False)
        pytest.skip(message)
    return found


def find(name: str) -> str | None:
    """The path of such a part; None where it is not installed."""
    if name == "postgres":
        on_path = shutil.which("initdb")
        folders = [Path(on_path).parent] if on_path else POSTGRES_FOLDERS
        return next((str(folder) for folder in folders if (folder / "initdb").exists()), None)
    if name == "chromium":
        return (
            shutil.which("chromium")
            or shutil.which("chromium-browser")
            or shutil.which("google-chrome")
        )
    return shutil.which({"xvfb": "Xvfb"}.get(name, name), path=f"{os.environ['PATH']}:{GAMES}")
