"""The build backend of setuptools, which makes no wheel without the labeling tool's pages.

Node bundles them, and git does not hold them: a wheel of a fresh clone would have a `vidact serve`
that has nothing to show. Editable installs find the pages whenever they are bundled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - every other hook is setuptools' own

PAGE = Path("labeling_tool/static/index.html")


def build_wheel(wheel_directory: str, *args: Any, **options: Any) -> str:
    """Build a wheel of the checkout in the working folder. Raises SystemExit without the pages."""
    if not PAGE.is_file():
        raise SystemExit(
            f"{PAGE} is missing: the labeling tool's pages are not bundled yet, and a wheel needs "
            f"them. `make {PAGE}` bundles them (with Node); `pip install --editable .` does without"
        )
    return build_meta.build_wheel(wheel_directory, *args, **options)
