"""Averages by hand, broken numbers, and metrics files over crashes."""

import json
import math

import pytest
import torch
from torch import nn
from vidact.errors import ConfigError
from vidact.training.device import pick_device
from vidact.training.ema import EMA
from vidact.training.guards import DivergedError, FiniteGuard, clip_gradients
from vidact.training.log import MetricsLog, read_metrics
from vidact.training.precision import resolve_precision


def test_average_by_hand():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    ema = EMA(model, decay=0.9)
    with torch.no_grad():
        model.weight.fill_(1.0)
    ema.update(model)  # keeps 2/11 of the old
    ema.update(model)  # keeps 3/12 of that
    assert ema.average["weight"].item() == pytest.approx(1 - 2 / 11 * 3 / 12)
    with ema.applied(model):
        assert model.weight.item() == pytest.approx(1 - 2 / 11 * 3 / 12)
    assert model.weight.item() == 1.0
    other = EMA(model)
    other.load_state_dict(ema.state_dict())
    assert other.updates == 2
    assert torch.equal(other.average["weight"], ema.average["weight"])


def test_steps_that_are_not_finite_are_skipped_until_patience_ends():
    guard = FiniteGuard(patience=2)
    assert guard.accepts(1.0, 1.0, 0)
    assert not guard.accepts(math.nan, 1.0, 1)
    assert guard.accepts(1.0, 1.0, 2)
    assert not guard.accepts(1.0, math.inf, 3)
    with pytest.raises(DivergedError, match="step 4"):
        guard.accepts(math.inf, 1.0, 4)
    assert guard.skipped == 3


def test_clipping_scales_all_gradients_together():
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    a.grad, b.grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert clip_gradients(iter([a, b]), 1.0) == pytest.approx(5.0)
    assert [a.grad.item(), b.grad.item()] == pytest.approx([0.6, 0.8], rel=1e-4)
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        clip_gradients(iter([]), 1.0)


def test_metrics_after_the_resumed_step_are_measured_again(tmp_path):
    first = MetricsLog(tmp_path, tensorboard=False)
    for step in (1, 2, 3):
        first.write(step, loss=float(step))
    first.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "lo')  # the machine died here
    second = MetricsLog(tmp_path, resume_step=2, tensorboard=False)
    second.write(3, loss=math.nan, rate=torch.tensor(0.5))
    second.close()
    assert read_metrics(tmp_path / "metrics.jsonl") == [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 2.0},
        {"step": 3, "loss": None, "rate": 0.5},
    ]
    assert all(json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())


def test_precision_can_be_forced():
    cpu = torch.device("cpu")
    assert resolve_precision("float32", cpu) == torch.float32
    assert resolve_precision("bfloat16", cpu) == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "reason"), [("nonsense", "device must be"), ("meta", "finds none here")]
)
def test_a_device_that_cannot_compute_is_refused(name: str, reason: str):
    with pytest.raises(ConfigError, match=reason):
        pick_device(name)
