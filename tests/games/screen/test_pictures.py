"""Pictures of windows, and finding them, where the server says no."""

from __future__ import annotations

import pytest
from vidact.errors import ConfigError

pytest.importorskip("xcffib")
from vidact.games.screen.display import Display
from vidact.games.screen.pictures import Pictures


def test_a_server_that_sees_other_memory_is_told(
    x_display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = Display(x_display)
    attach = display.shm.Attach
    # As in a container with memory of its own: the server knows no segment of this number.
    monkeypatch.setattr(
        display.shm, "Attach", lambda at, _, *more, **how: attach(at, 2**31 - 1, *more, **how)
    )
    with pytest.raises(ConfigError, match="cannot use this process's memory"):
        Pictures(display, 64, 64, 2)


def test_a_window_that_closes_while_windows_are_looked_at_is_passed_over(
    x_display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = Display(x_display)
    for x in (0, 100):
        shown = display.connection.generate_id()
        visual = display.screen.root_visual
        display.core.CreateWindow(24, shown, display.root, x, 0, 50, 50, 0, 1, visual, 0, [])
        display.core.MapWindow(shown)
    look = display.core.QueryTree
    closed = display.connection.generate_id()
    monkeypatch.setattr(
        display.core, "QueryTree", lambda window: look(window if window == display.root else closed)
    )
    assert list(display.titled()) == []
