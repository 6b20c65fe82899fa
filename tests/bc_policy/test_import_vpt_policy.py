"""OpenAI's policies, imported: every tensor lands, the arithmetic is theirs, and nothing that a
stranger wrote runs.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from vidact.bc_policy.import_vpt_policy import convert, read_model
from vidact.bc_policy.policy.config import PRESETS
from vidact.bc_policy.policy.policy import load_policy
from vidact.cli import run
from vidact.datasets.actions.spec import ActionSpec
from vidact.errors import CheckpointError
from vidact.networks.vpt import read_weights

from . import published_policy
from .published_policy import SIZES, SMALL, arguments, random_weights, shapes

MINECRAFT = ActionSpec.load("minecraft")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("published")
    model, weights = folder / "small.model", folder / "small.weights"
    model.write_bytes(pickle.dumps(arguments(**SMALL)))
    torch.save(random_weights(SMALL), weights)
    return model, weights


@pytest.mark.parametrize(
    ("size", "count"), [("1x", 70_998_654), ("2x", 248_495_294), ("3x", 532_504_318)]
)
def test_all_tensors_of_the_released_sizes_land(tmp_path: Path, size: Any, count: int) -> None:
    (tmp_path / "a.model").write_bytes(pickle.dumps(arguments(**SIZES[size])))
    network, temperature = read_model(str(tmp_path / "a.model"))
    assert network == PRESETS[size]
    assert temperature == 2
    with torch.device("meta"):
        theirs = {name: torch.zeros(shape) for name, shape in shapes(**SIZES[size]).items()}
    assert len(theirs) == 134
    assert sum(tensor.numel() for tensor in theirs.values()) == count
    ours = convert(theirs, network, MINECRAFT, temperature=temperature)
    assert sum(tensor.numel() for tensor in ours.values()) == count


def test_acting_step_by_step_equals_the_whole_sequence_and_the_plain_computation(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["import", "vpt-policy", *map(str, files), "--out", str(tmp_path / "vpt")]
    assert run(words) == 0
    assert "102 tensors, " in capsys.readouterr().err
    assert run(words) == 2
    assert "holds a checkpoint already" in capsys.readouterr().err
    policy, checkpoint = load_policy(str(tmp_path / "vpt"), spec=MINECRAFT)
    assert checkpoint.config["preset"] == "custom"
    assert checkpoint.config["imported"]["temperature"] == 2
    torch.manual_seed(0)
    frames = torch.randint(0, 256, (1, 7, 128, 128, 3), dtype=torch.uint8)
    joint, camera, value = published_policy.act(random_weights(SMALL), frames[0], SMALL, 2.0)
    assert joint.std(0).max() > 0.1  # what is compared is not constant
    with torch.no_grad():
        whole = policy(frames)
        memory, steps = None, []
        for tick in range(7):
            steps.append(policy(frames[:, tick : tick + 1], None, memory))
            memory = steps[-1].memory
    pairs = (
        (whole.logits.joint, [out.logits.joint for out in steps], joint),
        (whole.logits.camera, [out.logits.camera for out in steps], camera),
        (whole.value, [out.value for out in steps], value),
    )
    for together, by_steps, plain in pairs:
        assert together is not None
        apart = torch.cat([one for one in by_steps if one is not None], 1)
        assert (together - apart).abs().max() < 1e-4
        # The plain computation is in float64; what convolutions round is up to the processor.
        assert (together[0] - plain).abs().max() < 1e-3
    mean, deviation = policy.value_head.statistics()
    assert (mean.item(), deviation.item()) == (3.0, 2.0)


def test_weights_that_are_not_finite_are_refused(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endless = read_weights(str(files[1]))
    endless["net.final_ln.bias"] /= 0
    torch.save(endless, tmp_path / "endless.weights")
    words = [str(files[0]), str(tmp_path / "endless.weights"), "--out", str(tmp_path / "out")]
    assert run(["import", "vpt-policy", *words]) == 2
    assert "final_norm.bias holds numbers that are not finite" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_is_listed(files: tuple[Path, Path]) -> None:
    network, _ = read_model(str(files[0]))
    weights = random_weights(SMALL)
    del weights["net.final_ln.bias"]
    weights["net.more.weight"] = torch.zeros(1)
    weights["net.lastlayer.layer.weight"] = torch.zeros(3, 3)
    weights["pi_head.camera.linear_layer.bias"] = torch.zeros(120)
    # 40 TB in float32
    weights["value_head.linear.bias"] = torch.zeros((), dtype=torch.half).expand(10**6, 10**7)
    weights["net.img_process.linear.norm.bias"] = weights["net.img_process.linear.norm.bias"] * 1j
    with pytest.raises(CheckpointError) as caught:
        convert(weights, network, MINECRAFT, temperature=1.0, where="a.weights")
    message = str(caught.value)
    assert "a.weights does not fit" in message
    for line in (
        "final_norm.bias: missing",
        "net.more.weight: unknown",
        "last.layer.weight: (3, 3), expected (32, 32)",
        "head.camera.bias: (120,), expected (121,)",
        "value_head.linear.bias: (1000000, 10000000), expected (1,)",
        "trunk.linear.norm.bias: torch.complex64",
    ):
        assert line in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_mask_style": "none"}, "another graph .* attention_mask_style 'none'"),
        ({"conv3d_params": {"outchan": 128}}, "conv3d_params"),
        ({"impala_chans": [16, 32, 64]}, "impala_chans"),
        ({"img_shape": [128, 128, 128]}, "img_shape"),
        ({"first_conv_norm": True}, "first_conv_norm"),
        ({"attention_memory_size": 128}, "does not describe a policy of VPT"),
        ({"hidsize": 10**9}, "does not describe a policy of VPT"),
        ({"impala_kwargs": 3}, "does not describe a policy of VPT"),
    ],
)
def test_another_graph_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    content = arguments(**SMALL)
    content["model"]["args"]["net"]["args"] |= changes
    (tmp_path / "a.model").write_bytes(pickle.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        read_model(str(tmp_path / "a.model"))


class Evil:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


def test_malicious_pickles_run_nothing(files: tuple[Path, Path], tmp_path: Path) -> None:
    mark, evil = tmp_path / "it-ran", tmp_path / "evil"
    evil.write_bytes(pickle.dumps({"model": Evil(mark)}))
    assert (
        run(["import", "vpt-policy", str(evil), str(files[1]), "--out", str(tmp_path / "a")]) == 2
    )
    torch.save({"net.final_ln.bias": Evil(mark)}, evil)
    assert (
        run(["import", "vpt-policy", str(files[0]), str(evil), "--out", str(tmp_path / "b")]) == 2
    )
    assert not mark.exists()
