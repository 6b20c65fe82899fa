"""What the recorder of screens says where it cannot record, or not well."""

from __future__ import annotations

from pathlib import Path

import pytest
from vidact.errors import ConfigError
from vidact.games.config import RecordScreenConfig

from tests.games.screen.x11 import bars, x_server

pytest.importorskip("xcffib")
from vidact.games.record_screen import record_screen, summary_of
from vidact.games.screen.display import Display
from vidact.games.screen.hands import Hands
from vidact.games.screen.session import Counts


def test_mistakes_are_told(x_display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path)
    with bars(x_display), pytest.raises(ConfigError, match=r"no window is called so; .*bars"):
        record_screen(RecordScreenConfig(out=out, display=x_display, window="Doom"))
    with pytest.raises(ConfigError, match="no X server answers"):
        record_screen(RecordScreenConfig(out=out, display=":4711"))
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ConfigError, match="DISPLAY is not"):
        record_screen(RecordScreenConfig(out=out))
    for wrong in ("0xffffffffff", "0x"):
        with pytest.raises(ConfigError, match="no window is called so"):
            record_screen(RecordScreenConfig(out=out, display=x_display, window=wrong))
    (tmp_path / "flash_test.json").write_text('{"latency_ms": NaN}')
    with pytest.raises(ConfigError, match="must be from 0 to 5000, got nan"):
        record_screen(RecordScreenConfig(out=out, display=x_display, window="screen"))
    with pytest.raises(ConfigError, match=r"fps must be at least 0.1, got 0.0004"):
        record_screen(RecordScreenConfig(out=out, display=x_display, fps=0.0004, pause_key="f9"))
    for name in ("../other", "x" * 101):
        with pytest.raises(ConfigError, match="name must be a name of letters, digits"):
            RecordScreenConfig(out=out, name=name)
    with pytest.raises(ConfigError, match=r"there is none of this id"):
        record_screen(RecordScreenConfig(out=out, display=x_display, window="0x1"))
    with pytest.raises(ConfigError, match=r"at least the 20 ticks/s of spec 'minecraft', got 10"):
        record_screen(RecordScreenConfig(out=out, display=x_display, spec="minecraft", fps=10))
    with pytest.raises(ConfigError, match=r"pause_key must be .* Did you mean `key.keyboard.f1"):
        RecordScreenConfig(out=out, pause_key="key.keybord.f1")


def test_in_a_wayland_session_it_is_told_what_cannot_be_recorded(
    x_display: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    order = {"out": str(tmp_path), "display": x_display, "window": "0x1"}
    for display, told in (("", False), ("wayland-0", True)):
        monkeypatch.setenv("WAYLAND_DISPLAY", display)
        with pytest.raises(ConfigError, match="there is none of this id"):
            record_screen(RecordScreenConfig(**order))
        assert ("only of those in Xwayland" in capsys.readouterr().err) is told


def test_a_machine_that_is_too_slow_is_told_of(tmp_path: Path) -> None:
    good, bad = (Counts(recordings=1, frames=100, late=late, lost=late // 2) for late in (2, 40))
    assert "lower --fps" in summary_of(bad, tmp_path)
    assert "lower --fps" not in summary_of(good, tmp_path)


def test_a_display_of_ten_bits_a_color_and_one_without_extensions_are_refused(
    tmp_path: Path,
) -> None:
    order = {"out": str(tmp_path), "window": "screen", "minutes": 0.001}
    with x_server("64x64", depth=30) as name, pytest.raises(ConfigError, match="a depth of 30"):
        record_screen(RecordScreenConfig(display=name, **order))
    with (
        x_server("64x64", lacking=("MIT-SHM",)) as name,
        pytest.raises(ConfigError, match="lacks the extension MIT-SHM"),
    ):
        Display(name)
    with x_server("64x64", lacking=("RANDR", "XTEST")) as name:
        with pytest.raises(ConfigError, match="lacks the extension XTEST"):
            Hands(Display(name))
        assert record_screen(RecordScreenConfig(display=name, **order)) == 0
