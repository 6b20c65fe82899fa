"""What `train-idm` and its checkpoints refuse, and how mirrors are told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import CheckpointError, ConfigError, RecordingError
from vidact.idm.config import AugmentConfig, EvalIDMConfig, TrainIDMConfig
from vidact.idm.eval_idm import eval_idm
from vidact.idm.labels.checkpoint import digests_by_name, mirror_of
from vidact.idm.labels.predict import Predictor
from vidact.idm.network.augment import mirror_of_clips
from vidact.idm.train_idm import averaging_mirror, train_idm
from vidact.networks.checkpoints import Checkpoint

from .conftest import MICRO, TOY
from .toy_training import settings


def test_labels_are_averaged_with_the_mirror_that_was_trained(
    toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    spec = ActionSpec.load(spec_file)
    plain = settings(toy_folder, tmp_path, spec_file, init="first")
    usual = mirror_of_clips(AugmentConfig(), spec)
    first = Checkpoint(
        state={}, config={"mirror": asdict(usual), "spec": spec.to_dict()}, sha256="", uri="first"
    )
    assert usual != mirror_of_clips(AugmentConfig(mirror=0), spec)
    assert averaging_mirror(plain, spec, first) == usual
    assert averaging_mirror(replace(plain, augment=AugmentConfig(mirror=0)), spec, first) == usual
    assert averaging_mirror(plain, spec, replace(first, config={"mirror": None})) is None
    assert averaging_mirror(replace(plain, mirror_average=True), spec, None) == usual
    with pytest.raises(ConfigError, match="in which other buttons or axes change"):
        averaging_mirror(replace(plain, augment=AugmentConfig(mirror_axes=())), spec, first)


@pytest.mark.parametrize(
    ("order", "sign"), [([99, 0, 1], [-1]), ([0, 1], [-1]), ([0, 1, 2], []), ([0, 1, 2], [0.5])]
)
def test_mirrors_that_do_not_fit_are_refused(
    order: list[int], sign: list[float], spec_file: str
) -> None:
    spec = ActionSpec.load(spec_file)
    config = {"mirror": {"button_order": order, "axis_sign": sign}, "spec": spec.to_dict()}
    assert (spec.num_buttons, spec.num_axes) == (3, 1)
    with pytest.raises(CheckpointError, match="mirror"):
        mirror_of(Checkpoint(state={}, config=config, sha256="", uri="altered"), spec)


def test_namesakes_are_all_remembered() -> None:
    pairs = [("a", "1" * 64), ("b", "2" * 64), ("a", "3" * 64), ("b", "2" * 64)]
    assert digests_by_name(pairs) == {
        "a (111111111111)": "1" * 64,
        "b": "2" * 64,
        "a (333333333333)": "3" * 64,
    }


@pytest.mark.parametrize(
    "change",
    [
        ("network", "attention_blocks", 10_000_000),
        ("network", "width", 16_384),  # more memory than there is, were it built
        ("network", "time_dilations", [0]),
        ("calibration", "slope", [1.0]),
        ("calibration", "temperature", [float("nan")]),
        ("calibration", "temperature", [0.0]),
        ("calibration", "reach", [-1]),
        ("calibration", "switch_cost", [-5.0, 0.0, 0.0]),
        (
            "baselines",
            "rates",
            {"held": [[0], [0], [0]], "released": [[0], [0], [0]], "motions": [[0.0]]},
        ),
    ],
)
def test_altered_checkpoints_are_refused(
    change: tuple[str, str, object], trained: Path, toy_folder: Path, tmp_path: Path
) -> None:
    part, name, value = change
    config = json.loads((trained / "config.json").read_text())
    config[part][name] = value
    shutil.copy(trained / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = EvalIDMConfig(
        checkpoint=str(tmp_path), recordings=(str(toy_folder),), out=str(tmp_path / "eval")
    )
    with pytest.raises(
        (CheckpointError, ConfigError), match=r"damaged|do not fit|calibration|must be"
    ):
        eval_idm(words)


def test_mirrored_axes_must_be_there(toy_folder: Path, spec_file: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'nosuch' is no axis of spec 'toy'"):
        train_idm(
            settings(
                toy_folder, tmp_path, spec_file, augment=AugmentConfig(mirror_axes=("nosuch",))
            )
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", float("inf")),
        ("seed", -1),
        ("data_minutes", 1e-9),
        ("weight_decay", -1.0),
        ("out", " "),
    ],
)
def test_settings_out_of_range(
    name: str, value: object, toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=name):
        replace(settings(toy_folder, tmp_path, spec_file), **{name: value})


def test_bad_settings_and_checkpoints_say_what_is_wrong(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"time_dilations must be within 1\.\."):
        replace(MICRO, time_dilations=(0,))
    with pytest.raises(ConfigError, match=r"picture_pool must be within 1\.\.11"):
        replace(MICRO, picture_pool=12)
    with pytest.raises(
        ConfigError, match="preset must be one of tiny, small, base, vpt, got 'huge'"
    ):
        TrainIDMConfig(data=("x",), out="y", preset="huge")
    with pytest.raises(ConfigError, match="minutes must be within"):
        TrainIDMConfig(data=("x",), out="y", minutes=0)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Predictor.load(str(tmp_path))
    config = json.loads((trained / "config.json").read_text())
    config["spec"]["version"] = 2
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="action spec has digest"):
        Predictor.load(str(tmp_path))


def test_the_same_video_with_other_labels_is_refused(
    record_toy: Callable[..., Path], spec_file: str, tmp_path: Path
) -> None:
    for folder in ("play", "corrected"):
        stem = record_toy(tmp_path / folder, "toy", seed=0)
    lines = stem.with_suffix(".jsonl").read_text()
    stem.with_suffix(".jsonl").write_text(lines.replace("key.keyboard.w", "key.keyboard.a"))
    play = (str(tmp_path / "play"), str(tmp_path / "corrected"))
    with pytest.raises(RecordingError, match="the same video with other labels"):
        train_idm(settings(tmp_path, tmp_path / "out", spec_file, data=play))
    with pytest.raises(RecordingError, match="no folder and no recording of this name"):
        train_idm(settings(tmp_path / "nowhere", tmp_path / "out", spec_file))


def test_a_spec_without_buttons_is_refused(toy_folder: Path, tmp_path: Path) -> None:
    spec = tmp_path / "mouse.yaml"
    spec.write_text(
        yaml.safe_dump({**TOY, "name": "mouse", "buttons": {}, "groups": []}, sort_keys=False)
    )
    with pytest.raises(ConfigError, match="has no buttons"):
        train_idm(settings(toy_folder, tmp_path / "out", str(spec)))
