"""A filter of clean frames, as its checkpoint keeps it and as it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...datasets.actions.spec import FrameSpec
from ...errors import CheckpointError
from ...networks.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from .clean_model import CleanModel
from .embeddings import PictureEmbedding, embedding_of
from .insets import OwnLines, shows_insets

LOOK, MODEL, LINES = "embedding.", "model.", "lines."  # prefixes of the tensors
FORMAT = 3  # of the tensors and of what they mean


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanFilter:
    """Says how clean frames are, and why they are not."""

    embedding: PictureEmbedding
    model: CleanModel
    reasons: tuple[str, ...]
    frame: Mapping[str, Any]
    """Size and resize of the pictures that it knows."""
    threshold: float
    """Probability from which on a frame counts as clean, unless a user says otherwise."""
    own_lines: OwnLines | None
    """What the sides of insets are told from; None where frames are too small to see these."""
    sha256: str = ""

    def require_frame(self, frame: FrameSpec) -> None:
        """Raise CheckpointError where frames of a job are not like those it was trained on."""
        if (given := frame_entry(frame)) != dict(self.frame):
            raise CheckpointError(
                f"the filter was trained on frames of {dict(self.frame)}, the IDM's are {given}: "
                "train it with this --idm"
            )

    def ask(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of frames uint8 [N, H, W, 3] the probability to be clean, [N], and the log-odds of each
        reason where they are not, [N, R].
        """
        return self.model.ask(self.embedding(frames))

    def save(self, folder: str, config: Mapping[str, Any]) -> CleanFilter:
        """Write its checkpoint, with what else `config` says of it; returns it with its digest."""
        lines = self.own_lines.arrays() if self.own_lines is not None else {}
        tensors: dict[str, Tensor] = {
            **{f"{LOOK}{name}": value for name, value in self.embedding.state().items()},
            **{f"{MODEL}{name}": value for name, value in self.model.tensors().items()},
            **{f"{LINES}{name}": torch.from_numpy(value) for name, value in lines.items()},
        }
        own = {
            "kind": "filter",
            "format": FORMAT,
            "embedding": dict(self.embedding.entry),
            "reasons": list(self.reasons),
            "frame": dict(self.frame),
            "threshold": self.threshold,
        }
        return replace(self, sha256=save_checkpoint(folder, tensors, {**config, **own}))

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> CleanFilter:
        """That of a checkpoint of kind `filter`. Raises CheckpointError."""
        checkpoint.require_kind("filter")
        if (found := checkpoint.config.get("format", 1)) != FORMAT:
            raise CheckpointError(
                f"{checkpoint.uri}: the filter has format {found}, this vidact reads {FORMAT}; "
                "train it again from its labels: vidact train-filter LABELS --out CKPT"
            )
        parts: dict[str, dict[str, Tensor]] = {
            prefix: {
                name.removeprefix(prefix): tensor
                for name, tensor in checkpoint.state.items()
                if name.startswith(prefix)
            }
            for prefix in (LOOK, MODEL, LINES)
        }
        with checkpoint.config_read():
            config = checkpoint.config
            reasons = tuple(str(reason) for reason in config["reasons"])
            frame, threshold = dict(config["frame"]), float(config["threshold"])
            if not 0 <= threshold <= 1:
                raise ValueError(f"threshold {threshold}")
            embedding = embedding_of(config["embedding"], parts[LOOK])
            shows_insets(frame)  # its size is a number
        lines = {name: tensor.float().numpy() for name, tensor in parts[LINES].items()}
        return cls(
            embedding=embedding,
            model=CleanModel.of(parts[MODEL], len(reasons)),
            reasons=reasons,
            frame=frame,
            threshold=threshold,
            own_lines=OwnLines.of_arrays(lines, frame),
            sha256=checkpoint.sha256,
        )

    @classmethod
    def load(cls, uri: str) -> CleanFilter:
        """That in a folder. Raises CheckpointError."""
        return cls.of(load_checkpoint(uri))


def frame_entry(frame: FrameSpec) -> dict[str, Any]:
    """What a filter's configuration says of the pictures that it knows."""
    return {"width": frame.width, "height": frame.height, "resize": frame.resize}
