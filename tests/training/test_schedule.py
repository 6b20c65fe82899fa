"""Learning rates at written-out steps."""

import pytest
import torch
from vidact.errors import ConfigError
from vidact.training.schedule import Budget, Schedule, set_learning_rate


def test_warm_up_plateau_and_decay():
    schedule = Schedule(peak=1.0, warmup_steps=4, decay_from=0.5, floor=0.1)
    rates = [schedule.at(step, step / 10) for step in range(11)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:6] == [1.0, 1.0]
    assert rates[6:] == pytest.approx([0.82, 0.64, 0.46, 0.28, 0.1])


def test_decay_along_the_whole_run():
    schedule = Schedule(peak=2.0)
    assert [schedule.at(step, step / 4) for step in range(5)] == [2.0, 1.5, 1.0, 0.5, 0.0]
    assert Schedule(peak=2.0, decay_from=1.0).at(9, 1.0) == 2.0


def test_budget_of_steps_and_of_minutes():
    steps = Budget(steps=8)
    assert (steps.fraction(2), steps.fraction(9), steps.expected_steps(1)) == (0.25, 1.0, 8)
    minutes = Budget(minutes=1)
    minutes.start(elapsed_s=30.0)
    assert 0.5 <= minutes.fraction(10) < 0.6
    assert 15 < minutes.expected_steps(10) <= 20
    with pytest.raises(ConfigError, match="either steps or minutes"):
        Budget()


def test_learning_rate_of_groups():
    a, b = torch.zeros(1), torch.zeros(1)
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr_scale": 0.5}], lr=1.0)
    set_learning_rate(optimizer, 0.2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.1]


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="0 <= floor <= peak"):
        Schedule(peak=1.0, floor=2.0)
    with pytest.raises(ConfigError, match="decay_from"):
        Schedule(peak=1.0, decay_from=2.0)
