"""OpenAI's IDM, imported: every tensor lands, the arithmetic is theirs, and nothing that a stranger
wrote runs.
"""

from __future__ import annotations

import io
import json
import os
import pickle
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from vidact.cli import run
from vidact.datasets.actions.devices import DeviceState
from vidact.datasets.actions.spec import ActionSpec
from vidact.datasets.recordings.writer import RecordingWriter
from vidact.errors import CheckpointError
from vidact.idm.import_vpt_idm import convert, read_model
from vidact.idm.labels.predict import Predictor
from vidact.idm.labels.windows import WindowRunner
from vidact.idm.network.model import InverseDynamicsModel
from vidact.networks.vpt import read_plain_pickle, read_weights

from . import published
from .published import RELEASED, SMALL, arguments, moving_pictures, random_weights, shapes


@pytest.fixture(scope="module")
def spec() -> ActionSpec:
    return ActionSpec.load("minecraft")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("published")
    model, weights = folder / "small.model", folder / "small.weights"
    model.write_bytes(pickle.dumps(arguments(**SMALL)))
    torch.save(random_weights(SMALL), weights)
    return model, weights


def test_all_tensors_of_the_released_size_land(tmp_path: Path, spec: ActionSpec) -> None:
    (tmp_path / "a.model").write_bytes(pickle.dumps(arguments(**RELEASED)))
    network, temperature = read_model(str(tmp_path / "a.model"))
    assert temperature == 4
    theirs = {
        name: torch.zeros((), dtype=torch.float16).expand(shape)
        for name, shape in shapes(**RELEASED).items()
    }
    assert len(theirs) == 100
    assert sum(tensor.numel() for tensor in theirs.values()) == 482_330_046
    with torch.device("meta"):
        model = InverseDynamicsModel(network, spec)
        ours = convert(
            {name: tensor.to("meta") for name, tensor in theirs.items()},
            network,
            spec,
            temperature=4,
        )
    assert sum(tensor.numel() for tensor in ours.values()) == 482_330_046
    assert {n: t.shape for n, t in ours.items()} == {
        n: t.shape for n, t in model.state_dict().items()
    }


def test_overlapping_windows_equal_the_plain_computation(
    files: tuple[Path, Path], spec: ActionSpec
) -> None:
    """Windows 0, 64 and 128 of 270 ticks, each computed whole and alone; the edges of the video
    keep their ticks.
    """
    ticks = 270
    frames, theirs = moving_pictures(ticks), random_weights(SMALL)
    network, temperature = read_model(str(files[0]))
    model = InverseDynamicsModel(network, spec).eval()
    model.load_state_dict(
        convert(read_weights(str(files[1])), network, spec, temperature=temperature)
    )
    shared = list(WindowRunner(model).run([frames], start=0, stretch=(0, ticks), keep=(0, ticks)))
    assert [(w.first_tick, w.keep) for w in shared] == [
        (0, (0, 96)),
        (64, (32, 96)),
        (128, (32, 96)),
        (192, (32, 78)),
    ]
    largest = 0.0
    for window in shared:
        alone = torch.from_numpy(frames[window.first_tick : window.first_tick + 128])
        buttons, camera = published.logits(
            theirs, alone, heads=SMALL["heads"], temperature=temperature
        )
        kept = slice(*window.keep)
        largest = max(
            largest,
            float(
                (
                    torch.from_numpy(window.buttons[kept])
                    - (buttons[kept, :, 1] - buttons[kept, :, 0])
                )
                .abs()
                .max()
            ),
            *(
                float((torch.from_numpy(axis[kept]) - camera[kept, number]).abs().max())
                for number, axis in enumerate(window.axes)
            ),
        )
        spread = float((buttons[..., 1] - buttons[..., 0]).std(0).max())
    assert spread > 0.01  # what is compared is not constant
    assert largest < 1e-4


