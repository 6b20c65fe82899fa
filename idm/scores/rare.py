"""What a mean over buttons or ticks hides: rare buttons, and those that are never found.

A key that is pressed once a minute is right in 999 of 1,000 ticks by never being said. In a game of
crafting such keys are what the labels are for.
"""

from __future__ import annotations

from collections.abc import Mapping

from .figures import COMMON

ByButton = Mapping[str, Mapping[str, float | None]]
"""The figures of each button, by its name (`Figures.by_button`)."""

# Held ticks in the truth from which it is no accident that none is found: what finds half of them
# misses five in one of 32 cases.
ENOUGH_HELD = 5


def rare_buttons(per_button: ByButton) -> list[str]:
    """The buttons that occur, in less than `COMMON` of the ticks; the most frequent first."""
    shares = {name: figures["pressed"] or 0.0 for name, figures in per_button.items()}
    rare = [name for name, share in shares.items() if 0 < share < COMMON]
    return sorted(rare, key=lambda name: -shares[name])


def never_found(per_button: ByButton) -> list[str]:
    """The buttons that are held often enough to tell, and of which not one held tick was found."""
    return [
        name
        for name, figures in per_button.items()
        if (figures["held_ticks"] or 0) >= ENOUGH_HELD and figures["recall"] == 0
    ]


def rare_table(per_button: ByButton) -> list[str]:
    """Lines of text: each rare button's ticks, recall and precision."""
    names = rare_buttons(per_button)
    if not names:
        return []
    widest = max(22, *map(len, names))
    head = f"{'rare buttons':{widest}}" + "".join(
        f"{title:>12}" for title in ("held ticks", "said ticks", "recall", "precision")
    )
    return [head, *(_row(name, per_button[name], widest) for name in names)]


def _row(name: str, figures: Mapping[str, float | None], widest: int) -> str:
    counts = "".join(f"{figures[key] or 0:>12.0f}" for key in ("held_ticks", "said_ticks"))
    shares = (figures[key] for key in ("recall", "precision"))
    return f"{name:{widest}}{counts}" + "".join(
        f"{'–' if share is None else f'{share:.3f}':>12}" for share in shares
    )


def warning(per_button: ByButton, where: str) -> str | None:
    """A sentence on the buttons that are never found, or None where there are none.

    Args:
        where: the play that the figures are of.
    """
    names = never_found(per_button)
    if not names:
        return None
    each = ", ".join(f"{name} ({per_button[name]['held_ticks'] or 0:.0f} ticks)" for name in names)
    return (
        f"Warning: never found in {where}: {each}. Labels will lack them, and an agent that learns "
        "from these will never press them. More play in which they are pressed helps "
        "(--rare-clips draws more of it), or a network that sees what they change (another spec, "
        "--preset)."
    )
