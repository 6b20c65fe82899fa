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


def clean_frames(content: Any) -> Iterator[Table]:
    """Table what a filter keeps of play, and of kinds of dirt that no label showed, and what the
    labels of an IDM are worth then.
    """
    shown = ("precision", "recall", "kept_of_clean", "dirty_share_of_kept")
    yield (
        (
            "labels",
            *(f"{name.replace('_', ' ')} (95 % interval)" for name in shown),
            "ms a frame",
        ),
        [
            (
                count,
                *(
                    f"{row['all'][name]['value']:.2%} ({_percent(row['all'][name]['ci95'])})"
                    for name in shown
                ),
                number(row["ask_ms_a_frame"]),
            )
            for count, row in content["labels"].items()
        ],
    )
    for count, row in content["labels"].items():
        yield (
            (f"with {count} labels: kind", "seconds", "frames called clean", "kept"),
            [
                (kind, number(of["seconds"]), f"{of['called_clean']:.1%}", f"{of['kept']:.1%}")
                for kind, of in row["kinds"].items()
            ],
        )
        pile = row["mixed_pile"]
        figures = tuple(next(iter(pile.values())))
        yield (
            (f"a mixed pile, with {count} labels: what counts", *figures),
            [(name, *(number(of[figure]) for figure in figures)) for name, of in pile.items()],
        )


def _percent(ends: Sequence[float]) -> str:
    return f"{ends[0]:.2%} to {ends[1]:.2%}"
