"""Trainings on the toy game of `conftest.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from vidact.idm.config import TrainIDMConfig
from vidact.idm.fitting import trainer
from vidact.idm.train_idm import train_idm
from vidact.training.guards import clip_gradients
from vidact.training.log import read_metrics

from .conftest import MICRO


def settings(folder: Path, out: Path, spec_file: str, **changes: object) -> TrainIDMConfig:
    values: dict[str, object] = {
        "data": (str(folder),),
        "out": str(out),
        "spec": spec_file,
        "network": MICRO,
        "steps": 8,
        "batch_size": 2,
        "ticks": 24,
        "warmup_steps": 4,
        "log_every": 1,
        "loader_threads": 1,
        "threads": 1,
        "precision": "float32",
    }
    return TrainIDMConfig(**{**values, **changes})  # type: ignore[arg-type]


def losses_of(run: Path) -> list[float]:
    """Of the steps; other rows have figures on validation play."""
    return [row["loss"] for row in read_metrics(run / "metrics.jsonl") if "loss" in row]


def train_until_killed(config: TrainIDMConfig, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Train, and die in this step, counted from 0."""
    steps = iter(range(100))

    def dies(*args: Any) -> float:
        if next(steps) == step:
            raise RuntimeError("killed")
        return clip_gradients(*args)

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "clip_gradients", dies)
        with pytest.raises(RuntimeError, match="killed"):
            train_idm(config)
