"""Labels for any stretch of video from an IDM: what the labelling job and the evaluation call.

n ticks, H rows, W columns, K buttons, A axes
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ...datasets.actions.mirror import Mirror
from ...datasets.actions.spec import ActionSpec
from ...networks.checkpoints import Checkpoint
from ...training.device import pick_device
from ...training.precision import resolve_precision
from ..in_game.asking import GameQuestion, question_of
from ..network.model import InverseDynamicsModel
from .calibration import Calibration, Predictions
from .checkpoint import load_idm, load_network, settings_of
from .windows import Range, WindowLogits, WindowRunner, frame_range


class Predictor:
    """An IDM ready to label. Make it with `Predictor.load`.

    Args:
        model: in evaluation mode, on its device.
        spec: the action spec it was trained under.
        calibration: of its logits.
        sha256: the checkpoint's digest.
        dtype: of matrix products.
        mirror: to average over the picture and its mirror image.
        game: says how much frames look like the game that the IDM knows, if it can tell.
    """

    def __init__(
        self,
        model: InverseDynamicsModel,
        spec: ActionSpec,
        calibration: Calibration,
        *,
        sha256: str = "",
        dtype: torch.dtype = torch.float32,
        mirror: Mirror | None = None,
        game: GameQuestion | None = None,
    ):
        self.model, self.spec, self.calibration, self.sha256 = model, spec, calibration, sha256
        self.radius, self.dtype = model.radius, dtype
        self.game = game
        self._runner = WindowRunner(model, dtype, mirror=mirror)
        self.device = self._runner.device

    @classmethod
    def load(
        cls,
        idm: str | Checkpoint,
        *,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
    ) -> Predictor:
        """Make one from a checkpoint.

        Args:
            idm: one that is read already, or a folder, local or any fsspec URL, or the name of one
                that ships.
            device: `cpu`, `cuda` or `auto`.
            threads: of torch in this process; None leaves them as they are.
            precision: `float32`, `bfloat16` or `auto` (bfloat16 where the machine is fast at it).

        Raises CheckpointError.
        """
        if threads:
            torch.set_num_threads(threads)
        checkpoint = load_idm(idm) if isinstance(idm, str) else idm
        # Before the network is built: an edited checkpoint is refused at no cost.
        spec, calibration, mirror = settings_of(checkpoint)
        where = pick_device(device)
        model = load_network(checkpoint, spec).to(where).eval()
        return cls(
            model,
            spec,
            calibration,
            sha256=checkpoint.sha256,
            dtype=resolve_precision(precision, where),
            mirror=mirror,
            game=question_of(checkpoint, model, float(spec.tick_hz)),
        )

    def frame_range(self, keep: Range, stretch: Range) -> Range:
        """The frames [start, end) that labels of ticks `keep`, a part of `stretch`, need.

        They are enough wherever cuts are found within them.
        """
        return frame_range(keep, stretch, self.radius)

    def windows(
        self, frames: Iterable[NDArray[np.uint8]], *, start: int, stretch: Range, keep: Range
    ) -> Iterator[WindowLogits]:
        """The network's logits, window by window; arguments and errors are those of `predict`."""
        return self._runner.run(frames, start=start, stretch=stretch, keep=keep)

    def predict(
        self, frames: Iterable[NDArray[np.uint8]], *, start: int, stretch: Range, keep: Range
    ) -> Iterator[Predictions]:
        """Label the ticks of `keep`, in order, up to 128 at a time.

        Memory does not grow with their number.

        Args:
            frames: batches uint8 [n, H, W, 3] of consecutive frames at the spec's size and tick
                rate.
            start: the tick of the first frame. All of `frame_range(keep, stretch)` must come; more
                does no harm.
            stretch: ticks [s, e) that belong together: nothing outside them is looked at.
            keep: ticks [a, b) within it.

        The same ticks get the same bytes however they are cut into calls. Raises ValueError where
        frames are missing.
        """
        # Windows lie on an absolute grid and decisions are made per window, not per call.
        for window in self.windows(frames, start=start, stretch=stretch, keep=keep):
            yield self.calibration.labels(window, self.spec)
