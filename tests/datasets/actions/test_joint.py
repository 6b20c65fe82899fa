"""The joint action space: VPT's Minecraft indices, precedence rules, and round trips."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vidact.datasets.actions.joint import JointActions
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import SpecError

MINECRAFT = JointActions(ActionSpec.load("minecraft"))
NULL = [5, 5]


def encode(*held: str, camera: list[int] = NULL) -> tuple[int, int]:
    buttons = np.array([name in held for name in MINECRAFT.spec.button_names], np.uint8)
    joint, index = MINECRAFT.encode(buttons, np.array(camera))
    return int(joint), int(index)


def test_sizes() -> None:
    assert (MINECRAFT.num_joint, MINECRAFT.num_camera, MINECRAFT.null, MINECRAFT.null_camera) == (
        8641,
        121,
        0,
        60,
    )
    doom, crafter = (JointActions(ActionSpec.load(name)) for name in ("doom", "crafter"))
    assert (doom.num_joint, doom.num_camera) == (8 * 3 * 3 * 2 * 2 * 2 * 2, 37 * 39)
    assert (crafter.num_joint, crafter.num_camera) == (17, 0)


def test_minecraft_strides() -> None:
    assert encode() == (0, 60)
    assert encode(camera=[5, 6]) == (1, 61)  # the camera meta-action
    assert encode("jump") == (2, 60)
    assert encode("attack") == (4, 60)
    assert encode("drop") == (8, 60)
    assert encode("use") == (16, 60)
    assert encode("sprint") == (32, 60)
    assert encode("sneak") == (64, 60)
    assert encode("left") == (96, 60)
    assert encode("right") == (192, 60)
    assert encode("forward") == (288, 60)
    assert encode("back") == (576, 60)
    assert encode("hotbar.1") == (864, 60)
    assert encode("hotbar.9", camera=[0, 10]) == (9 * 864 + 1, 10)  # index = 11 * pitch + yaw
    assert encode("inventory") == (8640, 60)


def test_minecraft_precedence() -> None:
    assert encode("forward", "back") == (0, 60)
    assert encode("left", "right", "forward") == (288, 60)
    assert encode("sprint", "sneak") == encode("sneak")
    assert encode("hotbar.1", "hotbar.3") == encode("hotbar.3")
    assert encode("inventory", "forward", "attack", camera=[0, 0]) == (
        8640,
        60,
    )  # it silences everything


def pointing(solo: list[str]) -> ActionSpec:
    """A mouse whose motion, wheel and place count, and a stick."""
    motion = {"degrees_per_pixel": 1, "quantiser": {"max_deg": 9, "bins": 3, "mu": 1}}
    even = {"quantiser": {"low": 0, "high": 1, "bins": 2}}
    return ActionSpec.from_dict(
        {
            "name": "pointing",
            "version": 1,
            "tick_hz": 20,
            "frame": {"width": 32, "height": 32},
            "buttons": {"a": "key.keyboard.a", "b": "key.keyboard.b"},
            "groups": [{"members": [name]} for name in ("a", "b") if name not in solo],
            "solo": solo,
            "axes": [
                {"name": "x", "kind": "absolute", "input": "cursor.x", **even},
                {"name": "yaw", "input": "dx", **motion},
                {"name": "y", "kind": "absolute", "input": "cursor.y", **even},
                {
                    "name": "wheel",
                    "kind": "wheel",
                    "input": "wheel",
                    "quantiser": {"low": -1, "high": 1, "bins": 3},
                },
            ],
            "axis_groups": [["x", "y"]],
        }
    )


def test_groups_of_axes_do_not_multiply() -> None:
    gamepad = JointActions(ActionSpec.load("gamepad"))
    assert (gamepad.num_joint, gamepad.has_camera) == (5 * 3 * 3 * 3 * 3 * 2 * 2, False)
    assert gamepad.group_sizes == (441, 441, 17, 17)
    assert JointActions(pointing([])).group_sizes == (3, 4, 3)  # the camera first, then as written


@pytest.mark.parametrize("solo", [[], ["b"]])
def test_groups_of_axes_survive_the_round_trip(solo: list[str]) -> None:
    space = JointActions(pointing(solo))
    bins = np.stack(np.meshgrid(*map(np.arange, space.spec.num_bins), indexing="ij"), -1)
    for held in itertools.product((0, 1), repeat=2):
        buttons = np.broadcast_to(held, (*bins.shape[:-1], 2))
        joint, camera = space.encode(buttons, bins)
        kept, again = space.decode(joint, camera)
        alone = bool(solo) and held[1] == 1
        np.testing.assert_array_equal(kept, np.broadcast_to((0, 1) if alone else held, kept.shape))
        expected = bins.copy()
        if alone:  # it silences the camera; the pointer is somewhere, and the wheel counts
            expected[..., 1] = 1
        np.testing.assert_array_equal(again, expected)
        at_rest = (bins[..., 1] == 1) & (bins[..., 3] == 1) & (sum(held) == 0)
        np.testing.assert_array_equal(space.resting(joint, camera), at_rest)


def test_what_is_not_sure_of_groups_of_axes() -> None:
    space = JointActions(pointing(["b"]))
    rng = np.random.default_rng(0)
    held = rng.random(2)
    bins = np.zeros((4, 3))
    for a, count in enumerate(space.spec.num_bins):
        bins[a, :count] = rng.dirichlet(np.ones(count))
    joint, camera = space.distributions(held[None], bins[None])
    expected_joint = np.zeros(space.num_joint)
    expected = [np.zeros(size) for size in space.group_sizes]
    for buttons in itertools.product((0, 1), repeat=2):
        p_buttons = np.prod(np.where(buttons, held, 1 - held))
        for place in itertools.product(*map(range, space.spec.num_bins)):
            p = p_buttons * np.prod([bins[a, place[a]] for a in range(4)])
            j, c = space.encode(np.array(buttons), np.array(place))
            expected_joint[j] += p
            classes = space.split(c)
            for g, share in enumerate(expected):
                share[classes[g]] += p * (g > 0 or bool(space.camera_on(j)))
    np.testing.assert_allclose(joint[0], expected_joint, atol=1e-6)
    whole = np.concatenate([share / share.sum() for share in expected])
    np.testing.assert_allclose(camera[0], whole, atol=1e-6)


@pytest.mark.parametrize("name", ["minecraft", "doom", "crafter"])
def test_every_joint_action_survives_the_round_trip(name: str) -> None:
    space = JointActions(ActionSpec.load(name))
    joint = np.arange(space.num_joint)
    moved = np.full(len(joint), max(space.null_camera - 1, 0))
    buttons, bins = space.decode(joint, moved)
    again, camera = space.encode(buttons, bins)
    np.testing.assert_array_equal(again, joint)
    assert len(np.unique(np.concatenate([buttons, bins], 1), axis=0)) == space.num_joint
    if space.num_camera:
        np.testing.assert_array_equal(
            camera, np.where(space.camera_on(joint), moved, space.null_camera)
        )
        np.testing.assert_array_equal(
            space.camera_on(joint)[: space.num_joint - len(space.spec.solo)],
            joint[: space.num_joint - len(space.spec.solo)] % 2 == 1,
        )


def test_every_camera_class_survives_the_round_trip() -> None:
    camera = np.arange(121)
    _, bins = MINECRAFT.decode(np.ones(121, int), camera)
    joint, again = MINECRAFT.encode(np.zeros((121, 20)), bins)
    np.testing.assert_array_equal(again, camera)
    np.testing.assert_array_equal(joint, camera != 60)


def test_meta_action_off_means_no_motion() -> None:
    buttons, bins = MINECRAFT.decode([4, 5, 8640], [0, 0, 0])
    np.testing.assert_array_equal(bins, [NULL, [0, 0], NULL])
    assert buttons[:, 0].tolist() == [1, 1, 0]


@settings(max_examples=50)
@given(st.integers(0, 2**20 - 1), st.integers(0, 10), st.integers(0, 10))
def test_decoding_keeps_a_subset_and_is_stable(held: int, pitch: int, yaw: int) -> None:
    buttons = np.array([held >> k & 1 for k in range(20)], np.uint8)
    joint, camera = MINECRAFT.encode(buttons, [pitch, yaw])
    kept, bins = MINECRAFT.decode(joint, camera)
    assert (kept <= buttons).all()
    assert bins.tolist() in ([pitch, yaw], NULL)
    assert [int(x) for x in MINECRAFT.encode(kept, bins)] == [int(joint), int(camera)]


def test_vectorised_over_any_shape() -> None:
    rng = np.random.default_rng(0)
    buttons, bins = rng.integers(0, 2, (4, 7, 20)), rng.integers(0, 11, (4, 7, 2))
    joint, camera = MINECRAFT.encode(buttons, bins)
    assert joint.shape == camera.shape == (4, 7)
    one, two = MINECRAFT.encode(buttons[2, 3], bins[2, 3])
    assert (joint[2, 3], camera[2, 3]) == (one, two)


def test_refuses_a_product_nobody_could_train() -> None:
    names = [f"b{i}" for i in range(24)]
    spec = ActionSpec.from_dict(
        {
            "name": "wide",
            "version": 1,
            "tick_hz": 20,
            "frame": {"width": 32, "height": 32},
            "buttons": {name: f"key.keyboard.{name}" for name in names},
            "groups": [{"members": [name]} for name in names],
        }
    )
    with pytest.raises(SpecError, match="16,777,216 joint actions"):
        JointActions(spec)


def test_tables_that_do_not_fit_in_memory_are_refused():
    content = ActionSpec.load("doom").to_dict()
    content["axes"][0]["quantiser"]["bins"] = 10**9 + 1
    with pytest.raises(SpecError, match="more than fit in memory"):
        JointActions(ActionSpec.from_dict(content))
