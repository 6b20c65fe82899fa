"""What a cloned policy takes the player to do next, tick by tick, as if it were an IDM's labels.

A policy must tell an action from what came before it; an IDM also sees what came of it.
`PolicyRunner` gives the policy's probabilities in the shape in which an IDM's come, so that both
are calibrated and judged by the same code.

T ticks, J joint actions, C joint camera bins, K buttons
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from vidact.bc_policy.policy.policy import Policy
from vidact.datasets.actions.joint import JointActions
from vidact.errors import ConfigError
from vidact.idm.labels.windows import WINDOW, Range, WindowLogits

RAREST = 1e-6  # keeps the logarithms of what never happens finite


class PolicyRunner:
    """Runs a policy over whole recordings; to be given where a `WindowRunner` is expected."""

    def __init__(self, policy: Policy):
        self.policy = policy.eval()
        actions = JointActions(policy.spec)
        self._buttons = torch.tensor(actions.buttons_table, dtype=torch.float32)  # (J, K)
        self._moves = torch.tensor(actions.camera_on_table, dtype=torch.float32)  # (J,)
        if len(actions.axis_groups) != 1 or not actions.has_camera:
            raise ConfigError(
                f"spec {policy.spec.name!r}: a policy's labels are of the mouse alone"
            )
        bins = torch.from_numpy(actions.bins_tables[0])  # (C, A)
        self._bins = [
            torch.nn.functional.one_hot(bins[:, axis], count).float()
            for axis, count in enumerate(policy.spec.num_bins)
        ]
        self._null = [axis.quantiser.null_bin for axis in policy.spec.axes]

    @torch.inference_mode()
    def run(
        self, frames: Iterable[NDArray[np.uint8]], *, start: int, stretch: Range, keep: Range
    ) -> Iterator[WindowLogits]:
        """Logits of each batch of frames; the policy's memory goes on from one to the next.

        Args:
            frames: batches uint8 [T, H, W, 3], up to 128 ticks each.
            start, stretch, keep: the whole recording.
        """
        memory, tick = None, start
        for batch in frames:
            first = torch.zeros(1, len(batch), dtype=torch.bool)
            first[0, 0] = memory is None
            out = self.policy(torch.from_numpy(np.ascontiguousarray(batch))[None], first, memory)
            memory = out.memory
            joint = out.logits.joint[0].float().softmax(-1)  # (T, J)
            held = (joint @ self._buttons).clamp(RAREST, 1 - RAREST)  # (T, K)
            moves = (joint @ self._moves)[:, None]
            camera = out.logits.camera[0].float().softmax(-1)  # (T, C)
            axes = []
            for bins, null in zip(self._bins, self._null, strict=True):
                p = moves * (camera @ bins)  # (T, bins)
                p[:, null] += 1 - moves[:, 0]
                axes.append(p.clamp_min(RAREST).log().numpy())
            yield WindowLogits(
                first_tick=tick,
                keep=(0, len(batch)),
                present=np.arange(WINDOW) < len(batch),
                buttons=_filled_up(torch.logit(held).numpy()),
                axes=tuple(_filled_up(axis) for axis in axes),
            )
            tick += len(batch)


def _filled_up(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """[T, ...] ► [128, ...], zeros behind."""
    return np.concatenate([rows, np.zeros((WINDOW - len(rows), *rows.shape[1:]), rows.dtype)])
