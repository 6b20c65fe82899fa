"""Tables of what filters keep and drop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from table_cells import Table, number


def only_the_game(content: Any) -> Iterator[Table]:
    """Table what was dropped: in sum, and source by source."""
    totals = {"other videos": content["totals"]["other"]} | {
        f"play of Doom, {kind}": row for kind, row in content["totals"]["play"].items()
    }
    yield (
        ("what", "seconds", "share dropped", "95 % interval"),
        [
            (name, number(row["seconds"]), f"{row['dropped']:.2%}", _percent(row["ci95"]))
            for name, row in totals.items()
        ],
    )
    yield (("cost", "value"), [(name, number(value)) for name, value in content["cost"].items()])
    yield (
        ("other video", "seconds", "dropped", "of them not the game"),
        [
            (name, *(number(row[key]) for key in ("seconds", "dropped_s", "not_the_game_s")))
            for name, row in content["other"].items()
        ],
    )


def _percent(ends: Sequence[float]) -> str:
    return f"{ends[0]:.2%} to {ends[1]:.2%}"
