"""The joint head's probabilities by hand: the camera counts only where the mouse moves."""

import math

import numpy as np
import pytest
import torch
from vidact.datasets.actions.joint import JointActions
from vidact.datasets.actions.spec import ActionSpec
from vidact.networks.heads import (
    FactoredHead,
    JointHead,
    JointLogits,
    axis_traits,
    joint_traits,
)

TINY_SPEC = ActionSpec.from_dict(
    {
        "name": "tiny",
        "version": 1,
        "tick_hz": "10",
        "frame": {"width": 8, "height": 8},
        "buttons": {"go": "key.keyboard.w"},
        "groups": [{"members": ["go"]}],
        "axes": [
            {
                "name": "yaw",
                "input": "dx",
                "degrees_per_pixel": 0.15,
                "quantiser": {"max_deg": 10.0, "bins": 3, "mu": 10.0},
            }
        ],
    }
)
# Joint actions 0..3 = (released, released and mouse, pressed, pressed and mouse); camera 0..2.
JOINT = torch.tensor([0.1, 0.2, 0.3, 0.4])
CAMERA = torch.tensor([0.5, 0.25, 0.25])


def logits():
    return JointLogits(JOINT.log() + 3.0, CAMERA.log() - 1.0)


def head():
    return JointHead(4, TINY_SPEC)


def test_log_prob_counts_the_camera_only_where_the_mouse_moves():
    expand = JointLogits(logits().joint.expand(4, 4), logits().camera.expand(4, 3))
    got = head().log_prob(expand, torch.tensor([0, 1, 2, 3]), torch.tensor([2, 2, 0, 0]))
    torch.testing.assert_close(got.exp(), torch.tensor([0.1, 0.2 * 0.25, 0.3, 0.4 * 0.5]))


def test_entropy_and_kl_are_those_of_the_list_of_outcomes():
    outcomes = torch.tensor([0.1, 0.3, *(0.2 * CAMERA), *(0.4 * CAMERA)])
    entropy = -(outcomes * outcomes.log()).sum()
    torch.testing.assert_close(head().entropy(logits()), entropy)
    other = JointLogits(torch.zeros(4), torch.tensor([0.0, 1.0, 0.0]))
    camera = torch.softmax(other.camera, -1)
    others = torch.tensor([0.25, 0.25, *(0.25 * camera), *(0.25 * camera)])
    torch.testing.assert_close(
        head().kl(logits(), other), (outcomes * (outcomes / others).log()).sum()
    )
    assert head().kl(logits(), logits()).item() == pytest.approx(0, abs=1e-6)


def test_samples_invert_the_cumulative_distribution():
    expand = JointLogits(logits().joint.expand(5, 4), logits().camera.expand(5, 3))
    uniforms = torch.tensor(
        [[0.05, 0.0], [0.15, 0.49], [0.35, 0.51], [0.65, 0.76], [0.9999999, 0.9999999]]
    ).double()
    joint, camera = head().sample(expand, uniforms=uniforms)
    assert joint.tolist() == [0, 1, 2, 3, 3]
    assert camera.tolist() == [0, 0, 1, 2, 2]
    joint, camera = head().sample(expand, temperature=0)
    assert joint.tolist() == [3] * 5
    assert camera.tolist() == [0] * 5


def test_sampled_frequencies_and_temperature():
    torch.manual_seed(0)
    many = JointLogits(logits().joint.expand(20_000, 4), logits().camera.expand(20_000, 3))
    joint, _ = head().sample(many, temperature=2.0)
    expected = JOINT.sqrt() / JOINT.sqrt().sum()
    torch.testing.assert_close(torch.bincount(joint) / 20_000, expected, atol=0.015, rtol=0)


