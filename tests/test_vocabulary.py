"""One vocabulary of options: what was spelled otherwise is understood, and files keep the first
names.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from vidact import cli
from vidact.datasets.formats.config import ImportVPTConfig
from vidact.games.config import RecordDoomConfig
from vidact.idm.config import AugmentConfig, ImportVPTIDMConfig, TrainIDMConfig
from vidact.options import old_spellings, parse_settings, to_words
from vidact.pipeline.config import LayoutConfig, PlanConfig
from vidact.settings import hints_of, plain, to_plain

TRAIN = ["--data", "a", "--out", "b"]
OLD_AND_NEW = [
    (RecordDoomConfig, ["--out", "x"], ["--jobs", "3"], ["--workers", "3"]),
    (TrainIDMConfig, TRAIN, ["--batch-clips", "3"], ["--batch-size", "3"]),
    (TrainIDMConfig, TRAIN, ["--clip-ticks", "32"], ["--ticks", "32"]),
    (TrainIDMConfig, TRAIN, ["--gradient-clip=2"], ["--clip-norm=2"]),
    (TrainIDMConfig, TRAIN, ["--val_share", "0.2"], ["--val-fraction", "0.2"]),
    (TrainIDMConfig, TRAIN, ["--snapshot-minutes", "2"], ["--save-every", "2"]),
    (TrainIDMConfig, TRAIN, ["--workers", "2"], ["--loader-threads", "2"]),
    (
        TrainIDMConfig,
        TRAIN,
        ["--augment.mirror-buttons", "a", "d", "q", "e", "--seed", "1"],
        ["--mirror", "a:d", "q:e", "--seed", "1"],
    ),
    (PlanConfig, ["x.mp4", "--out", "x"], ["--layout.seed", "3"], ["--split-seed", "3"]),
    (ImportVPTConfig, ["s", "--out", "o"], ["--most-mismatch", "3"], ["--max-mismatch", "3"]),
    (ImportVPTConfig, ["s", "--out", "o"], ["--workers", "3"], ["--threads", "3"]),
    (ImportVPTConfig, [], ["s", "o", "--limit", "3"], ["s", "--out", "o", "--limit", "3"]),
    (ImportVPTIDMConfig, [], ["m", "w", "o"], ["m", "w", "--out", "o"]),
]


@pytest.mark.parametrize(("cls", "words", "old", "new"), OLD_AND_NEW)
def test_an_old_spelling_means_the_same_and_is_noted(
    cls: type[Any],
    words: list[str],
    old: list[str],
    new: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = parse_settings(cls, [*words, *old], prog="vidact x")
    option = next(word.partition("=")[0] for word in new if word.startswith("--"))
    assert f" is spelled {option} now\n" in capsys.readouterr().err
    assert found == parse_settings(cls, [*words, *new], prog="vidact x")
    assert capsys.readouterr().err == ""
    assert found == parse_settings(cls, to_words(found), prog="vidact x")
    assert capsys.readouterr().err == ""


OLD_SETTINGS = {
    "batch_clips": 3,
    "clip_ticks": 32,
    "gradient_clip": 2.0,
    "val_share": 0.2,
    "snapshot_minutes": 3.0,
    "workers": 2,
}


def test_old_files_of_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    augment = {"mirror_buttons": [["a", "d"]]}
    file.write_text(yaml.safe_dump({"data": ["a"], "out": "b", "augment": augment, **OLD_SETTINGS}))
    assert parse_settings(TrainIDMConfig, ["--config", str(file)], prog="x") == TrainIDMConfig(
        data=("a",),
        out="b",
        batch_size=3,
        ticks=32,
        clip_norm=2.0,
        val_fraction=0.2,
        save_every=3.0,
        loader_threads=2,
        augment=AugmentConfig(mirror_buttons=(("a", "d"),)),
    )
    file.write_text("sources: a.mp4\nout: b\nlayout: {seed: 3}\n")
    plan = parse_settings(PlanConfig, ["--config", str(file)], prog="x")
    assert plan.layout == LayoutConfig(split_seed=3)


def test_files_keep_the_first_names_in_the_first_order() -> None:
    found = to_plain(TrainIDMConfig(data=("a",), out="b", **NEW_SETTINGS))
    assert {name: found[name] for name in OLD_SETTINGS} == OLD_SETTINGS
    assert list(found) == TRAIN_IDM_FIELDS
    assert found["augment"]["mirror_buttons"] == [["left", "right"]]
    layout = ["segment_ticks", "shard_ticks", "min_shards", "val_fraction", "test_fraction"]
    assert list(to_plain(LayoutConfig())) == [*layout, "seed", "near_duplicates"]
    assert to_plain(RecordDoomConfig(out="x", workers=2))["jobs"] == 2


NEW_SETTINGS: dict[str, Any] = {
    "batch_size": 3,
    "ticks": 32,
    "clip_norm": 2,
    "val_fraction": 0.2,
    "save_every": 3,
    "loader_threads": 2,
}
TRAIN_IDM_FIELDS = [
    *["data", "out", "val", "data_minutes", "spec", "init", "preset", "network", "minutes"],
    *["steps", "batch_clips", "clip_ticks", "accumulate", "learning_rate", "warmup_steps"],
    *["decay_from", "weight_decay", "gradient_clip", "ema_decay", "rare_balance", "rare_limit"],
    *["val_share", "augment", "mirror_average", "seed", "device", "precision", "threads"],
    *["workers", "cache", "snapshot_minutes", "eval_minutes", "log_every"],
]


def options_of(cls: type[Any], prefix: str = "") -> set[str]:
    """The names of a settings class's options, with those of the settings inside."""
    found = set()
    for name, hint in hints_of(cls).items():
        found.add(f"--{prefix}{name}".replace("_", "-"))
        if is_dataclass(kind := plain(hint)):
            found |= options_of(kind, f"{prefix}{name}.")  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("verb", cli.TABLE, ids=lambda verb: verb.name)
def test_no_old_spelling_is_an_option_of_today(verb: cli.Verb) -> None:
    cls = verb.settings_class()
    moved = {
        "--augment.mirror-buttons",
        "--layout.split-seed",
        "--clean.filter",
    }  # fields whose options are elsewhere
    old = {before for before, _, _ in old_spellings(cls)}
    assert not old & (options_of(cls) - moved)
