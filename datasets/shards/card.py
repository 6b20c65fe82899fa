"""The data card: `README.md` with front matter for the Hugging Face hub and tables for people.

Its words lie in `datasets/texts/templates/data_card.md.jinja`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from ..actions.spec import ActionSpec
from ..texts.filling import fill_in

HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
HUB_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)
HEADLINES = ("keypress_accuracy", "macro_f1", "macro_ap", "transition_f1", "ece", "mouse_r2")
BAR_WIDTH = 40
EIGHTHS = " ▏▎▍▌▋▊▉█"


def data_card(dataset: Mapping[str, Any], spec: ActionSpec) -> str:
    """The card of the dataset that the content of `dataset.json` describes."""
    front = {"pretty_name": dataset["name"], "license": dataset["license"]}
    clips, splits = dataset["counts"]["clips"], dataset["splits"]
    statistics = dataset["statistics"]
    ticks = max(statistics["valid_ticks"], 1)
    card = fill_in(
        "data_card.md",
        dataset=dataset,
        spec=spec,
        front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        size=next((name for limit, name in HUB_SIZES if clips < limit), "n>1M"),
        hub_splits=HUB_SPLITS,
        example=next((name for name in HUB_SPLITS if splits.get(name, {}).get("clips")), "train"),
        buttons=_buttons(statistics, ticks, spec) if spec.num_buttons else "",
        camera=_camera(statistics, ticks, spec),
        confidence=_confidence(statistics["confidence"]),
        figures=_figures((dataset["idm"] or {}).get("metrics") or {}),
        environment=_environment(dataset["environment"]),
    )
    return card + "\n"


def histogram(labels: Sequence[str], values: Sequence[float], texts: Sequence[str]) -> str:
    """Horizontal bars of block characters in a code block, the largest value filling the width."""
    width = max(len(label) for label in labels)
    largest = max(values, default=0) or 1
    lines = [
        f"{label:<{width}}  {bar(value / largest):<{BAR_WIDTH}}  {text}".rstrip()
        for label, value, text in zip(labels, values, texts, strict=True)
    ]
    return "```text\n" + "\n".join(lines) + "\n```"


def bar(share: float) -> str:
    """A bar of `share` (0 to 1) of the full width, to an eighth of a character.

    What is not zero has an eighth at least.
    """
    eighths = round(share * BAR_WIDTH * 8)
    if share > 0:
        eighths = max(eighths, 1)
    return EIGHTHS[8] * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")


def _buttons(statistics: Mapping[str, Any], ticks: int, spec: ActionSpec) -> str:
    """A histogram of the shares of ticks in which each button is held."""
    held = [statistics["held_ticks"][name] / ticks for name in spec.button_names]
    texts = [
        f"{share:6.2%}  {statistics['presses'][name]:,} presses"
        for name, share in zip(spec.button_names, held, strict=True)
    ]
    return histogram(spec.button_names, held, texts)


def _camera(statistics: Mapping[str, Any], ticks: int, spec: ActionSpec) -> dict[str, str]:
    """A histogram of each axis in its unit; bars as long as the square root of the share."""
    found = {}
    for number, axis in enumerate(spec.axes):
        labels = [f"{center:+.2f}" for center in spec.bin_centres(number)]
        shares = [count / ticks for count in statistics["camera_bins"][axis.name]]
        texts = [f"{share:6.2%}" for share in shares]
        found[axis.name] = histogram(labels, [share**0.5 for share in shares], texts)
    return found


def _confidence(counts: Sequence[int]) -> str:
    """A histogram of the ticks by confidence."""
    shares = [count / max(sum(counts), 1) for count in counts]
    labels = [f"{i / len(counts):.1f} to {(i + 1) / len(counts):.1f}" for i in range(len(counts))]
    return histogram(labels, shares, [f"{share:6.2%}" for share in shares])


def _environment(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Names and values of a nested mapping, one line each."""
    for name, value in sorted(values.items()):
        full = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _environment(value, f"{full} ")
        elif isinstance(value, (list, tuple)) and any(isinstance(part, Mapping) for part in value):
            for number, part in enumerate(value, 1):
                yield from _environment(part, f"{full} {number} " if len(value) > 1 else "")
        else:
            yield full, value


def _figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The headline figures of an evaluation, one level deep."""
    for name in HEADLINES:
        value = metrics.get(name)
        if isinstance(value, Mapping):
            yield from ((f"{name} {axis}", float(v)) for axis, v in value.items() if v is not None)
        elif value is not None:
            yield name, float(value)
