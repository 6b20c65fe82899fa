"""Tables of the studies of agents, which also show what is not whole yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from table_cells import Row, Table, mean_and_ends, number


def whole_demos(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table each agent of whole demos: over all seeds, and of each seed."""
    rows = content["rows"]
    yield (
        ("agent", "all seeds", *(f"seed {seed}" for seed in rows)),
        [
            (
                agent,
                mean_and_ends(one),
                *(mean_and_ends(row["agents"][agent]) for row in rows.values()),
            )
            for agent, one in content["pooled"]["agents"].items()
        ],
    )
    ratio = content["pooled"]["finetune_to_clone"]
    yield (
        ("fine-tuned to clone", "all seeds", *(f"seed {seed}" for seed in rows)),
        [
            (
                "ratio",
                mean_and_ends({"mean": ratio["ratio"], "ci95": ratio["ci95"]}),
                *(number(row["finetune_to_clone"]) for row in rows.values()),
            )
        ],
    )


def arms_by_task(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table what a study of agents has found so far: a table a task, a row an arm; then its bars.

    Arms that are named by minutes, as `direct-10`, make a table of their own.
    """
    arms = content["pooled"]
    for task in dict.fromkeys(name.partition("/")[0] for name in arms):
        own = {name.partition("/")[2]: one for name, one in arms.items() if name.startswith(task)}
        curves = {name: one for name, one in own.items() if name.rpartition("-")[2].isdigit()}
        whole = {name: one for name, one in own.items() if name not in curves}
        if whole:
            yield _of_arms(task, whole)
        if curves:
            kinds = list(dict.fromkeys(name.rpartition("-")[0] for name in curves))
            minutes = sorted({int(name.rpartition("-")[2]) for name in curves})
            yield (
                (f"{task}, minutes of labelled play", *kinds),
                [
                    (amount, *(mean_and_ends(curves.get(f"{kind}-{amount}")) for kind in kinds))
                    for amount in minutes
                ],
            )
    bars = list(bars_of(content.get("bars", {})))
    if bars:
        yield ("bar", "asked for", "found", "holds"), bars


def _of_arms(task: str, arms: Mapping[str, Mapping[str, Any]]) -> Table:
    more = ("crafter_score", "make_stone_pickaxe", "make_iron_pickaxe")
    extra = [name for name in more if any(name in one for one in arms.values())]
    return (
        (task, "seeds", "mean", "of each seed", *extra),
        [
            (
                name,
                one["seeds"],
                mean_and_ends(one),
                ", ".join(number(value, 2) for value in one["per_seed"].values()),
                *(mean_and_ends(one.get(figure)) for figure in extra),
            )
            for name, one in arms.items()
        ],
    )


def bars_of(bars: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row for each bar, as studies note them: by task in lists, or by name."""
    for name, told in bars.items():
        for one in told if isinstance(told, list) else [told]:
            words = f"{name}: {one['arm']}, {one['figure']}" if "arm" in one else name
            found = one["found"] if "found" in one else one["mean"]
            values = found.values() if isinstance(found, Mapping) else [found]
            asked = one.get("at_least", one.get("above"))
            shown = ", ".join(number(value) for value in values)
            yield words, number(asked), shown, number(one["holds"])


def small_things(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table each network of the study, the first of its seeds: headlines, then recalls by key."""
    first = {name: next(iter(seeds.values())) for name, seeds in content["cells"].items() if seeds}
    figures = ("keypress_accuracy", "macro_f1_common", "training_cpu_seconds")
    yield (
        ("network", "seeds", *figures),
        [
            (name, len(content["cells"][name]), *(number(one[figure]) for figure in figures))
            for name, one in first.items()
        ],
    )
    for game in dict.fromkeys(name.partition("/")[0] for name in first):
        own = {name: one["per_button"] for name, one in first.items() if name.startswith(game)}
        buttons = list(dict.fromkeys(button for of_one in own.values() for button in of_one))
        yield (
            (f"recall, {game}", "held ticks", *own),
            [
                (
                    button,
                    next(one[button]["held_ticks"] for one in own.values() if button in one),
                    *(number(one.get(button, {}).get("recall"), 2) for one in own.values()),
                )
                for button in buttons
            ],
        )
