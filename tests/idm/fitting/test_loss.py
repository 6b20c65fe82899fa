"""The loss: two-hot targets whose mean is exact, weights of rare buttons, masks."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.actions.spec import ActionSpec
from vidact.idm.fitting.loss import FactoredLoss, positive_weights, two_hot
from vidact.networks.heads import FactoredLogits

CENTRES = torch.tensor([-4.0, -1.0, 0.0, 1.0, 4.0])


@given(st.lists(st.floats(-6, 6, width=32), min_size=1, max_size=20))
def test_two_hot_mean_is_the_value(values: list[float]) -> None:
    degrees = torch.tensor(values)
    lower, share = two_hot(degrees, CENTRES)
    assert ((lower >= 0) & (lower <= 3)).all()
    assert ((share >= 0) & (share <= 1)).all()
    mean = CENTRES[lower] * (1 - share) + CENTRES[lower + 1] * share
    torch.testing.assert_close(mean, degrees.clamp(-4, 4), atol=1e-5, rtol=1e-5)


def test_positive_weights() -> None:
    rates = np.array([0.5, 0.01, 0.0, 0.9])
    np.testing.assert_allclose(positive_weights(rates, 0.0, 10.0), [1, 1, 1, 1])
    np.testing.assert_allclose(positive_weights(rates, 0.5, 100.0), [1, 99**0.5, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(positive_weights(rates, 1.0, 5.0), [1, 5, 1, 1])


def test_loss_by_hand_and_mask(toy_spec: ActionSpec) -> None:
    loss = FactoredLoss(toy_spec, np.ones(3, np.float32), np.ones(1, np.float32), error_weight=0.0)
    logits = FactoredLogits(torch.zeros(1, 2, 3), (torch.zeros(1, 2, 9),))
    buttons, camera = torch.zeros(1, 2, 3), torch.zeros(1, 2, 1)
    valid = torch.tensor([[True, False]])
    known = torch.ones(1, 2, 4, dtype=torch.bool)
    parts = loss(logits, buttons, camera, valid, known)
    assert torch.isclose(parts.buttons, torch.tensor(3 * np.log(2.0), dtype=torch.float32))
    assert torch.isclose(parts.camera, torch.tensor(np.log(9.0), dtype=torch.float32))
    buttons[0, 1] = 1  # an invalid tick
    camera[0, 1] = 7
    assert torch.equal(loss(logits, buttons, camera, valid, known).total, parts.total)
    nothing = loss(logits, buttons, camera, torch.zeros(1, 2, dtype=torch.bool), known)
    assert float(nothing.total) == 0.0


def test_what_is_not_known_teaches_nothing(toy_spec: ActionSpec) -> None:
    loss = FactoredLoss(toy_spec, np.ones(3, np.float32), np.ones(1, np.float32))
    known = torch.tensor([[[True, False, True, False]]])
    gradients = []
    for held in (0.0, 1.0):  # whatever its label says
        logits = torch.zeros(1, 1, 12, requires_grad=True)
        buttons = torch.tensor([[[1.0, held, 0.0]]])
        camera = torch.full((1, 1, 1), 5 * held)
        parts = FactoredLogits(logits[..., :3], (logits[..., 3:],))
        loss(parts, buttons, camera, torch.ones(1, 1, dtype=torch.bool), known).total.backward()
        assert logits.grad is not None
        gradients.append(logits.grad)
    assert torch.equal(gradients[0], gradients[1])
    assert gradients[0][0, 0].nonzero().flatten().tolist() == [0, 2]
