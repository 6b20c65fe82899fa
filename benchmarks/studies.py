"""What the studies of the IDM share: their options, and which of their rows are asked for."""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
TICKS_A_STEP = 384  # of the IDM's training by default


def options_of(
    about: str | None, *, steps: int = 0, minutes: float = 0, example: str
) -> argparse.Namespace:
    """WORK, --only, and how long a training is, in steps or in minutes; of this study and of those
    beside it.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", nargs="?", type=Path, default=ROOT / "runs" / "idm-scaling")
    if steps:
        parser.add_argument(
            "--steps", type=int, default=steps, help=f"of each training ({TICKS_A_STEP} ticks each)"
        )
    if minutes:
        parser.add_argument("--minutes", type=float, default=minutes, help="of each training")
    parser.add_argument(
        "--only",
        nargs="+",
        default=["*"],
        help=f"rows to make, such as '{example}'; others stay as they are",
    )
    return parser.parse_args()


def chosen(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The rows that `--only` asks for."""
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
