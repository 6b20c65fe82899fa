"""The data card: `README.md` with front matter for the Hugging Face hub and tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from ..actions.spec import ActionSpec

HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
HUB_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)
BAR_WIDTH = 40
EIGHTHS = " ▏▎▍▌▋▊▉█"


def data_card(dataset: Mapping[str, Any], spec: ActionSpec) -> str:
    """The card of the dataset that the content of `dataset.json` describes."""
    sections = [
        _front_matter(dataset),
        f"# {dataset['name']}",
        _summary(dataset, spec),
        "## Splits",
        _table(
            ("split", "clips", "length", "sources"),
            [
                (s, f"{v['clips']:,}", _duration(v["hours"]), f"{v['sources']:,}")
                for s, v in dataset["splits"].items()
            ],
        ),
        "## What a sample holds",
        _features(dataset, spec),
        "## Actions",
        _actions(dataset, spec),
        "## Confidence of the labels",
        _confidence(dataset),
        "## What was left out",
        _left_out(dataset),
        *_licenses(dataset),
        "## Reading it",
        _reading(dataset),
        "## Where it comes from",
        _origin(dataset, spec),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


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


def _front_matter(dataset: Mapping[str, Any]) -> str:
    clips = dataset["counts"]["clips"]
    front = {
        "pretty_name": dataset["name"],
        "license": dataset["license"],
        "task_categories": ["reinforcement-learning", "video-classification"],
        "tags": [
            "webdataset",
            "video",
            "gameplay",
            "behavioral-cloning",
            "action-labels",
            "vidact",
        ],
        "size_categories": [next((name for limit, name in HUB_SIZES if clips < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": HUB_SPLITS.get(split, split), "path": f"shards/{split}-*.tar"}
                    for split, content in dataset["splits"].items()
                    if content["clips"]
                ],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---"


def _summary(dataset: Mapping[str, Any], spec: ActionSpec) -> str:
    counts = dataset["counts"]
    labels = (
        "true actions"
        if dataset["labels"] == "true"
        else "actions inferred by an inverse dynamics model"
    )
    return (
        (f"{dataset['description']}\n\n" if dataset["description"] else "")
        + f"**{_duration(dataset['hours'])}** of play at {float(spec.tick_hz):g} Hz with {labels}: "
        f"{counts['clips']:,} clips from {counts['sources']:,} sources "
        f"in {counts['shards']:,} shards ({counts['size_bytes'] / 1e6:,.1f} MB). "
        f"Action spec `{spec.name}` version {spec.version}."
    )


def _duration(hours: float) -> str:
    return f"{hours:,.2f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"


def _features(dataset: Mapping[str, Any], spec: ActionSpec) -> str:
    rows = [
        (
            f"`{name}`",
            f"`{f['member']}`",
            f["dtype"],
            " x ".join(map(str, f["shape"])),
            _meaning(name),
        )
        for name, f in dataset["features"].items()
    ]
    return (
        "A clip is 32 to 128 consecutive ticks (T). Its `json` member holds the lineage: source, "
        "start tick, time of each source frame, hashes of spec and checkpoint.\n\n"
        + _table(("field", "member", "dtype", "shape", "meaning"), rows)
        + f"\n\nButtons, in order: {_names(spec.button_names)}. Axes: {_names(spec.axis_names)}."
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _meaning(name: str) -> str:
    return {
        "frames": "RGB, H.264",
        "buttons": "1 where held",
        "buttons_prob": "calibrated probability of being held",
        "camera": "degrees turned in the tick",
        "camera_prob": "distribution over the bins of each axis",
        "confidence": "probability that all buttons are right "
        "and every axis is in the true bin or next to it",
        "valid": "false: no label at this tick",
    }[name]


def _actions(dataset: Mapping[str, Any], spec: ActionSpec) -> str:
    statistics = dataset["statistics"]
    ticks = max(statistics["valid_ticks"], 1)
    parts = [f"In {statistics['null_ticks'] / ticks:.1%} of the ticks nothing is done."]
    if spec.num_buttons:
        held = [statistics["held_ticks"][name] / ticks for name in spec.button_names]
        texts = [
            f"{share:6.2%}  {statistics['presses'][name]:,} presses"
            for name, share in zip(spec.button_names, held, strict=True)
        ]
        parts += [
            "Share of ticks in which each button is held:",
            histogram(spec.button_names, held, texts),
        ]
    for number, axis in enumerate(spec.axes):
        counts = statistics["camera_bins"][axis.name]
        labels = [f"{center:+.2f}" for center in spec.bin_centres(number)]
        shares = [count / ticks for count in counts]
        parts += [
            f"Camera `{axis.name}`, share of ticks by degrees a tick (bin centres; "
            "the scale is that of the square root, so that rare turns are seen):",
            histogram(
                labels, [share**0.5 for share in shares], [f"{share:6.2%}" for share in shares]
            ),
        ]
    return "\n\n".join(parts)


def _confidence(dataset: Mapping[str, Any]) -> str:
    if dataset["labels"] == "true":
        return "The labels are the recorded actions: confidence is 1."
    counts = dataset["statistics"]["confidence"]
    total = max(sum(counts), 1)
    labels = [f"{i / len(counts):.1f} to {(i + 1) / len(counts):.1f}" for i in range(len(counts))]
    return "Share of ticks by calibrated confidence:\n\n" + histogram(
        labels, [count / total for count in counts], [f"{count / total:6.2%}" for count in counts]
    )


def _left_out(dataset: Mapping[str, Any]) -> str:
    rows = [(reason, f"{ticks:,} ticks dropped") for reason, ticks in dataset["drops"].items()]
    rows += [
        (reason, f"{number:,} dead letters")
        for reason, number in dataset["dead_letter_reasons"].items()
    ]
    rows += [
        (kind, f"{number:,} sources, one like each is kept")
        for kind, number in dataset["duplicates"].items()
    ]
    return _table(("reason", "amount"), rows) if rows else "Nothing."


def _licenses(dataset: Mapping[str, Any]) -> list[str]:
    """The licenses of the sources and how many have each; nothing where none was named."""
    found = dataset.get("licences", {})
    if not any(found):
        return []
    rows = [
        (name or "not named", f"{v['sources']:,}", _duration(v["hours"]))
        for name, v in found.items()
    ]
    return ["## Licences of the sources", _table(("licence", "sources", "length"), rows)]


def _reading(dataset: Mapping[str, Any]) -> str:
    """How to read it, by the example of a split that has clips."""
    split = next(
        (name for name in HUB_SPLITS if dataset["splits"].get(name, {}).get("clips")), "train"
    )
    tars = f"PATH/shards/{split}-*.tar"
    return f"""\
