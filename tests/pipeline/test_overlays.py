"""Overlays: their layouts' files, where they lie, what they show, when, and frames without them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vidact.errors import ConfigError
from vidact.pipeline.overlays.config import MIN_SCORE
from vidact.pipeline.overlays.drawings import drawn_layout, preset_files
from vidact.pipeline.overlays.files import load_layouts
from vidact.pipeline.overlays.masking import MARGIN, Mask
from vidact.pipeline.overlays.place import MIN_WIDTH, find_place, still_picture
from vidact.pipeline.overlays.reading import OverlayReader, find_opacity, probabilities
from vidact.pipeline.overlays.timing import find_delay, frozen, moved

from .overlay_videos import HEIGHT, WIDTH, game, overlaid, pressed

LAYOUT = drawn_layout("glass")
SCALE = 0.32


def preset(folder: Path, **changes: object) -> Path:
    content, png = preset_files("keycaps")
    (folder / "mine.png").write_bytes(png)
    path = folder / "mine.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_a_preset_is_read_from_its_files(tmp_path: Path) -> None:
    (layout,) = load_layouts([str(preset(tmp_path))])
    assert layout.inputs[:3] == ("key.keyboard.q", "key.keyboard.w", "key.keyboard.e")
    assert layout.inputs[-2:] == ("mouse.0", "mouse.1")
    assert (layout.drawn(0.5) == drawn_layout("keycaps").drawn(0.5)).all()
    changed = np.abs(layout.drawn(1.0) - layout.drawn(1.0, ["key.keyboard.w"])).max(-1) > 0.1
    rows, columns = np.nonzero(changed)
    left, top, right, bottom = layout.box_of("key.keyboard.w")
    assert (columns.min() >= left, columns.max() < right) == (True, True)
    assert (rows.min() >= top, rows.max() < bottom) == (True, True)


def test_numbers_of_keys_go_by_the_version(tmp_path: Path) -> None:
    element = preset_files("keycaps")[0]["elements"][0] | {"code": 0x57}
    (old,) = load_layouts([str(preset(tmp_path, elements=[element]))])
    (new,) = load_layouts([str(preset(tmp_path, elements=[element], version=507))])
    assert (old.inputs, new.inputs) == (("key.keyboard.f11",), ("key.keyboard.w",))
    with pytest.raises(ConfigError, match="version 600"):
        load_layouts([str(preset(tmp_path, elements=[element], version=600))])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"overlay_width": "wide"}, "overlay_width must be a whole number"),
        ({"overlay_height": 10**9}, "overlay_height must be a whole number"),
        ({"overlay_height": float("nan")}, "overlay_height must be a whole number"),
        ({"elements": {}}, "elements must be a list"),
        ({"elements": [{"type": 1, "pos": [0, 0], "mapping": [9000, 0, 1, 1]}]}, "mapping"),
        ({"elements": [{"type": 1, "pos": [0, 0], "mapping": [0, 0, 900, 9]}]}, "lies outside"),
        ({"elements": [{"type": 1, "pos": [999, 0], "mapping": [0, 0, 9, 9]}]}, "pos 999"),
        ({"elements": [{"type": 77}]}, "type must be from 0 to 9"),
        ({"elements": []}, "shows no key"),
    ],
)
def test_what_is_no_preset_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load_layouts([str(preset(tmp_path, **changes))])


def test_files_that_are_no_layout_are_refused(tmp_path: Path) -> None:
    path = preset(tmp_path)
    (tmp_path / "mine.png").write_bytes(b"GIF89a")
    with pytest.raises(ConfigError, match=r"mine\.png: is no PNG"):
        load_layouts([str(path)])
    path.write_text("{" * 100_000)
    with pytest.raises(ConfigError, match=r"mine\.json: is no JSON"):
        load_layouts([str(path)])
    with pytest.raises(ConfigError, match=r"layout: a\.png must be a \.json"):
        load_layouts(["a.png"])
    with pytest.raises(ConfigError, match="cannot be read"):
        load_layouts([str(tmp_path / "none.json")])


def test_a_keyboard_of_nohboard(tmp_path: Path) -> None:
    corners = [{"X": x, "Y": y} for x, y in ((10, 10), (49, 10), (49, 49), (10, 49))]
    key = {"__type": "KeyboardKey", "Id": 1, "Boundaries": corners, "KeyCodes": [0x57]}
    both = key | {"Id": 2, "KeyCodes": [0x57, 0x41]}
    button = key | {"__type": "MouseKey", "Id": 3, "KeyCodes": [1]}
    keyboard = tmp_path / "keyboard.json"
    keyboard.write_text(
        json.dumps({"Width": 100, "Height": 60, "Version": 2, "Elements": [both, button, key]})
    )
    style = tmp_path / "red.style"
    color = {"Red": 250, "Green": 20, "Blue": 20}
    style.write_text(json.dumps({"DefaultKeyStyle": {"Pressed": {"Background": color}}}))
    (layout,) = load_layouts([str(keyboard), str(style)])
    assert layout.inputs == ("mouse.1", "key.keyboard.w")
    down = layout.drawn(1.0, ["key.keyboard.w"])
    assert (down[30, 30, :3] * 255).round().tolist() == [250, 20, 20]
    assert (layout.drawn(1.0)[30, 30, :3] * 255).round().tolist() == [100, 100, 100]
    pictures = {"Loose": {"BackgroundImageFileName": "a.png"}}
    style.write_text(json.dumps({"DefaultKeyStyle": pictures}))
    with pytest.raises(ConfigError, match="keys that are pictures"):
        load_layouts([str(keyboard), str(style)])


def test_found_and_read() -> None:
    played = game(160)
    held = pressed(160, len(LAYOUT.inputs), never=(0, 5))
    shown = overlaid(played, LAYOUT, held, (150, 60), SCALE)
    place = find_place(still_picture(shown[::4]), LAYOUT)
    assert place is not None
    assert abs(place.x - 150) <= 1
    assert abs(place.y - 60) <= 1
    assert place.scale == pytest.approx(SCALE, rel=0.02)
    nothing = find_place(still_picture(played[::4]), LAYOUT)
    assert nothing is None or nothing.score < MIN_SCORE < place.score
    place = find_opacity(shown[::10], LAYOUT, place, LAYOUT.inputs)
    assert place.opacity > 0.7
    p = probabilities(OverlayReader(LAYOUT, place, (WIDTH, HEIGHT)).evidence(shown))
    assert ((p > 0.5) == held).mean() > 0.99
    assert not (p[:, [0, 5]] > 0.5).any()


def test_where_anything_would_fit_by_chance_nothing_is_looked_for() -> None:
    still = still_picture(game(40))[:, : MIN_WIDTH + 20]
    assert find_place(still, LAYOUT) is None  # an overlay takes six tenths of the width at most
    assert find_place(np.repeat(still, 2, axis=1), LAYOUT) is not None


def test_nothing_of_the_overlay_is_left() -> None:
    one, other = game(3), game(3)
    box = (100, 120, 180, HEIGHT)  # down to the lower end
    rim = (slice(None), slice(120 - MARGIN, HEIGHT), slice(100 - MARGIN, 180 + MARGIN))
    other[rim] = 255 - other[rim]
    for frames in (one, other):
        Mask([box], (WIDTH, HEIGHT)).cover(frames)
    assert (one == other).all()
    assert (one[:, :110] == game(3)[:, :110]).all()
    whole = game(1)
    Mask([(0, 0, WIDTH, HEIGHT)], (WIDTH, HEIGHT)).cover(whole)
    assert not whole.any()


@pytest.mark.parametrize("delay", [-2, 0, 5])
def test_the_delay_makes_what_an_idm_sees_likeliest(delay: int) -> None:
    true = pressed(600, 3, seed=2)
    starts = np.arange(0, 600, 2)
    draw = np.random.default_rng(0)
    ticks = np.logical_or.reduceat(true, starts)
    said = np.where(ticks, 0.8, 0.1)
    wrong = draw.random(said.shape) < 0.15
    said[wrong] = 1 - said[wrong]
    found = find_delay(moved(true, -delay), said, starts)
    assert found.sure
    assert abs(found.frames - delay) <= 1
    assert not find_delay(np.zeros_like(true), said, starts).sure


def test_an_overlay_that_stands_still_is_told_from_a_player_who_does() -> None:
    held = pressed(900, 2, seed=3)
    held[300:700] = held[300]
    motion = np.full(900, 5.0)
    stopped = frozen(held, motion, least_frames=300)
    assert stopped[310:690].all()
    assert not stopped[:280].any()
    assert not frozen(held, motion * 0, least_frames=300).any()  # a still picture: a pause
    starts = np.arange(0, 900, 2)
    idle, busy = np.where(held[starts], 0.9, 0.1), np.where(pressed(450, 2), 0.9, 0.1)
    assert not frozen(held, motion, 300, idle, starts).any()
    assert frozen(held, motion, 300, busy, starts)[310:690].all()
    idle[[170, 230]] = 1 - idle[[170, 230]]  # an IDM errs
    assert not frozen(held, motion, 300, idle, starts).any()


def test_pictures_of_any_size_are_not_read(tmp_path: Path) -> None:
    path = preset(tmp_path)
    Image.new("RGBA", (5000, 4)).save(tmp_path / "mine.png")
    with pytest.raises(ConfigError, match="more than 4096 pixels"):
        load_layouts([str(path)])
