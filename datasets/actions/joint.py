"""The policy's action space: a categorical over button combinations, and one a group of axes.

Joint action = mixed-radix number of the groups' states (0 = none held, i = the i-th member), in the
spec's order, its last digit the camera meta-action (1 where the camera moves at all); behind the
product come the solo buttons. Camera = mixed-radix number of the axes' bins. With VPT's Minecraft
spec these are its 8,641 and 121 classes (`lib/action_mapping.py` of the published code), index for
index.

Sticks, triggers, wheel and pointer are further groups of axes, each with classes of its own, so
that two sticks do not multiply. They always count: no digit of the joint action says whether they
move. What all groups do is one number again, whose digits are their classes, so that an action is a
pair of numbers whatever the spec has.

Shapes: K buttons, A axes, J joint actions, G groups of axes, C their classes one after the other.
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
MAX_NUMBER = 1 << 62  # of what all groups of axes do together: it has to fit into an int64


class JointActions:
    """Conversions between factored and joint actions, vectorized, and the tables behind them.

    Attributes:
        num_joint: J.
        num_camera: in how many ways the axes can stand, all groups together: the product of
            `group_sizes`; 0 where the spec has no axes.
        axis_groups: the axes of each group, by index, the camera's first.
        group_sizes: how many classes each group has: C is their sum.
        has_camera: whether the first group is the camera, which counts only where it moves.
        null: the joint action that does nothing.
        null_camera: the number of all axes at rest (0 where there is none).
        buttons_table: uint8 [J, K], the buttons of each joint action.
        states_table: int64 [J, groups of buttons], the state of each one, and as a last column, if
            there is a camera, whether it moves. A solo button has no state: all are 0.
        camera_on_table: bool [J], whether the camera's class counts under each joint action.
        bins_tables: for each group int64 [its classes, its axes]: the bins of each class.
    """

    def __init__(self, spec: ActionSpec):
        self.spec = spec
        index = {name: k for k, name in enumerate(spec.button_names)}
        self._groups = [np.array([index[m] for m in group.members]) for group in spec.groups]
        self._keeps_last = [group.conflict == "last" for group in spec.groups]
        self._solo = np.array([index[name] for name in spec.solo], np.int64)
        self.has_camera = spec.has_camera
        self.axis_groups = spec.grouped_axes
        digits = [len(group) + 1 for group in self._groups] + ([2] if self.has_camera else [])
        product = math.prod(digits)
        self.num_joint = product + len(self._solo)
        if self.num_joint > MAX_JOINT:
            raise SpecError(
                f"action spec {spec.name!r} has {self.num_joint:,} joint actions, at most "
                f"{MAX_JOINT:,} are supported: "
                "put buttons that are not used together into one group"
            )
        self._group_bins = [tuple(spec.num_bins[a] for a in group) for group in self.axis_groups]
        self.group_sizes = tuple(math.prod(bins) for bins in self._group_bins)
        self.num_camera = math.prod(self.group_sizes) if spec.axes else 0
        widest = max(
            (n * sum(bins) for n, bins in zip(self.group_sizes, self._group_bins, strict=True)),
            default=0,
        )
        if max(self.num_joint * spec.num_buttons, widest) > MAX_TABLE:
            raise SpecError(
                f"action spec {spec.name!r} has {self.num_joint:,} joint actions of "
                f"{spec.num_buttons} buttons and {max(self.group_sizes, default=0):,} classes of "
                f"the bins of axes that move together: more than fit in memory; take fewer"
            )
        if self.num_camera > MAX_NUMBER:
            raise SpecError(
                f"action spec {spec.name!r}: its {spec.num_axes} axes stand in "
                f"{float(self.num_camera):.1e} ways, at most {float(MAX_NUMBER):.1e} are "
                "supported; take fewer bins"
            )
        self._strides = [math.prod(digits[i + 1 :]) for i in range(len(digits))]
        self.group_strides = tuple(
            math.prod(self.group_sizes[g + 1 :]) for g in range(len(self.group_sizes))
        )
        self._product = product
        self.null = 0
        self._null_bins = np.array([axis.quantiser.null_bin for axis in spec.axes], np.int64)
        self._null_classes = [
            int(np.ravel_multi_index(tuple(self._null_bins[list(group)]), bins))
            for group, bins in zip(self.axis_groups, self._group_bins, strict=True)
        ]
        self.null_camera = sum(
            n * stride for n, stride in zip(self._null_classes, self.group_strides, strict=True)
        )
        self.states_table = np.zeros((self.num_joint, len(digits)), np.int64)
        joint = np.arange(product)[:, None]
        self.states_table[:product] = joint // np.array(self._strides) % np.array(digits)
        self.buttons_table, self.camera_on_table = self._tables()
        self.bins_tables = [
            np.stack(np.unravel_index(np.arange(math.prod(bins)), bins), -1).astype(np.int64)
            for bins in self._group_bins
        ]

    def _tables(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        buttons = np.zeros((self.num_joint, self.spec.num_buttons), np.uint8)
        for members, state in zip(self._groups, self.states_table.T, strict=False):
            held = np.nonzero(state)[0]
            buttons[held, members[state[held] - 1]] = 1
        buttons[self._product + np.arange(len(self._solo)), self._solo] = 1
        still = np.zeros(self.num_joint, bool)
        return buttons, self.states_table[:, -1] == 1 if self.has_camera else still

    def encode(
        self, buttons: ArrayLike, camera_bins: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Convert buttons [..., K] (0 or 1) and bins [..., A] to (joint, camera), int64 [...].

        What excludes each other is resolved by the groups' rules; a solo button silences the other
        buttons and the camera, the first one listed wins. Where the camera does not move its class
        is that of rest.
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
        camera = np.zeros(shape, np.int64)
        moves = np.zeros(shape, bool)
        stands = np.asarray(camera_bins)
        for g, group in enumerate(self.axis_groups):
            bins = tuple(np.moveaxis(stands[..., list(group)], -1, 0))  # of [...] each
            own = np.asarray(np.ravel_multi_index(bins, self._group_bins[g]))
            if g == 0 and self.has_camera:
                moves = own != self._null_classes[0]
                joint += moves  # the meta-action is the last digit, its stride 1
            camera += own * self.group_strides[g]
        for i in reversed(range(len(self._solo))):
            alone = held[..., self._solo[i]]
            joint = np.where(alone, self._product + i, joint)
        if self.has_camera:
            stays = moves & ~self.camera_on_table[joint]  # a solo button silenced it
            rest = self._null_classes[0] * self.group_strides[0]
            camera = np.where(stays, camera % self.group_strides[0] + rest, camera)
        return joint, camera.astype(np.int64)

    def split(self, camera: ArrayLike) -> NDArray[np.int64]:
        """Convert what the axes do, [...], to the class of each group, int64 [..., G]."""
        index = np.asarray(camera, np.int64)[..., None]
        return (
            index // np.array(self.group_strides, np.int64) % np.array(self.group_sizes, np.int64)
        )

    def resting(self, joint: ArrayLike, camera: ArrayLike) -> NDArray[np.bool_]:
        """Return where nothing is done, bool [...]; a pointer's place is nothing that is done."""
        idle = np.asarray(joint) == self.null
        classes = self.split(camera)
        for g, group in enumerate(self.axis_groups[self.has_camera :], int(self.has_camera)):
            if all(self.spec.axes[a].rests for a in group):
                idle = idle & (classes[..., g] == self._null_classes[g])
        return np.asarray(idle)

    def decode(
        self, joint: ArrayLike, camera: ArrayLike | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Convert (joint, camera), both [...], to buttons uint8 [..., K] and bins int64 [..., A].

        Where the camera meta-action is off the bins are those of no motion, whatever `camera` says.
        """
        index = np.asarray(joint, np.int64)
        buttons = self.buttons_table[index]
        bins = np.zeros((*index.shape, self.spec.num_axes), np.int64)
        if not self.spec.axes:
            return buttons, bins
        classes = self.split(np.asarray(camera, np.int64))
        for g, group in enumerate(self.axis_groups):
            own = self.bins_tables[g][classes[..., g]]
            if g == 0 and self.has_camera:
                on = self.camera_on_table[index][..., None]
                own = np.where(on, own, self._null_bins[list(group)])
            bins[..., list(group)] = own
        return buttons, bins

    def distributions(
        self, buttons: NDArray[np.floating], bins: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What `encode` says of an action that is not sure: how probable each class is.

        Args:
            buttons: [..., K], the probability that each is held, independent of the others.
            bins: [..., A, Q], the distribution over each axis' bins, independent too.

        Returns float32 [..., J], which sums to 1, and [..., C], of which the classes of each group
        do; the camera's are those of the ticks in which it moves. C is 0 without axes.
        """
        p = np.clip(np.asarray(buttons, np.float64), 0, 1)
        shape = p.shape[:-1]
        joint = np.ones((*shape, 1))
        for members, last in zip(self._groups, self._keeps_last, strict=True):
            joint = _outer(joint, _group_states(p[..., members], last=last))
        groups = [self._group_classes(bins, g) for g in range(len(self.axis_groups))]
        if self.has_camera:
            camera, rest = groups[0], self._null_classes[0]
            still = camera[..., rest, None].copy()
            joint = _outer(joint, np.concatenate([still, 1 - still], axis=-1))
            camera[..., rest] = 0
            moving = 1 - still
            # Where it surely rests its class is never asked for: any will do.
            resting = np.eye(self.group_sizes[0])[rest]
            groups[0] = np.where(moving > 0, camera / np.where(moving > 0, moving, 1), resting)
        camera = np.concatenate([np.zeros((*shape, 0)), *groups], axis=-1)
        alone = []
        others = np.ones((*shape, 1))
        for one in self._solo:  # the first one listed wins, and silences everything else
            alone.append(others * p[..., one, None])
            others = others * (1 - p[..., one, None])
        joint = np.concatenate([joint * others, *alone], axis=-1)
        return joint.astype(np.float32), camera.astype(np.float32)

    def _group_classes(self, bins: NDArray[np.floating], group: int) -> NDArray[np.float64]:
        """The distribution over a group's classes, [..., classes], of its axes' over their bins."""
        found = np.ones((*bins.shape[:-2], 1))
        for axis in self.axis_groups[group]:
            count = self.spec.num_bins[axis]
            own = np.asarray(bins[..., axis, :count], np.float64)
            total = own.sum(-1, keepdims=True)
            sure_rest = np.eye(count)[self._null_bins[axis]]  # where a tick has no label
            own = np.where(total > 0, own / np.where(total > 0, total, 1), sure_rest)
            found = _outer(found, own)
        return found

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
