"""Action specs: the built-in ones, reading and writing, refusals, and telling two specs apart."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from vidact.datasets.actions.spec import ActionSpec, FrameSpec
from vidact.errors import SpecError, SpecMismatchError

TOY: dict[str, Any] = {
    "name": "toy",
    "version": 3,
    "tick_hz": "35/2",
    "frame": {"width": 32, "height": 16},
    "buttons": {
        "up": "key.keyboard.w",
        "fire": ["mouse.0", "key.keyboard.space"],
        "map": "key.keyboard.m",
    },
    "groups": [{"members": ["up"]}, {"members": ["fire"]}],
    "solo": ["map"],
    "axes": [
        {
            "name": "yaw",
            "input": "dx",
            "degrees_per_pixel": 0.5,
            "quantiser": {"max_deg": 10, "bins": 11, "mu": 10},
        }
    ],
}
STICK = {
    "name": "stick",
    "kind": "absolute",
    "input": "gamepad.left_x",
    "quantiser": {"low": -1, "high": 1, "bins": 5},
}


def test_doom() -> None:
    spec = ActionSpec.load("doom")
    assert spec.tick_hz == Fraction(35, 2)
    assert (spec.frame.width, spec.frame.height, spec.frame.resize) == (128, 128, "area")
    weapons = [f"weapon.{i}" for i in range(1, 8)]
    assert list(spec.button_names) == [
        "forward",
        "back",
        "left",
        "right",
        "run",
        "attack",
        "use",
        *weapons,
    ]
    assert spec.axis_names == ("pitch", "yaw")
    assert [axis.input for axis in spec.axes] == ["dy", "dx"]
    assert spec.buttons[4].inputs == ("key.keyboard.left.shift",)
    # 20 pixels right and 10 down in a tick are 3 and 1.5 degrees, positive both.
    bins = spec.quantise([[1.5, 3.0]])
    assert (bins > [axis.quantiser.null_bin for axis in spec.axes]).all()
    np.testing.assert_allclose(spec.dequantise(bins), [[1.5, 3.0]], atol=0.5)


def test_crafter_has_no_camera() -> None:
    spec = ActionSpec.load("crafter")
    assert (spec.num_buttons, spec.num_axes, len(spec.groups)) == (16, 0, 1)
    assert spec.quantise(np.zeros((5, 0))).shape == (5, 0)


def test_a_name_is_the_newest_version_and_older_ones_stay() -> None:
    new, old = ActionSpec.load("crafter"), ActionSpec.load("crafter@1")
    assert (new.version, new.frame) == (2, FrameSpec(72, 72, tile=8, status=16))
    assert (old.version, old.frame) == (1, FrameSpec(128, 128))
    assert ActionSpec.load("crafter@2") == new
    assert (new.buttons, new.groups, new.tick_hz) == (old.buttons, old.groups, old.tick_hz)
    with pytest.raises(SpecMismatchError, match="version differs: expected 2, got 1"):
        new.require_same(old, "a dataset")
    with pytest.raises(
        SpecError, match="no action spec 'crafter@3': give one of crafter, crafter@1"
    ):
        ActionSpec.load("crafter@3")
    with pytest.raises(SpecError, match=r"mine\.yaml: there is no such file"):
        ActionSpec.load("mine.yaml")


def test_digests_of_specs_without_a_layout_are_what_they_were() -> None:
    """Labels, checkpoints and shards carry them."""
    kept = {
        "crafter@1": "4f0dd488f57e7e708c7d4be62e9bcf1c956e1ec480bf225be28e69d29ef8b713",
        "doom": "ae4c3405fcdc73cc47fdccbfd645f822816863fff0f039a2cb18c90e6bdf5d29",
        "minecraft": "ab96645970fcd626c51a8e024cd09e9dcb466a23afaec315fd39e8fe786370a0",
    }
    assert {name: ActionSpec.load(name).sha256 for name in kept} == kept


@pytest.mark.parametrize(
    "name",
    [
        "doom",
        "crafter",
        "crafter@1",
        "minecraft",
        "desktop",
        "desktop_pointer",
        "gamepad",
        "luanti",
    ],
)
def test_built_in_specs_survive_writing(name: str, tmp_path: Path) -> None:
    spec = ActionSpec.load(name)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(spec.to_dict(), sort_keys=False))
    again = ActionSpec.load(path)
    assert again == spec
    assert again.sha256 == spec.sha256
    spec.require_same(again, str(path))


def test_several_inputs_press_one_button() -> None:
    assert ActionSpec.from_dict(TOY).buttons[1].inputs == ("mouse.0", "key.keyboard.space")


def test_hash_sees_the_order_of_buttons() -> None:
    turned = TOY | {"buttons": dict(reversed(TOY["buttons"].items()))}
    assert ActionSpec.from_dict(turned).sha256 != ActionSpec.from_dict(TOY).sha256


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"version": 4}, "version"),
        ({"tick_hz": "20"}, "tick_hz"),
        ({"frame": {"width": 64, "height": 16}}, r"frame\.width"),
        ({"axes": [TOY["axes"][0] | {"degrees_per_pixel": 0.25}]}, r"axes\[0\]\.degrees_per_pixel"),
    ],
)
def test_mismatch_names_the_field(change: dict[str, Any], field: str) -> None:
    spec = ActionSpec.from_dict(TOY)
    with pytest.raises(SpecMismatchError, match=f"shard 7 .*{field} differs"):
        spec.require_same(ActionSpec.from_dict(TOY | change), "shard 7")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": [{"members": ["up"]}]}, "button 'fire' must be in exactly one group"),
        (
            {"groups": [{"members": ["up", "fire"]}, {"members": ["up"]}]},
            "button 'up' must be in exactly one",
        ),
        ({"groups": [{"members": ["up", "fire", "jmup"]}]}, "unknown buttons jmup"),
        ({"groups": [{"members": ["up", "fire"], "conflict": "first"}]}, "conflict must be one of"),
        (
            {"axes": [TOY["axes"][0] | {"kind": "absolute"}]},
            "degrees_per_pixel is of relative axes",
        ),
        ({"axes": [TOY["axes"][0] | {"input": "dz"}]}, "input of relative axis 'yaw' must be dx"),
        ({"axes": [STICK | {"input": "dx"}]}, "input of absolute axis 'stick' must be gamepad"),
        ({"axes": [STICK | {"kind": "bent"}]}, "kind of axis 'stick' must be one of relative, wh"),
        ({"axes": [STICK], "axis_groups": [["stick"], ["stick"]]}, "may name each .* got stick"),
        ({"axis_groups": [["yaw"]]}, "axis_groups may name each .*there is none.*got yaw"),
        ({"axes": [TOY["axes"][0], TOY["axes"][0]]}, "axis yaw is named twice"),
        ({"tick_hz": "0"}, "tick_hz must be above 0"),
        ({"tick_hz": "often"}, "malformed"),
        ({"tick_hz": "1e1"}, "malformed: .* such as 17.5"),  # 1e999999999 has as many digits
        ({"buttons": TOY["buttons"] | {"fire": "mouse.left"}}, "inputs of the mouse are mouse.0"),
        ({"frame": {"width": 31, "height": 16}}, "frame must be even"),
        ({"frame": {"width": 32, "height": 16, "resize": "bicubic"}}, "resize must be one of"),
        ({"frame": {"width": 32, "height": 16, "tile": 6}}, "tile must divide .* 32x16 pixels"),
        ({"frame": {"width": 32, "height": 16, "status": 16}}, "status must be rows of .* 16"),
        ({"frame": {"width": 32, "height": 16, "tile": 8, "status": 4}}, "status must be .* whole"),
        ({"knobs": {}}, "unknown fields knobs"),
        ({"buttons": {}, "groups": [], "solo": [], "axes": []}, "neither buttons nor axes"),
    ],
)
def test_refuses_what_it_cannot_mean(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ActionSpec.from_dict(TOY | change)


def test_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match="crafter@1, desktop, desktop_pointer, doom, doom-15hz, doom-classic"
    ):
        ActionSpec.load("quake")
    broken = tmp_path / "broken.yaml"
    broken.write_text("buttons: [")
    with pytest.raises(SpecError, match="not YAML"):
        ActionSpec.load(broken)


def test_json_that_sorts_keys_keeps_the_order_of_buttons():
    for name in ("doom", "crafter", "minecraft"):
        spec = ActionSpec.load(name)
        assert ActionSpec.from_dict(json.loads(json.dumps(spec.to_dict(), sort_keys=True))) == spec


def test_a_spec_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: é\n".encode("latin-1"))
    with pytest.raises(SpecError, match=r"latin\.yaml: not YAML: 'utf-8' codec"):
        ActionSpec.load(tmp_path / "latin.yaml")


def test_the_spec_in_the_docs_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "specs.md").read_text()
    path = tmp_path / "mygame.yaml"
    path.write_text(page.split("```yaml\n")[1].split("```")[0])
    spec = ActionSpec.load(path)
    assert (spec.num_buttons, spec.axis_names) == (6, ("pitch", "yaw"))
