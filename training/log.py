"""What a run measures, a JSON line a time in `metrics.jsonl`, and in TensorBoard where that is
installed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from .. import storage

METRICS_FILE = "metrics.jsonl"


class MetricsLog:
    """Appends metrics of a run; safe over interruptions.

    Args:
        folder: where `metrics.jsonl` lies.
        resume_step: the step that the run resumes from. Lines of later steps, written before a
            crash and about to be measured again, are taken away. None starts a new file.
        tensorboard: also writes TensorBoard events under `folder/tensorboard`, if the package is
            there.
    """

    def __init__(
        self, folder: str | Path, *, resume_step: int | None = None, tensorboard: bool = True
    ):
        self.path = Path(folder) / METRICS_FILE
        kept = []
        if resume_step is not None and self.path.exists():
            kept = [row for row in read_metrics(self.path) if row["step"] <= resume_step]
        lines = "".join(json.dumps(row) + "\n" for row in kept)
        storage.write_atomic(self.path, lines.encode())
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 - open for the whole run
        self._board = _summary_writer(self.path.parent / "tensorboard") if tensorboard else None

    def write(
        self, step: int, **metrics: float | str | list[float] | dict[str, int] | None
    ) -> None:
        """One line: the step and its metrics. A value that is not finite is written as null."""
        row = {"step": step, **{name: _plain(value) for name, value in metrics.items()}}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in row.items():
                if name != "step" and isinstance(value, (int, float)):
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; a last line that a crash cut short is left out."""
    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _plain(value: object) -> object:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
