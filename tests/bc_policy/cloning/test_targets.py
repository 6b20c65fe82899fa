"""What a tick teaches: by hand, and doubtful labels against the list of all that they may be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from vidact.bc_policy.cloning.config import CloneConfig
from vidact.bc_policy.cloning.imitation import tick_losses
from vidact.bc_policy.cloning.targets import TargetMaker, Targets, run_lengths
from vidact.datasets.actions.joint import JointActions
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.loading.batch import Batch
from vidact.datasets.loading.conditions import parsed
from vidact.networks.heads import JointHead, JointLogits

SPEC = ActionSpec.from_dict(
    {
        "name": "toy",
        "version": 1,
        "tick_hz": "20",
        "frame": {"width": 16, "height": 16},
        "buttons": {
            name: f"key.keyboard.{name}" for name in ("left", "right", "one", "two", "use", "menu")
        },
        "groups": [
            {"members": ["left", "right"]},
            {"members": ["one", "two"], "conflict": "last"},
            {"members": ["use"]},
        ],
        "solo": ["menu"],
        "axes": [
            {
                "name": name,
                "input": name,
                "degrees_per_pixel": 0.5,
                "quantiser": {"max_deg": 10, "bins": bins, "mu": 4},
            }
            for name, bins in (("dx", 5), ("dy", 3))
        ],
    }
)


def of_one_row(use: list[int], **arrays: object) -> Batch:
    """Ticks in which `use` is held or not, and nothing else happens."""
    batch = Batch.empty(SPEC, 1, len(use), frame_size=(0, 0))
    batch.buttons[0, :, SPEC.button_names.index("use")] = use
    batch.valid[:] = True
    batch.confidence[:] = 1
    batch.ticks[:] = len(use)
    for name, values in arrays.items():
        getattr(batch, name)[0] = values
    return batch


def maker(**settings: object) -> TargetMaker:
    return TargetMaker(SPEC, CloneConfig(data=("d",), out="x", **settings))


def test_doubtful_labels_are_the_mean_of_all_that_they_may_be() -> None:
    rng = np.random.default_rng(0)
    held = rng.random(SPEC.num_buttons)
    bins = np.zeros((2, 5))
    bins[0], bins[1, :3] = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(3))
    space = JointActions(SPEC)
    joint, camera = space.distributions(held[None], bins[None])
    expected_joint, expected_camera = np.zeros(space.num_joint), np.zeros(space.num_camera)
    head = JointHead(4, SPEC)
    logits = JointLogits(torch.randn(1, 1, space.num_joint), torch.randn(1, 1, space.num_camera))
    cost = 0.0
    for buttons in itertools.product((0, 1), repeat=SPEC.num_buttons):
        p_buttons = np.prod(np.where(buttons, held, 1 - held))
        for place in itertools.product(range(5), range(3)):
            p = p_buttons * bins[0, place[0]] * bins[1, place[1]]
            j, c = (int(x) for x in space.encode(np.array(buttons), np.array(place)))
            expected_joint[j] += p
            if space.camera_on_table[j]:
                expected_camera[c] += p
            action = (torch.tensor([[j]]), torch.tensor([[c]]))
            cost -= p * head.log_prob(logits, *action).item()
    np.testing.assert_allclose(joint[0], expected_joint, atol=1e-6)
    np.testing.assert_allclose(camera[0], expected_camera / expected_camera.sum(), atol=1e-6)
    soft = (torch.from_numpy(joint)[None], torch.from_numpy(camera)[None])
    zero = torch.zeros(1, 1, dtype=torch.long)
    losses = tick_losses(head, logits, Targets(zero, zero, torch.ones(1, 1), *soft))
    assert losses.action.item() == pytest.approx(cost, rel=1e-5)


def test_sure_probabilities_are_the_labels() -> None:
    rng = np.random.default_rng(1)
    buttons = rng.integers(0, 2, (50, SPEC.num_buttons))
    bins = np.stack([rng.integers(0, 5, 50), rng.integers(0, 3, 50)], axis=1)
    space = JointActions(SPEC)
    probabilities = (np.arange(5) == bins[..., None]).astype(float)
    joint, camera = space.distributions(buttons.astype(float), probabilities)
    expected, place = space.encode(buttons, bins)
    assert joint.argmax(-1).tolist() == expected.tolist()
    assert joint.max(-1).tolist() == [1.0] * 50
    moves = space.camera_on(expected)
    assert camera.argmax(-1)[moves].tolist() == place[moves].tolist()


def test_of_a_long_pause_only_its_start_is_learned() -> None:
    pauses = [1, 0, 0, 0, 1, 0, 0]
    weight = maker(longest_pause=2)(of_one_row(pauses)).weight
    assert weight.tolist() == [[1, 1, 1, 0, 1, 1, 1]]
    assert run_lengths(np.array([[True, True, False, True]])).tolist() == [[1, 2, 0, 1]]


def test_a_delayed_policy_learns_what_is_done_later() -> None:
    """A second episode begins at tick 4: nothing is learned across its start, or beyond the end."""
    use = [0, 1, 0, 1, 1, 0, 1, 1]
    starts = [True, False, False, False, True, False, False, False]
    lesson = maker(action_delay=2).lesson(of_one_row(use, first=starts))
    held = maker().actions.buttons_table[:, SPEC.button_names.index("use")]
    targets = lesson.targets
    assert targets.weight.tolist() == [[1, 1, 0, 0, 1, 1, 0, 0]]
    assert held[targets.joint[0, [0, 1, 4, 5]]].tolist() == [0, 1, 1, 1]
    # What was chosen a tick before: the target of that tick, where it is known.
    previous = lesson.previous[0, :, 0]
    assert (previous >= 0).tolist() == [False, True, True, False, False, True, True, False]
    assert held[previous[[1, 2, 5, 6]]].tolist() == [0, 1, 1, 1]


def test_a_delayed_policy_goes_on_from_clip_to_clip() -> None:
    use = [0, 1, 1, 0, 1, 0, 0, 1]
    whole = maker(action_delay=2).lesson(of_one_row(use, first=[True] + [False] * 7))
    second = maker(action_delay=2).lesson(of_one_row(use[4:]))
    # The last two ticks of a clip are not learned from; what is told is the same.
    assert second.previous[0, :3].tolist() == whole.previous[0, 4:7].tolist()


def test_conditions_are_read() -> None:
    assert parsed("mean_confidence >= 0.5") == ("mean_confidence", ">=", 0.5)
    assert parsed("source_uri not in [a.mp4, b.mp4]") == (
        "source_uri",
        "not in",
        ["a.mp4", "b.mp4"],
    )
