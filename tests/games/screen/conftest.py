from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.games.screen.x11 import x_server


@pytest.fixture(scope="module")
def x_display() -> Iterator[str]:
    """The name of a display of 640x480 pixels."""
    with x_server() as name:
        yield name