def test_the_verb_makes_a_checkpoint_that_labels(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", "vpt-idm", *map(str, files), str(tmp_path / "idm")]) == 0
    assert "100 tensors, 2,677,294 parameters" in capsys.readouterr().err
    assert run(["import", "vpt-idm", *map(str, files), str(tmp_path / "idm")]) == 2
    assert "holds a checkpoint already" in capsys.readouterr().err
    endless = {name: tensor / 0 for name, tensor in read_weights(str(files[1])).items()}
    torch.save(endless, tmp_path / "endless.weights")
    assert (
        run(
            [
                "import",
                "vpt-idm",
                str(files[0]),
                str(tmp_path / "endless.weights"),
                str(tmp_path / "other"),
            ]
        )
        == 2
    )
    assert "not finite" in capsys.readouterr().err
    predictor = Predictor.load(str(tmp_path / "idm"))
    assert predictor.spec.name == "minecraft"
    parts = list(predictor.predict([moving_pictures(40)], start=0, stretch=(0, 40), keep=(0, 40)))
    assert sum(len(part.buttons) for part in parts) == 40
    assert (
        run(["eval-idm", str(tmp_path / "idm"), str(tmp_path), "--out", str(tmp_path / "eval")])
        == 2
    )
    assert "no recordings" in capsys.readouterr().err


def test_it_is_calibrated_on_labelled_play(files: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        with RecordingWriter(tmp_path / "play" / name, fps=Fraction(20), size=(128, 128)) as writer:
            for i, picture in enumerate(moving_pictures(100)):
                writer.write(
                    picture,
                    DeviceState(keys=("key.keyboard.w",) if i % 20 < 12 else (), dx=float(i % 7)),
                )
    out, recordings = str(tmp_path / "idm"), str(tmp_path / "play")
    assert run(["import", "vpt-idm", *map(str, files), out, "--play", recordings]) == 0
    config = json.loads((tmp_path / "idm" / "config.json").read_text())
    assert config["metrics"]["validation"]["keypress_accuracy"] > 0.9
    assert run(["eval-idm", out, recordings, "--out", str(tmp_path / "eval"), "--no-plots"]) == 0
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["keypress_accuracy"] > 0.9


def test_what_does_not_fit_is_listed(files: tuple[Path, Path], spec: ActionSpec) -> None:
    network, _ = read_model(str(files[0]))
    weights = random_weights(SMALL)
    del weights["net.final_ln.bias"]
    weights["net.more.weight"] = torch.zeros(1)
    weights["net.lastlayer.layer.weight"] = torch.zeros(3, 3)
    weights["pi_head.camera.linear_layer.bias"] = torch.zeros(21)
    with pytest.raises(CheckpointError) as caught:
        convert(weights, network, spec, temperature=1.0, where="a.weights")
    message = str(caught.value)
    assert "a.weights does not fit" in message
    for line in (
        "final_ln.bias: missing",
        "net.more.weight: unknown",
        "lastlayer.layer.weight: (3, 3), expected (128, 128)",
        "pi_head.camera.linear_layer.bias: (21,), expected 22 rows",
    ):
        assert line in message
    weights = random_weights(SMALL)
    name = "net.lastlayer.layer.weight"
    for value, reason in (
        (
            torch.zeros((), dtype=torch.float16).expand(10**6, 10**7),
            "expected (128, 128)",
        ),  # 40 TB in float32
        (weights[name] * 1j, "torch.complex64"),
        (weights[name].to_sparse(), "torch.sparse_coo"),
    ):
        with pytest.raises(CheckpointError) as caught:
            convert({**weights, name: value}, network, spec, temperature=1.0)
        assert reason in str(caught.value)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    content = arguments(**SMALL)
    content["model"]["args"]["net"]["args"] |= {
        "attention_mask_style": "clipped_causal",
        "timesteps": 64,
    }
    (tmp_path / "a.model").write_bytes(pickle.dumps(content))
    with pytest.raises(
        CheckpointError, match=r"attention_mask_style 'clipped_causal', attention_memory_size 128"
    ):
        read_model(str(tmp_path / "a.model"))
    (tmp_path / "a.model").write_bytes(pickle.dumps({"model": 3}))
    with pytest.raises(CheckpointError, match="does not describe VPT's inverse dynamics model"):
        read_model(str(tmp_path / "a.model"))


class Evil:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickles_run_nothing(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "it-ran"
    (tmp_path / "evil.model").write_bytes(pickle.dumps({"model": Evil(mark)}, protocol))
    with pytest.raises(
        CheckpointError,
        match=r"it asks for (posix|os)\.system, and nothing but plain values is read",
    ):
        read_model(str(tmp_path / "evil.model"))
    torch.save({"net.final_ln.bias": Evil(mark)}, tmp_path / "evil.weights")
    with pytest.raises(CheckpointError, match=r"evil\.weights is refused"):
        read_weights(str(tmp_path / "evil.weights"))
    assert not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        pickle.dumps({"a": 1})[:-4],
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",  # a string of 9 exabytes
        b"\x80\x02N" + b"r\xff\xff\xff\x7f" + b".",  # the memo's 2 billionth entry
        b"\x80\x02}(K\x01" + b"\x82\x01" + b"u.",  # an extension code
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # a persistent id
        b"\x80\x04" + b"(" * 100_000,
        b"x" * 2**21,
    ],
)
def test_damaged_and_absurd_pickles_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.model").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"a\.model"):
        read_plain_pickle(str(tmp_path / "a.model"))


def test_weights_that_are_no_tensors_are_refused(tmp_path: Path) -> None:
    for number, content in enumerate(([1, 2], {"a": 3}, torch.zeros(2))):
        torch.save(content, tmp_path / f"{number}.weights")
        with pytest.raises(CheckpointError, match="does not hold tensors by name"):
            read_weights(str(tmp_path / f"{number}.weights"))
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1000)}, buffer)
    (tmp_path / "cut.weights").write_bytes(buffer.getvalue()[:-500])
    with pytest.raises(CheckpointError, match=r"cut\.weights is refused"):
        read_weights(str(tmp_path / "cut.weights"))
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(str(tmp_path / "missing.weights"))
