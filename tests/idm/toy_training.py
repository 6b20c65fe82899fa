"""Trainings on the toy game of `conftest.py`."""

from __future__ import annotations

from pathlib import Path

from vidact.idm.config import TrainIDMConfig
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
