"""The policy's action space: a categorical over button combinations, and one over camera bins.

Joint action = mixed-radix number of the groups' states (0 = none held, i = the i-th member), in the
spec's order, its last digit the camera meta-action (1 where the camera moves at all); behind the
product come the solo buttons. Camera = mixed-radix number of the axes' bins. With VPT's Minecraft
spec these are its 8,641 and 121 classes (`lib/action_mapping.py` of the published code), index for
index.

Shapes: K buttons, A axes, J joint actions, C camera classes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import SpecError
from .spec import ActionSpec

# A head of more classes could not be trained; such a spec needs larger groups.
MAX_JOINT = 1_000_000
MAX_TABLE = 1 << 26  # numbers in a table of classes; half a gigabyte in float64


class JointActions:
    """Conversions between factored and joint actions, vectorized, and the tables behind them.

    Attributes:
        num_joint: J.
        num_camera: C; 0 where the spec has no axes.
        null: the joint action that does nothing.
        null_camera: the camera class of no motion (0 where there is none).
        buttons_table: uint8 [J, K], the buttons of each joint action.
        states_table: int64 [J, groups], the state of each group, and as a last column, if there are
            axes, whether the camera moves. A solo button has no state: all are 0.
        camera_on_table: bool [J], whether the camera's class counts under each joint action.
        camera_bins_table: int64 [C, A], the bins of each camera class.
    """

    def __init__(self, spec: ActionSpec):
        self.spec = spec
        index = {name: k for k, name in enumerate(spec.button_names)}
        self._groups = [np.array([index[m] for m in group.members]) for group in spec.groups]
        self._keeps_last = [group.conflict == "last" for group in spec.groups]
        self._solo = np.array([index[name] for name in spec.solo], np.int64)
        digits = [len(group) + 1 for group in self._groups] + ([2] if spec.axes else [])
        product = math.prod(digits)
        self.num_joint = product + len(self._solo)
        if self.num_joint > MAX_JOINT:
            raise SpecError(
                f"action spec {spec.name!r} has {self.num_joint:,} joint actions, at most "
                f"{MAX_JOINT:,} are supported: "
                "put buttons that are not used together into one group"
            )
        self.num_camera = math.prod(spec.num_bins) if spec.axes else 0
        if max(self.num_joint * spec.num_buttons, self.num_camera * sum(spec.num_bins)) > MAX_TABLE:
            raise SpecError(
                f"action spec {spec.name!r} has {self.num_joint:,} joint actions of "
                f"{spec.num_buttons} buttons and {self.num_camera:,} camera classes of "
                f"{sum(spec.num_bins)} bins: more than fit in memory; take fewer"
            )
        self._strides = [math.prod(digits[i + 1 :]) for i in range(len(digits))]
        self._product = product
        self.null = 0
        self._null_bins = np.array([axis.quantiser.null_bin for axis in spec.axes], np.int64)
        self.null_camera = (
            int(np.ravel_multi_index(tuple(self._null_bins), spec.num_bins)) if spec.axes else 0
        )
        self.states_table = np.zeros((self.num_joint, len(digits)), np.int64)
        joint = np.arange(product)[:, None]
        self.states_table[:product] = joint // np.array(self._strides) % np.array(digits)
        self.buttons_table, self.camera_on_table = self._tables()
        self.camera_bins_table = np.zeros((0, 0), np.int64)
        if spec.axes:
            bins = np.unravel_index(np.arange(self.num_camera), spec.num_bins)
            self.camera_bins_table = np.stack(bins, -1).astype(np.int64)  # (C, A)

    def _tables(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        buttons = np.zeros((self.num_joint, self.spec.num_buttons), np.uint8)
        for members, state in zip(self._groups, self.states_table.T, strict=False):
            held = np.nonzero(state)[0]
            buttons[held, members[state[held] - 1]] = 1
        buttons[self._product + np.arange(len(self._solo)), self._solo] = 1
        moves = self.states_table[:, -1] == 1 if self.spec.axes else np.zeros(self.num_joint, bool)
        return buttons, moves

    def encode(
        self, buttons: ArrayLike, camera_bins: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Convert buttons [..., K] (0 or 1) and bins [..., A] to (joint, camera), int64 [...].

        What excludes each other is resolved by the groups' rules; a solo button silences everything
        else, the first one listed wins. Camera is `null_camera` wherever the camera does not move.
        """
        held = np.asarray(buttons) > 0
        shape = held.shape[:-1]
        joint = np.zeros(shape, np.int64)
        for members, last, stride in zip(
            self._groups, self._keeps_last, self._strides, strict=False
        ):
            pressed = held[..., members]  # (..., members)
            state = (pressed * np.arange(1, len(members) + 1)).max(-1)
            if not last:
                state = np.where(pressed.sum(-1) > 1, 0, state)
            joint += state * stride
        camera = np.full(shape, self.null_camera, np.int64)
        if self.spec.axes:
            bins = tuple(np.moveaxis(np.asarray(camera_bins), -1, 0))  # A of [...]
            camera = np.asarray(np.ravel_multi_index(bins, self.spec.num_bins))
            joint += camera != self.null_camera  # the meta-action is the last digit, its stride 1
        for i in reversed(range(len(self._solo))):
            alone = held[..., self._solo[i]]
            joint = np.where(alone, self._product + i, joint)
        if self.spec.axes:
            camera = np.where(self.camera_on_table[joint], camera, self.null_camera)
        return joint, camera.astype(np.int64)

    def decode(
        self, joint: ArrayLike, camera: ArrayLike | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Convert (joint, camera), both [...], to buttons uint8 [..., K] and bins int64 [..., A].

        Where the camera meta-action is off the bins are those of no motion, whatever `camera` says.
        """
        index = np.asarray(joint, np.int64)
        buttons = self.buttons_table[index]
        if not self.spec.axes:
            return buttons, np.zeros((*index.shape, 0), np.int64)
        bins = self.camera_bins_table[np.asarray(camera, np.int64)]
        return buttons, np.where(self.camera_on_table[index][..., None], bins, self._null_bins)

    def distributions(
        self, buttons: NDArray[np.floating], bins: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `encode` says of an action that is not sure: how probable each class is.

        Args:
            buttons: [..., K], the probability that each is held, independent of the others.
            bins: [..., A, Q], the distribution over each axis' bins, independent too.

        Returns float32 [..., J] and [..., C], each summing to 1; the camera's is that of the ticks
        in which it moves. C is 0 where the spec has no axes.
        """
        p = np.clip(np.asarray(buttons, np.float64), 0, 1)
        shape = p.shape[:-1]
        joint = np.ones((*shape, 1))
        for members, last in zip(self._groups, self._keeps_last, strict=True):
            joint = _outer(joint, _group_states(p[..., members], last=last))
        camera = np.zeros((*shape, 0))
        if self.spec.axes:
            camera = np.ones((*shape, 1))
            for axis, count in enumerate(self.spec.num_bins):
                own = np.asarray(bins[..., axis, :count], np.float64)
                total = own.sum(-1, keepdims=True)
                sure_rest = np.eye(count)[self._null_bins[axis]]  # where a tick has no label
                own = np.where(total > 0, own / np.where(total > 0, total, 1), sure_rest)
                camera = _outer(camera, own)
            still = camera[..., self.null_camera, None].copy()
            joint = _outer(joint, np.concatenate([still, 1 - still], axis=-1))
            camera[..., self.null_camera] = 0
            moving = 1 - still
            # Where it surely rests its class is never asked for: any will do.
            rest = np.eye(self.num_camera)[self.null_camera]
            camera = np.where(moving > 0, camera / np.where(moving > 0, moving, 1), rest)
        alone = []
        others = np.ones((*shape, 1))
        for one in self._solo:  # the first one listed wins, and silences everything else
            alone.append(others * p[..., one, None])
            others = others * (1 - p[..., one, None])
        joint = np.concatenate([joint * others, *alone], axis=-1)
        return joint.astype(np.float32), camera.astype(np.float32)

    def camera_on(self, joint: ArrayLike) -> NDArray[np.bool_]:
        """Return whether the camera's class, its loss and its sample, counts under each action.

        Of joint actions [...] it is bool [...].
        """
        return self.camera_on_table[np.asarray(joint, np.int64)]


def _group_states(p: NDArray[np.float64], *, last: bool) -> NDArray[np.float64]:
    """The distribution over a group's states, [..., members + 1], of members held with `p`.

    State 0 is that none is held. Of several that are, the last one counts, or none does.
    """
    free = 1 - p
    states = []
    for member in range(p.shape[-1]):
        others = free[..., member + 1 :] if last else np.delete(free, member, axis=-1)
        states.append(p[..., member] * others.prod(-1))
    found = np.stack(states, axis=-1)
    return np.concatenate([1 - found.sum(-1, keepdims=True).clip(0, 1), found], axis=-1)


def _outer(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distribution over pairs, the second's classes running fastest: [..., n * m]."""
    product = first[..., :, None] * second[..., None, :]
    return product.reshape(*first.shape[:-1], -1)