@pytest.mark.parametrize("name", ["doom", "crafter", "minecraft", "gamepad"])
def test_heads_of_the_built_in_specs(name):
    spec = ActionSpec.load(name)
    actions = JointActions(spec)
    features = torch.randn(2, 3, 16)
    joint_head = JointHead(16, spec)
    out = joint_head(features)
    assert out.joint.shape == (2, 3, actions.num_joint)
    assert (out.camera is None) == (spec.num_axes == 0)
    joint, camera = joint_head.sample(out)
    assert torch.isfinite(joint_head.log_prob(out, joint, camera)).all()
    counts = [0.5 if actions.has_camera else 1.0, *(1.0 for _ in actions.group_sizes[1:])]
    uniform = math.log(actions.num_joint) + sum(
        share * math.log(size) for share, size in zip(counts, actions.group_sizes, strict=False)
    )
    assert joint_head.entropy(out).mean().item() == pytest.approx(
        uniform, abs=0.2
    )  # starts near uniform
    factored = FactoredHead(16, spec)(features)
    assert factored.buttons.shape == (2, 3, spec.num_buttons)
    assert [axis.shape[-1] for axis in factored.axes] == list(spec.num_bins)


def test_traits_are_states_of_groups_and_places_on_axes():
    spec = ActionSpec.load("doom")
    actions = JointActions(spec)
    of_joint, of_camera = joint_traits(actions), axis_traits(actions)
    groups = len(spec.groups) + 1  # and whether the camera moves
    assert (of_joint.sum(1) == groups).all()
    for row in (0, 7, actions.num_joint - 1):  # alike in all traits but those of what differs
        alike = of_joint @ of_joint[row]
        same = (actions.states_table == actions.states_table[row]).sum(1)
        assert (alike == same).all()
    # A mirror image has the mirrored places: left and right are learned alike.
    bins = np.array(spec.num_bins)
    mirrored = np.ravel_multi_index(tuple((bins - 1)[:, None] - actions.bins_tables[0].T), bins)
    gram = of_camera @ of_camera.T
    np.testing.assert_allclose(gram, gram[mirrored][:, mirrored], atol=1e-5)
    still, near, far = (gram[actions.null_camera, actions.null_camera + n] for n in (0, 1, 4))
    assert still > near > far > 0


def test_what_one_class_learns_others_of_its_traits_learn_too():
    torch.manual_seed(0)
    spec = ActionSpec.load("doom")
    actions = JointActions(spec)
    x = torch.randn(1, 16)
    rise = {}
    for shared in (False, True):
        head = JointHead(16, spec, shared=shared)
        before = head(x).camera.detach()
        told = int(np.ravel_multi_index((5, 20), spec.num_bins))
        kin = int(np.ravel_multi_index((15, 20), spec.num_bins))
        other = int(np.ravel_multi_index((15, 2), spec.num_bins))
        torch.log_softmax(head(x).camera, -1)[0, told].backward()
        with torch.no_grad():
            for parameter in head.parameters():
                if parameter.grad is not None:
                    parameter.add_(parameter.grad)
            gain = (head(x).camera - before)[0]
        rise[shared] = (gain[kin] - gain[other]).item()
        assert actions.bins_tables[0][kin][1] == actions.bins_tables[0][told][1]
    assert rise[True] > 1 > abs(rise[False])


def test_groups_of_axes_are_chosen_independently():
    torch.manual_seed(0)
    spec = ActionSpec.load("gamepad")
    head, actions = JointHead(16, spec, shared=True), JointActions(spec)
    out = head(torch.randn(7, 16))
    assert (out.camera.shape[-1], head.draws) == (sum(actions.group_sizes), 5)
    joint, camera = head.sample(out, temperature=0)
    likeliest = [part.argmax(-1) for part in head.of_groups(out.camera)]
    for group, chosen in enumerate(head.split(camera)):
        torch.testing.assert_close(chosen, likeliest[group])
    by_hand = torch.log_softmax(out.joint, -1).max(-1).values + sum(
        torch.log_softmax(part, -1).max(-1).values for part in head.of_groups(out.camera)
    )
    torch.testing.assert_close(head.log_prob(out, joint, camera), by_hand)
    assert head.kl(out, out).abs().max().item() == pytest.approx(0, abs=1e-5)
    assert (head.kl(out, head(torch.randn(7, 16))) > 0).all()
    traits = axis_traits(actions)  # what one stick learns says nothing of the other
    assert (traits[:441] @ traits[441:].T == 0).all()
