"""A checkpoint comes back as it was, and a damaged or foreign one is refused with a reason."""

import json
import subprocess
import sys

import pytest
import torch
from torch import nn
from vidact.errors import CheckpointError, ConfigError
from vidact.networks.checkpoints import load_checkpoint, load_into, require_place, save_checkpoint


def test_round_trip_keeps_weights_config_and_digest(tmp_path):
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    digest = save_checkpoint(
        tmp_path / "ckpt", model.state_dict(), {"kind": "policy", "network": {"width": 4}}
    )
    loaded = load_checkpoint(tmp_path / "ckpt")
    assert loaded.sha256 == digest
    assert loaded.config["network"] == {"width": 4}
    assert sorted(path.name for path in (tmp_path / "ckpt").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    other = nn.Conv2d(3, 4, 3)
    load_into(other, loaded)
    assert torch.equal(other.weight, model.weight)


def test_saving_again_replaces_the_checkpoint_and_keeps_the_other_files(tmp_path):
    save_checkpoint(tmp_path, nn.Linear(2, 2).state_dict(), {"kind": "idm"})
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    second = nn.Linear(2, 2).state_dict()
    digest = save_checkpoint(tmp_path, second, {"kind": "idm", "metrics": {"loss": 1.0}})
    loaded = load_checkpoint(tmp_path)
    assert loaded.sha256 == digest
    assert torch.equal(loaded.state["weight"], second["weight"])
    assert (tmp_path / "metrics.jsonl").exists()


def test_a_file_url_names_the_folder_that_storage_says_it_names(tmp_path):
    folder = tmp_path / "my models" / "idm"
    digest = save_checkpoint(folder.as_uri(), nn.Linear(2, 2).state_dict(), {"kind": "idm"})
    assert "%20" in folder.as_uri()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert load_checkpoint(folder).sha256 == load_checkpoint(folder.as_uri()).sha256 == digest
    require_place(folder.as_uri(), "idm")
    with pytest.raises(ConfigError, match=r"config\.json is of 'idm'"):
        require_place(folder.as_uri(), "policy")


def test_the_digest_depends_on_weights_and_config(tmp_path):
    state = nn.Linear(2, 2).state_dict()
    a = save_checkpoint(tmp_path / "a", state, {"kind": "idm"})
    b = save_checkpoint(tmp_path / "b", state, {"kind": "idm"})
    c = save_checkpoint(tmp_path / "c", state, {"kind": "idm", "calibration": [1.0]})
    assert a == b != c


def test_weights_of_another_run_are_refused(tmp_path):
    save_checkpoint(tmp_path / "a", nn.Linear(2, 2).state_dict(), {"kind": "idm"})
    save_checkpoint(tmp_path / "b", nn.Linear(2, 2).state_dict(), {"kind": "idm"})
    (tmp_path / "a" / "model.safetensors").write_bytes(
        (tmp_path / "b" / "model.safetensors").read_bytes()
    )
    with pytest.raises(CheckpointError, match=r"not the file that config\.json was written for"):
        load_checkpoint(tmp_path / "a")


def test_errors_say_what_is_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="'kind'"):
        save_checkpoint(tmp_path, {}, {"kind": "poem"})
    save_checkpoint(tmp_path, nn.Linear(2, 2).state_dict(), {"kind": "idm"})
    with pytest.raises(CheckpointError, match="of kind 'idm', but a 'policy'"):
        load_checkpoint(tmp_path).require_kind("policy")
    with pytest.raises(CheckpointError, match="wrong shape"):
        load_into(nn.Linear(3, 2), load_checkpoint(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "version": 99}))
    with pytest.raises(CheckpointError, match="version 99"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (torch.full((2, 2), torch.nan), "not finite"),
        (torch.ones(2, 2, dtype=torch.int64), "whole numbers"),
    ],
)
def test_weights_that_are_no_weights_are_refused(tmp_path, weight, reason):
    save_checkpoint(tmp_path, {**nn.Linear(2, 2).state_dict(), "weight": weight}, {"kind": "idm"})
    with pytest.raises(CheckpointError, match=reason):
        load_into(nn.Linear(2, 2), load_checkpoint(tmp_path))


def test_a_config_without_its_parts_is_damaged(tmp_path):
    save_checkpoint(tmp_path, {}, {"kind": "idm"})
    checkpoint = load_checkpoint(tmp_path)
    with (
        pytest.raises(CheckpointError, match=r"config\.json is damaged.*'network'"),
        checkpoint.config_read(),
    ):
        checkpoint.config["network"]


def test_a_checkpoint_replaces_nothing_else(tmp_path):
    require_place(tmp_path / "new", "policy")
    save_checkpoint(tmp_path / "idm", {"a": torch.zeros(1)}, {"kind": "idm"})
    require_place(tmp_path / "idm", "idm")
    with pytest.raises(ConfigError, match="is of 'idm'; that of 'policy' would replace it"):
        require_place(tmp_path / "idm", "policy")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds a dataset"):
        require_place(tmp_path / "data", "policy")


def test_a_folder_that_is_not_there_is_called_that() -> None:
    with pytest.raises(CheckpointError, match="nowhere: there is no such folder"):
        load_checkpoint("nowhere")


WITHOUT_MEMORY = """
import sys
from vidact.bc_policy.policy.config import preset_config
from vidact.bc_policy.policy.policy import Policy
from vidact.datasets.actions.spec import ActionSpec
from vidact.idm.network.config import PRESETS
from vidact.idm.network.model import InverseDynamicsModel
from vidact.networks.checkpoints import allocate

spec = ActionSpec.load("doom")
for network in (
    Policy.without_memory(spec, preset_config("tiny", spec)),
    InverseDynamicsModel.without_memory(PRESETS["tiny"], spec),
):
    allocate(network)
    assert not any(part.is_meta for part in network.state_dict().values())
print(sorted({"torch._dynamo", "sympy"} & set(sys.modules)))
"""


def test_loading_a_network_does_not_import_the_compiler_of_torch() -> None:
    """It takes every process that loads one four seconds, and nothing is compiled."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MEMORY], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