Any WebDataset reader works, and so does `tar` with NumPy; \
`vidact` adds an order that can be resumed exactly.

```python
from vidact import ClipLoader                           # batches of NumPy arrays
for batch in ClipLoader(["PATH"], batch_size=8, split="{split}"): ...

import glob, webdataset                                 # samples as bytes
shards = sorted(glob.glob("{tars}"))
for sample in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False): ...

from datasets import load_dataset                       # Hugging Face, streaming
for sample in load_dataset("webdataset", data_files="{tars}", split="train", streaming=True): ...
```

`manifest.parquet` has a row a clip (where it lies, its source, confidence, presses a button), \
`dead_letters.parquet`
what could not be labelled and why, `dataset.json` everything on this page as numbers."""


def _origin(dataset: Mapping[str, Any], spec: ActionSpec) -> str:
    rows = [("action spec", f"`{spec.name}` v{spec.version}, sha256 `{spec.sha256[:16]}`")]
    if idm := dataset["idm"]:
        rows.append(
            ("checkpoint", f"`{idm.get('uri', '')}`, sha256 `{str(idm.get('sha256', ''))[:16]}`")
        )
        rows += [
            (f"measured {name}", f"{value:.4g}")
            for name, value in _numbers(idm.get("metrics") or {})
        ]
    rows += list(_environment(dataset["environment"]))
    return _table(("what", "which"), rows)


def _environment(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of a nested mapping, one line each."""
    for name, value in sorted(values.items()):
        full = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _environment(value, f"{full} ")
        elif isinstance(value, (list, tuple)) and any(isinstance(part, Mapping) for part in value):
            for number, part in enumerate(value, 1):
                yield from _environment(part, f"{full} {number} " if len(value) > 1 else "")
        else:
            yield full, str(value)


def _numbers(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The headline figures of an evaluation, one level deep."""
    found = []
    for name in ("keypress_accuracy", "macro_f1", "macro_ap", "transition_f1", "ece", "mouse_r2"):
        value = metrics.get(name)
        if isinstance(value, Mapping):
            found += [(f"{name} {axis}", float(v)) for axis, v in value.items() if v is not None]
        elif value is not None:
            found.append((name, float(value)))
    return found


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return (
            "| "
            + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells)
            + " |"
        )

    return "\n".join([line(header), line(["---"] * len(header)), *(line(row) for row in rows)])
