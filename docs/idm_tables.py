"""Tables of what inverse dynamics models were measured to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent_tables import bars_of
from table_cells import Row, Table, mean_and_ends, number, with_interval


def ablation(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table the mean over seeds, and half of what lies between the highest and the lowest."""
    for steps, variants in content["steps"].items():
        names = list(next(iter(next(iter(variants.values())).values())))
        rows = []
        for variant, seeds in variants.items():
            cells = []
            for name in names:
                values = [seed[name] for seed in seeds.values()]
                half = (max(values) - min(values)) / 2
                cells.append(f"{number(sum(values) / len(values))} ±{number(half)}")
            rows.append((variant, len(seeds), *cells))
        yield (f"{steps} steps", "seeds", *names), rows


def scaling(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table every row of the study with its intervals."""
    names = {
        "keypress_accuracy": "keypress accuracy",
        "macro_f1_common": "macro F1, common",
        "macro_ap": "macro AP",
        "transition_f1_common": "transition F1, common",
        "mouse_r2.yaw": "yaw R²",
    }
    yield (
        ("play", *names.values()),
        [
            (row, *(with_interval(one, name) for name in names))
            for row, one in content["rows"].items()
        ],
    )


def presets(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table the presets: size, speed, and what some minutes of training bring."""
    names = {
        "parameters": "parameters",
        "labelled_ticks_a_core_second": "labels, ticks per core-second",
        "trained_ticks_a_second": "trains, ticks per second",
        "macro_f1_common": "macro F1, common",
        "mouse_r2.yaw": "yaw R²",
    }
    rows: list[Row] = []
    for preset, one in content["rows"].items():
        filled = {"mouse_r2": {}, **one}
        rows.append((preset, *(with_interval(filled, name) for name in names)))
    yield ("preset", *names.values()), rows


def randomization(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table each training's tests, and what ADR gains on them with its intervals."""
    cells = content["cells"]
    tests = list(next(iter(cells.values()))["figures"])
    for figure in ("yaw R²", "F1 of common keys"):
        yield (
            (f"{figure}, by arm and seed", "steps", "nats", *tests),
            [
                (
                    name,
                    number(one["steps"]),
                    number(one.get("nats")),
                    *(number(one["figures"][test][figure]) for test in tests),
                )
                for name, one in cells.items()
            ],
        )
    if "differences" in content:
        yield (
            ("test", "difference", "yaw R²", "F1 of common keys"),
            [
                (test, pair, *map(mean_and_ends, figures.values()))
                for test, pairs in content["differences"].items()
                for pair, figures in pairs.items()
            ],
        )
        yield ("bar", "asked for", "found", "holds"), list(bars_of(content["bars"]))


def own_game(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table an IDM of a game's own beside the baselines: over all seeds and worlds, then by seed
    and world; and the bars.
    """
    yield (
        ("play", "minutes", "late frames"),
        [
            (name, number(one["minutes"]), f"{one['late_share']:.1%}")
            for name, one in content["recorded"].items()
        ],
    )
    found = content.get("figures")
    if not found:
        return
    names = [name for name in next(iter(found.values())) if name not in ("value", "gain")]
    yield (
        ("figure", "IDM", *names),
        [
            (figure, mean_and_ends(one["value"]), *(mean_and_ends(one[name]) for name in names))
            for figure, one in found.items()
        ],
    )
    yield (
        ("seed, world", *found),
        [
            (
                f"{cell.rpartition('/')[2]}, {world}",
                *(mean_and_ends({**of[name], "mean": of[name]["value"]}) for name in found),
            )
            for cell, one in content["cells"].items()
            for world, of in one["worlds"].items()
        ],
    )
    yield ("bar", "asked for", "found", "holds"), list(bars_of(content["bars"]))


def sticks(content: Mapping[str, Any]) -> Iterator[Table]:
    """Table R² of each axis of a gamepad beside baselines and what its bins allow; buttons; and
    points of each player.
    """
    idm = content["idm"]
    baselines = idm["r2_baselines"]
    yield (
        ("axis", "R²", "error", *baselines, "of its bins"),
        [
            (
                axis,
                number(r2, 3),
                number(idm["error"][axis], 3),
                *(number(of[axis], 3) for of in baselines.values()),
                number(idm["r2_ceiling"][axis], 3),
            )
            for axis, r2 in idm["r2"].items()
        ],
    )
    yield (
        ("buttons", "value"),
        [(name, number(value, 3)) for name, value in idm.items() if isinstance(value, float)],
    )
    yield ("player", "points a game"), [(n, number(v, 1)) for n, v in content["score"].items()]
