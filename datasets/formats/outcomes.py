"""What became of each recording of an import, and the report that tells it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ... import storage
from ...errors import DISK_FULL, Interrupted, VidactError, VideoError
from ...progress import Progress, log
from ..texts.filling import fill_in
from .import_threads import import_threads

REPORT = "import_report.json"
Item = TypeVar("Item")


@dataclass(slots=True)
class Outcome:
    """What became of one recording."""

    name: str
    status: str = "imported"
    """`imported`, `present` (from an earlier run) or `left_out`."""
    reason: str = ""
    detail: str = ""
    frames: int = 0
    mended: Counter[str] = field(default_factory=Counter)

    def leave_out(self, reason: str, detail: str) -> None:
        """Say that the recording could not be imported, and why."""
        self.status, self.reason, self.detail = "left_out", reason, detail

    @contextmanager
    def telling(self, reason: str, *, missing: str = "cannot_open") -> Iterator[None]:
        """Tell here what cannot be imported in the block, instead of raising it.

        Args:
            reason: of content that is not as it must be; errors of video have their own reasons.
            missing: reason of a file that is not there.

        Raises OSError where the disk is full, and Interrupted.
        """
        try:
            yield
        except VideoError as error:
            self.leave_out(error.reason, error.detail)
        except FileNotFoundError as error:
            self.leave_out(missing, str(error))
        except Interrupted:
            raise
        except VidactError as error:
            self.leave_out(reason, str(error))
        except OSError as error:
            if error.errno in DISK_FULL:
                raise  # nor is there any for the others
            self.leave_out("cannot_open", str(error))
        self.mended = +self.mended  # without the quirks that it does not have


def import_each(
    items: Iterable[Item],
    import_one: Callable[[Item], Outcome],
    *,
    threads: int,
    total: int | None,
    unit: str = "recordings",
) -> list[Outcome]:
    """Import all items, so many at a time (0: one a core); what became of each, in their order."""
    outcomes = []
    with (
        import_threads(threads) as pool,
        Progress("Importing", total=total, unit=unit) as progress,
    ):
        for outcome in pool.map(import_one, items):
            outcomes.append(outcome)
            progress.advance(1)
    return outcomes


def summarize(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Counts by status, reason and quirk, and each recording that was left out."""
    mended: Counter[str] = Counter()
    for outcome in outcomes:
        mended.update(outcome.mended)
    left_out = [outcome for outcome in outcomes if outcome.status == "left_out"]
    return {
        "recordings": dict(Counter(outcome.status for outcome in outcomes)),
        "frames": sum(outcome.frames for outcome in outcomes),
        "mended_lines": dict(sorted(mended.items())),
        "left_out_by_reason": dict(Counter(outcome.reason for outcome in left_out)),
        "left_out": [{"name": o.name, "reason": o.reason, "detail": o.detail} for o in left_out],
    }


def write_report(out: Path, outcomes: Sequence[Outcome], *, strict: bool) -> int:
    """Print what happened and write it to OUT/import_report.json; the exit code."""
    report = summarize(outcomes)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    # Names of files need not be text; what cannot be is written as JSON escapes it.
    storage.write_atomic(out / REPORT, text.encode(errors="backslashreplace"))
    log(fill_in("import_report.txt", **report))
    return 1 if strict and report["left_out"] else 0
