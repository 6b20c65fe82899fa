"""What ADR decided, a JSON line each in `adr.jsonl`; the first line says under which suite, and
from which ranges on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .. import storage
from ..errors import ConfigError
from ..settings import to_plain
from .adr import Decision
from .parameters import Boundary, suite_of
from .ranges import Ranges

LOG_FILE = "adr.jsonl"


class DecisionLog:
    """Appends decisions; safe over interruptions.

    Args:
        folder: of the run.
        ranges: as the run begins.
        delta: the step of ADR.
        resume_step: the step that the run resumes from: lines of later ones, which are going to be
            decided again, are taken away. 0 starts anew.
    """

    def __init__(self, folder: Path, ranges: Ranges, delta: float, *, resume_step: int = 0):
        self.path = folder / LOG_FILE
        first = {"suite": to_plain(ranges.suite), "delta": delta, "ranges": ranges.to_plain()}
        rows: list[dict[str, Any]] = [first]
        if resume_step and self.path.exists() and (found := _rows(self.path)):
            rows = [found[0], *(row for row in found[1:] if row["step"] <= resume_step)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        storage.write_atomic(self.path, lines.encode())

    def write(self, step: int, elapsed_s: float, decision: Decision) -> None:
        """Add one."""
        row = {"step": step, "elapsed_s": round(elapsed_s, 1), **decision.to_dict()}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_log(folder: Path) -> tuple[Ranges, float, list[dict[str, Any]]]:
    """The ranges that a run began with, delta and decisions.

    Raises ConfigError where there is no such log.
    """
    path = folder / LOG_FILE
    if not path.is_file():
        raise ConfigError(
            f"run: {folder} has no {LOG_FILE}: neither a training with --randomize adr nor "
            "`vidact robustness` wrote there"
        )
    rows = _rows(path)
    try:
        suite, delta = suite_of(rows[0]["suite"]), float(rows[0]["delta"])
        first = Ranges.of_plain(suite, rows[0]["ranges"])
        for number, row in enumerate(rows[1:], 2):
            if not _is_decision(row, first):
                raise ValueError(f"line {number} is no decision about this suite")
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise ConfigError(f"{path} is damaged: {error}") from None
    return first, delta, rows[1:]


def _is_decision(row: Any, ranges: Ranges) -> bool:
    numbers = ("step", "from", "to", "score", "nominal", "nats")
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), (int, float)) for name in numbers)
        and isinstance(row.get("outcome"), str)
        and Boundary(row["parameter"], row["side"]) in ranges.boundaries()
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # the last one, which a crash cut short
            break
    return rows
