"""Settings of the filter of clean frames. Loads neither torch nor scikit-learn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import tyro
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from ...options import NONE_BY_DEFAULT, several, top_level
from ...settings import LocalPath, Share, must_be, require, settings

ARCHITECTURES = (
    "resnet18",
    "resnet34",
    "resnet50",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "convnext_tiny",
    "regnet_y_400mf",
    "shufflenet_v2_x1_0",
    "vit_b_16",
)
"""Of torchvision: those whose last layers `embeddings.py` knows to leave out."""
ONNX_SUFFIX = ".onnx"


@settings(place="clean")
class CleanConfig:
    """Which stretches are clean play, as a filter that learned it from labels says.

    A dataset may be labeled again with lower thresholds: only what comes back is decoded.
    """

    filter: Annotated[str, top_level("filter"), NONE_BY_DEFAULT] = ""
    """A filter of clean frames (a checkpoint folder of `train-filter`): other frames are dropped,
    by reason.
    """
    threshold: Share = 0.0
    """Probability from which on a frame is clean; 0 takes the filter's own."""
    min_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Length of a run of clean play: a frame is kept where it lies in such a run."""
    min_share: Share = 0.8
    """Share of the frames of such a run that are clean at least."""
    smoothed_seconds: Annotated[float, Field(ge=0, le=10)] = 1.0
    """What is said of a frame is the mean over frames so near on each side."""
    picture_in_picture: Literal["drop", "keep"] = "drop"
    """Whether stretches with another picture in the picture, such as a face cam, are dropped,
    whatever labels say of their frames.
    """

    def identity(self, sha256: str) -> dict[str, object]:
        """What labels are a function of: the filter by its digest, wherever it lies, and how it is
        used.
        """
        own = asdict(self)
        del own["filter"]
        return {"filter_sha256": sha256, **own}


@settings()
class TrainFilterConfig:
    """Train a filter of clean frames from what people marked in the labeling tool.

    Writes a checkpoint for `vidact label --filter`, and beside it a report with its mistakes, and
    the frames that are worth labeling next. Needs scikit-learn (`pip install 'vidact[filter]'`).

    Example:
      vidact train-filter exports/clean-1 --out runs/filter
      vidact label videos --idm doom --filter runs/filter --out runs/dataset
    """

    labels: Annotated[
        tuple[LocalPath, ...],
        tyro.conf.Positional,
        several("LABELS"),
        must_be("at least one export of the labeling tool", bool),
    ]
    """Exports of the labeling tool (filter labels): folders with `labels.parquet` and frames."""
    out: LocalPath
    """The checkpoint folder that is made."""
    idm: str = "doom"
    """The IDM that will label what the filter keeps (a checkpoint folder, or `doom`): pictures are
    brought to the size of its frames, and its first layers look at them.
    """
    architecture: Annotated[
        str,
        NONE_BY_DEFAULT,
        must_be(f"one of {', '.join(ARCHITECTURES)}", lambda name: name in ("", *ARCHITECTURES)),
    ] = ""
    """Look with this network of torchvision instead, whose weights are `weights`."""
    weights: Annotated[LocalPath, NONE_BY_DEFAULT] = ""
    """A local file of weights of `architecture`: safetensors, or a `state_dict` (.pth) that holds
    nothing but tensors. Or a whole network in ONNX (.onnx, `pip install 'vidact[onnx]'`), whose
    first output is the embedding. Nothing in it is executed, and nothing is fetched.
    """
    unlabeled: Annotated[tuple[LocalPath, ...], NONE_BY_DEFAULT] = ()
    """Videos, or folders of videos, among whose frames those worth labeling next are looked for."""
    next_frames: NonNegativeInt = 64
    """How many of these there are in `next_frames.parquet`, which `vidact serve --clean` takes."""
    frame_step_s: Annotated[float, Field(ge=0.1)] = 2.0
    """Seconds between two frames of an `unlabeled` video that are looked at."""
    precision: Share = 0.97
    """Share of the frames called clean that are clean, by cross-validation, of dirt of kinds that
    no label showed: the threshold of the filter is the lowest that reaches it, or, where that would
    keep less than 90 % of the clean frames, the highest that keeps so many.
    """
    folds: Annotated[int, Field(ge=2, le=50)] = 5
    """Of cross-validation: no video is in two of them."""
    hardest: PositiveInt = 48
    """Frames on the report's contact sheet, the worst mistakes first."""
    regularization: NonNegativeFloat = 10.0
    """Strength of the penalty on the filter's coefficients."""
    seed: NonNegativeInt = 0
    """Deals out folds, makes up dirt, begins the network, and draws the parts of the labels for the
    learning curve.
    """

    def __post_init__(self) -> None:
        whole = self.weights.endswith(ONNX_SUFFIX)
        fits = bool(self.architecture) == (bool(self.weights) and not whole)
        require(fits, "weights", self.weights, "given with architecture, or alone in ONNX")
