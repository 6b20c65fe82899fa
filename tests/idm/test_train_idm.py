"""The verbs: a toy game is learned, a killed run goes on exactly, the report is whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from vidact.cli import run
from vidact.datasets.recordings.recording import find_recordings
from vidact.errors import CheckpointError, ConfigError, Interrupted
from vidact.idm.config import EvalIDMConfig
from vidact.idm.eval_idm import eval_idm
from vidact.idm.fitting import trainer
from vidact.idm.labels.checkpoint import load_idm, spec_of
from vidact.idm.labels.predict import Predictor
from vidact.idm.play.training_play import choose_recordings
from vidact.idm.train_idm import train_idm
from vidact.settings import to_plain
from vidact.training.guards import DivergedError, clip_gradients
from vidact.training.log import read_metrics
from vidact.training.resume import claim

from ..forked import Forked, together
from .conftest import TOY
from .toy_training import losses_of, settings


def test_training_learns_the_toy(trained: Path) -> None:
    losses, last = losses_of(trained), read_metrics(trained / "metrics.jsonl")[-1]
    assert last["validation macro_f1"] > 0.9
    assert len(losses) == 120
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:3])
    config = json.loads((trained / "config.json").read_text())
    assert config["kind"] == "idm"
    assert config["training"]["steps_done"] == 120
    assert len(config["data"]["train"]) == 2
    assert len(config["data"]["val"]) == 1
    left = {path.name for path in trained.iterdir()} - {"tensorboard"}
    assert left == {"config.json", "metrics.jsonl", "model.safetensors", "settings.yaml"}


def test_training_goes_on_from_a_checkpoint(
    trained: Path, toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    losses = {}
    for name, init in (("new", ""), ("on", str(trained))):
        train_idm(
            settings(toy_folder, tmp_path / name, spec_file, steps=2, learning_rate=1e-5, init=init)
        )
        losses[name] = read_metrics(tmp_path / name / "metrics.jsonl")[0]["loss"]
    assert losses["on"] < 0.6 * losses["new"]
    config, first = (
        json.loads((folder / "config.json").read_text()) for folder in (tmp_path / "on", trained)
    )
    assert config["data"]["before"] == {**first["data"]["train"], **first["data"]["val"]}
    with pytest.raises(ConfigError, match="another action spec"):
        train_idm(settings(toy_folder, tmp_path / "other", "minecraft", init=str(trained)))


def test_a_run_that_has_ended_is_not_done_again(
    toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    config = settings(toy_folder, tmp_path / "out", spec_file, steps=1)
    (tmp_path / "out" / "cache").mkdir(parents=True)
    (tmp_path / "out" / "snapshots").mkdir()
    for name in ("cache", "snapshots"):
        (tmp_path / "out" / name / "precious").write_text("somebody else's")
    assert train_idm(config) == 0
    made = (tmp_path / "out" / "config.json").read_bytes()
    kept = (tmp_path / "out" / "settings.yaml").read_bytes()
    assert train_idm(config) == 0
    with pytest.raises(ConfigError, match="other settings or play \\(seed\\)"):
        train_idm(replace(config, seed=1))
    assert (tmp_path / "out" / "config.json").read_bytes() == made
    assert (tmp_path / "out" / "settings.yaml").read_bytes() == kept
    assert {path.name for path in (tmp_path / "out").rglob("precious")} == {"precious"}
    assert len(list((tmp_path / "out").rglob("precious"))) == 2


def test_two_runs_do_not_share_a_folder(toy_folder: Path, spec_file: str, tmp_path: Path) -> None:
    config = settings(toy_folder, tmp_path / "out", spec_file, steps=1)
    with claim(tmp_path / "out"), pytest.raises(ConfigError, match="another run is at work"):
        train_idm(config)
    assert train_idm(config) == 0


def test_other_labels_are_another_run(
    record_toy: Callable[..., Path], spec_file: str, tmp_path: Path
) -> None:
    stems = [record_toy(tmp_path / "play", f"toy-{seed}", seed=seed) for seed in range(2)]
    config = settings(tmp_path / "play", tmp_path / "out", spec_file, steps=1)
    assert train_idm(config) == 0
    lines = stems[0].with_suffix(".jsonl").read_text()
    stems[0].with_suffix(".jsonl").write_text(
        lines.replace('"dx": 2.0', '"dx": 1.0').replace('"dx":2.0', '"dx":1.0')
    )
    assert stems[0].with_suffix(".jsonl").read_text() != lines
    with pytest.raises(ConfigError, match=r"recordings|validation"):
        train_idm(config)


def test_frames_whose_rows_have_no_round_number_of_bytes(toy_folder: Path, tmp_path: Path) -> None:
    spec = tmp_path / "small.yaml"
    frame = {"width": 84, "height": 84, "resize": "area"}
    spec.write_text(yaml.safe_dump({**TOY, "name": "small", "frame": frame}, sort_keys=False))
    assert train_idm(settings(toy_folder, tmp_path / "out", str(spec), steps=1)) == 0


def test_a_run_that_diverges_keeps_its_good_snapshots(
    toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    config = settings(
        toy_folder,
        tmp_path / "out",
        spec_file,
        steps=6,
        warmup_steps=0,
        learning_rate=1e30,
        save_every=1e-6,
    )
    for _ in range(2):  # the second goes on from a snapshot, and says the same
        with pytest.raises(DivergedError, match="steps in a row were not finite"):
            train_idm(config)
    steps = sorted((tmp_path / "out" / "snapshots").glob("state-*"))
    assert [path.name for path in steps] == ["state-000000001"]
    assert not (tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize("interrupt", [False, True])
def test_a_skipped_step_neither_ends_a_run_nor_is_saved(
    interrupt: bool,
    toy_folder: Path,
    spec_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    norms = iter([None, np.inf, None])

    def clip(*args: Any) -> float:
        norm = next(norms)
        if norm is not None and interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
        return clip_gradients(*args) if norm is None else norm

    monkeypatch.setattr(trainer, "clip_gradients", clip)
    config = settings(toy_folder, tmp_path / "out", spec_file, steps=9 if interrupt else 2)
    if interrupt:
        with pytest.raises(Interrupted, match="stopped at step 3; everything is saved"):
            train_idm(config)
        assert [path.name for path in (tmp_path / "out" / "snapshots").iterdir()] == [
            "state-000000003"
        ]
    else:
        train_idm(config)
        assert (
            json.loads((tmp_path / "out" / "config.json").read_text())["training"]["steps_done"]
            == 3
        )


def test_a_game_without_a_mouse(record_toy: Callable[..., Path], tmp_path: Path) -> None:
    spec = tmp_path / "keys.yaml"
    spec.write_text(yaml.safe_dump({**TOY, "name": "keys", "axes": []}, sort_keys=False))
    for seed in range(2):
        record_toy(tmp_path / "play", f"toy-{seed}", seed=seed)
    assert train_idm(settings(tmp_path / "play", tmp_path / "out", str(spec), steps=2)) == 0
    checkpoint, play = str(tmp_path / "out"), (str(tmp_path / "play"),)
    config = EvalIDMConfig(
        checkpoint=checkpoint, recordings=play, out=str(tmp_path / "eval"), bootstrap=10
    )
    assert eval_idm(config) == 0
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["mouse_r2"] == {}
    written = str(tmp_path / "out" / "settings.yaml")
    together(run, ["train-idm", "--config", written, "--out", str(tmp_path / "two")])
    made = json.loads((tmp_path / "two" / "config.json").read_text())
    assert made["training"]["steps_done"] == 2


def test_the_settings_file_repeats_the_run(
    toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    first = settings(toy_folder, tmp_path / "first", spec_file, network=None, steps=3)
    assert train_idm(first) == 0
    again = [
        "train-idm",
        "--config",
        str(tmp_path / "first" / "settings.yaml"),
        "--out",
        str(tmp_path / "again"),
    ]
    assert run(again) == 0
    assert (tmp_path / "first" / "model.safetensors").read_bytes() == (
        tmp_path / "again" / "model.safetensors"
    ).read_bytes()


def in_two_processes(*words: str) -> subprocess.CompletedProcess[str]:
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    return subprocess.run(
        [*launch, "-m", "vidact.cli", "train-idm", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_processes_take_the_steps_of_one(
    toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    """Two batches a step, added up in one process or shared out to two: the same losses."""
    one = settings(toy_folder, tmp_path / "one", spec_file, accumulate=2, eval_minutes=0.0001)
    assert train_idm(one) == 0
    written = str(tmp_path / "one" / "settings.yaml")
    done = in_two_processes(
        "--config", written, "--accumulate", "1", "--out", str(tmp_path / "two")
    )
    assert done.returncode == 0, done.stderr
    # One of them logs. (On a slow machine the progress has lines in between.)
    for line in ("recordings to train on", "768/768 frames"):
        assert done.stderr.count(line) == 1, line
    assert "Warning" not in done.stderr
    alone, together = (losses_of(tmp_path / name) for name in ("one", "two"))
    assert len(alone) == len(together) == 8
    assert alone == pytest.approx(together, rel=1e-4)
    measured = [
        row for row in read_metrics(tmp_path / "one" / "metrics.jsonl") if "loss" not in row
    ]
    assert measured
    assert any(name.startswith("validation ") for name in measured[-1])


def test_players_of_one_game_stay_together(
    record_toy: Callable[..., Path], spec_file: str, tmp_path: Path
) -> None:
    """They see one map at one time: what is held out from the others would not be unseen."""
    for seed in range(6):
        record_toy(tmp_path, f"toy-{seed}", seed=seed)
        (tmp_path / f"toy-{seed}.meta.json").write_text(json.dumps({"group": f"game-{seed // 2}"}))
    train, val = choose_recordings(settings(tmp_path, tmp_path / "out", spec_file))
    assert len(val) == 2
    assert len({recording.group for recording in val}) == 1
    assert {recording.group for recording in val}.isdisjoint(recording.group for recording in train)


def test_some_minutes_of_play(
    record_toy: Callable[..., Path], spec_file: str, tmp_path: Path
) -> None:
    for seed in range(3):
        record_toy(tmp_path / "play", f"toy-{seed}", seed=seed)  # 120 ticks each, at 10 a second
    record_toy(tmp_path / "val", "toy-9", seed=9)
    config = settings(
        tmp_path / "play", tmp_path / "out", spec_file, steps=1, val=(str(tmp_path / "val"),)
    )
    assert train_idm(replace(config, data_minutes=0.25)) == 0
    data = json.loads((tmp_path / "out" / "config.json").read_text())["data"]
    assert data["ticks"] == 2 * 150  # 15 s in each of two phases
    assert len(data["train"]) == 2


def test_evaluation_report_and_plots(
    trained: Path, record_toy: Callable[..., Path], tmp_path: Path
) -> None:
    for seed in (11, 12):
        record_toy(tmp_path / "test", f"toy-{seed}", seed=seed)
    out = tmp_path / "eval"
    assert (
        eval_idm(
            EvalIDMConfig(
                checkpoint=str(trained), recordings=(str(tmp_path / "test"),), out=str(out)
            )
        )
        == 0
    )
    result = json.loads((out / "metrics.json").read_text())
    keys = {
        "keypress_accuracy",
        "macro_f1",
        "macro_ap",
        "transition_f1",
        "ece",
        "mouse_r2",
        "mouse_error_deg",
        "mouse_correlation",
        "mouse_scale",
    }
    assert keys | {"per_button", "baselines", "ci95"} <= set(result)
    assert set(result["baselines"]) == {"always_released", "rates", "frame_difference"}
    for baseline in result["baselines"].values():
        assert keys | {"per_button"} <= set(baseline)
    lamp = result["per_button"]["lamp"]
    assert {
        "accuracy",
        "precision",
        "recall",
        "f1",
        "average_precision",
        "transition_f1",
        "pressed",
    } <= set(lamp)
    assert lamp["f1"] > 0.9
    assert result["per_button"]["left"]["f1"] is None
    assert result["mouse_r2"]["yaw"] > 0.5
    assert result["keypress_accuracy"] > result["baselines"]["always_released"]["keypress_accuracy"]
    low, high = result["ci95"]["macro_f1"]
    assert low <= result["macro_f1"] <= high
    assert result["gain"]["rates"]["macro_f1"]["ci95"][0] > 0
    assert {path.name for path in out.glob("*.png")} == {
        "stretch.png",
        "buttons.png",
        "reliability.png",
        "mouse.png",
    }


def test_predictor_labels_a_recording(trained: Path, toy_folder: Path) -> None:
    predictor = Predictor.load(str(trained), device="cpu", threads=1)
    spec = spec_of(load_idm(str(trained)))
    assert predictor.spec.sha256 == spec.sha256
    assert len(predictor.sha256) == 64
    altered = load_idm(str(trained))
    altered.config["calibration"]["slope"].pop()
    with pytest.raises(
        CheckpointError, match="calibration does not have one"
    ):  # before any job begins
        spec_of(altered)
    recording = find_recordings([toy_folder])[0]
    frames = (batch.frames for batch in recording.frames(spec))
    parts = list(predictor.predict(frames, start=0, stretch=(0, 120), keep=(0, 120)))
    assert [(part.start, len(part.buttons)) for part in parts] == [(0, 120)]
    held = np.concatenate([part.buttons[:, 0] for part in parts])
    assert (held[:-1] == recording.actions(spec).buttons[:-1, 0]).mean() > 0.85


def test_killed_run_goes_on_to_the_last_bit(
    toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:

    whole = settings(toy_folder, tmp_path / "whole", spec_file, steps=12)
    train_idm(whole)
    # A snapshot after every step; killed somewhere on the way, without warning.
    broken = settings(toy_folder, tmp_path / "broken", spec_file, steps=12, save_every=1e-9)
    process = Forked(train_idm, broken)
    log = tmp_path / "broken" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.exists() and len(read_metrics(log)) >= 5):
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert 5 <= len(read_metrics(log)) < 12
    train_idm(broken)
    one, other = (losses_of(tmp_path / name) for name in ("whole", "broken"))
    assert len(one) == 12
    assert one == other
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]


def test_recordings_are_divided_whole_and_for_good(
    toy_folder: Path, spec_file: str, tmp_path: Path, record_toy: Callable[..., Path]
) -> None:
    train, val = choose_recordings(settings(toy_folder, tmp_path, spec_file))
    assert len(train) == 2
    assert len(val) == 1
    again = choose_recordings(settings(toy_folder, tmp_path, spec_file))
    assert [r.name for r in again[1]] == [r.name for r in val]
    with pytest.raises(ConfigError, match="also in data"):
        choose_recordings(
            settings(toy_folder, tmp_path, spec_file, val=(str(toy_folder / "toy-1.mp4"),))
        )
    record_toy(tmp_path / "one", "single")
    with pytest.raises(ConfigError, match="single recording"):
        choose_recordings(settings(tmp_path / "one", tmp_path, spec_file))


def test_work_goes_on_where_nobody_reads_what_it_says(
    toy_folder: Path, spec_file: str, tmp_path: Path
) -> None:
    written = tmp_path / "settings.yaml"
    config = settings(toy_folder, tmp_path / "out", spec_file, steps=2)
    written.write_text(yaml.safe_dump(to_plain(config)))
    train = subprocess.Popen(
        [sys.executable, "-m", "vidact.cli", "train-idm", "--config", str(written)],
        stderr=subprocess.PIPE,
    )
    assert train.stderr is not None
    train.stderr.close()
    assert train.wait() == 0
    assert (tmp_path / "out" / "config.json").exists()
