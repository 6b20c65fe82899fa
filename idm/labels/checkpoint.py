"""What an IDM's checkpoint holds beside a spec: the network, what turns its logits into labels,
baselines, lineage.

IDMs that ship with vidact are known by name: they label without any training.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...datasets.actions.mirror import Mirror
from ...datasets.actions.spec import ActionSpec
from ...errors import CheckpointError
from ...networks.checkpoints import (
    CONFIG_FILE,
    Checkpoint,
    load_checkpoint,
    load_into,
    require_fit,
)
from ..network.config import IDMConfig
from ..network.model import InverseDynamicsModel
from ..scores.baselines import LinearModel, RatesSampler
from .calibration import Calibration

FOLDER = Path(__file__).parents[1] / "shipped_checkpoints"
# Another's weights under a spec with other ticks: what moves between two frames is told in degrees,
# whatever time lies between them.
OTHER_TICKS = {"doom-15hz": "doom"}
BASELINE_PREFIX = "baselines."  # of the tensors in a checkpoint that are not the network's


def shipped() -> list[str]:
    """The names of the IDMs that ship."""
    return sorted({*OTHER_TICKS, *(path.parent.name for path in FOLDER.glob(f"*/{CONFIG_FILE}"))})


def load_idm(uri: str) -> Checkpoint:
    """An IDM's checkpoint.

    Args:
        uri: a folder, local or any fsspec URL, or the name of one that ships, such as `doom`; a
            local folder of that name comes first.

    Raises CheckpointError.
    """
    if uri in shipped() and not (Path(uri) / CONFIG_FILE).exists():
        found = load_checkpoint(FOLDER / OTHER_TICKS.get(uri, uri)).require_kind("idm")
        return with_spec(found, ActionSpec.load(uri)) if uri in OTHER_TICKS else found
    try:
        return load_checkpoint(uri).require_kind("idm")
    except CheckpointError as error:
        if "/" in uri or Path(uri).exists():
            raise
        raise CheckpointError(
            f"{error}; by name there are: {', '.join(shipped()) or 'none'}"
        ) from error


def with_spec(checkpoint: Checkpoint, spec: ActionSpec) -> Checkpoint:
    """The same model under another spec of the same buttons and axes, with a digest of its own.

    Raises CheckpointError where they are not the same.
    """
    own = spec_of(checkpoint)
    if (own.button_names, own.axes) != (spec.button_names, spec.axes):
        raise CheckpointError(f"{checkpoint.uri}: {spec.name} has other buttons or axes")
    return replace(
        checkpoint,
        config={**checkpoint.config, "spec": spec.to_dict(), "spec_sha256": spec.sha256},
        sha256=hashlib.sha256(f"{checkpoint.sha256} {spec.sha256}".encode()).hexdigest(),
    )


def load_network(checkpoint: Checkpoint, spec: ActionSpec) -> InverseDynamicsModel:
    """The network of a checkpoint, on the CPU.

    Raises CheckpointError where its config and its tensors do not fit.
    """
    own = {
        name: tensor
        for name, tensor in checkpoint.state.items()
        if not name.startswith(BASELINE_PREFIX)
    }
    with checkpoint.config_read():
        config = IDMConfig.from_dict(checkpoint.config["network"])
        model = InverseDynamicsModel.without_memory(config, spec)
    # What a config asks for costs no memory until it is what the weights are.
    require_fit(model, replace(checkpoint, state=own))
    model.allocate()
    load_into(model, replace(checkpoint, state=own))
    return model


def load_baselines(checkpoint: Checkpoint, spec: ActionSpec) -> tuple[RatesSampler, LinearModel]:
    """What a labelling is compared with, as `fit_baselines` fitted it.

    Raises CheckpointError where there is none.
    """
    if "baselines" not in checkpoint.config:
        raise CheckpointError(
            f"{checkpoint.uri} holds no baselines to compare with: import it again with --play"
        )
    with checkpoint.config_read():
        weights, thresholds = (
            checkpoint.state[f"{BASELINE_PREFIX}{name}"] for name in ("weights", "thresholds")
        )
        linear = LinearModel.of(weights.double().numpy(), thresholds.double().numpy(), spec)
        return RatesSampler.from_dict(checkpoint.config["baselines"]["rates"], spec), linear


def spec_of(checkpoint: Checkpoint) -> ActionSpec:
    """The action spec of an IDM.

    Raises CheckpointError where that, or what else makes labels, was edited.
    """
    return settings_of(checkpoint)[0]


def settings_of(checkpoint: Checkpoint) -> tuple[ActionSpec, Calibration, Mirror | None]:
    """What turns the network's logits into labels. Raises CheckpointError where it was edited."""
    spec = checkpoint.spec()
    with checkpoint.config_read():
        calibration = Calibration.from_dict(checkpoint.config["calibration"], spec)
    return spec, calibration, mirror_of(checkpoint, spec)


def mirror_of(checkpoint: Checkpoint, spec: ActionSpec) -> Mirror | None:
    """The mirror image that an IDM's labels are averaged with.

    Raises CheckpointError where that was edited.
    """
    with checkpoint.config_read():
        return Mirror.from_dict(found, spec) if (found := checkpoint.config.get("mirror")) else None


def play_seen(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Names and digests of the recordings that an IDM, or one that it started from, was trained or
    tuned on.
    """
    with checkpoint.config_read():
        data = checkpoint.config.get("data", {})
        return [seen for part in ("before", "train", "val") for seen in data.get(part, {}).items()]


def digests_by_name(recordings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names and digests for a record of what was used; namesakes are told apart by the beginning of
    their digest.
    """
    names = {sha256: name for name, sha256 in recordings}
    counts = Counter(names.values())
    return {
        name if counts[name] == 1 else f"{name} ({sha256[:12]})": sha256
        for sha256, name in names.items()
    }


def idm_checkpoint_config(
    network: IDMConfig, spec: ActionSpec, calibration: Calibration, *, preset: str, **parts: Any
) -> dict[str, Any]:
    """The `config.json` of an IDM's checkpoint: what labels need, and what the caller knows of its
    making.
    """
    return {
        "kind": "idm",
        "preset": preset,
        "network": network.to_dict(),
        "spec": spec.to_dict(),
        "spec_sha256": spec.sha256,
        "calibration": calibration.to_dict(),
        **parts,
    }
