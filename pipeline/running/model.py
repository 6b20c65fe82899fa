"""The model of a job, as its verb sees it: what it is, and what is written down of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...datasets.actions.spec import ActionSpec
from ..config import LabelConfig, RelabelConfig
from ..labelling.source_statistics import Reference

if TYPE_CHECKING:
    from ...networks.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class JobModel:
    """An inverse dynamics model that labels."""

    uri: str
    """As the user named it."""
    checkpoint: Checkpoint
    spec: ActionSpec

    @classmethod
    def of(cls, config: LabelConfig | RelabelConfig) -> JobModel:
        """Find it. Raises ConfigError where this machine, which is to label, lacks the device."""
        from ...idm.labels.checkpoint import load_idm, spec_of
        from ...training.device import pick_device

        if config.runner == "local":
            pick_device(config.device)  # now rather than in each worker
        checkpoint = load_idm(config.idm)
        return cls(config.idm, checkpoint, spec_of(checkpoint))

    @property
    def identity(self) -> dict[str, Any]:
        """What of the model the labels depend on."""
        return {"idm_sha256": self.checkpoint.sha256, "spec_sha256": self.spec.sha256}

    @property
    def info(self) -> dict[str, Any]:
        """What `dataset.json` says of the model."""
        metrics = self.checkpoint.config.get("metrics")
        return {"uri": self.uri, "sha256": self.checkpoint.sha256, "metrics": metrics}

    @property
    def game_sha256(self) -> str:
        """The digest of what the model knows of its game; empty where it knows nothing."""
        game = self.checkpoint.config.get("game") or {}
        return str(game.get("sha256", ""))

    @property
    def reference(self) -> Reference:
        """What is usual in the model's training set."""
        return Reference.of_checkpoint(self.checkpoint.config, self.spec)
