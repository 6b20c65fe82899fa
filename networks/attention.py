"""VPT's transformer block, with two ways of looking in time.

B batch, T frames, D width, G heads, E = D/G width of a head, M memory, S = M + T keys

- `mask="none"` (the IDM): every frame of a window sees every other; `present` hides frames that do
  not exist.
- `mask="clipped_causal"` (policies): every frame sees itself and the M - 1 frames before it,
  whatever the lengths of the chunks in which they come. Keys and values of the last M frames are
  carried from chunk to chunk, without gradient. A frame that starts an episode (`first`) hides
  everything before it. Frames behind a row's last one that exists (`present`) do not come into the
  memory.

VPT's arithmetic, needed to load its weights: the residual of the attention starts from LN(x), not
from x; logits are scaled by 1/E, not 1/sqrt(E); queries have a bias, keys and values none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from .trunk import normed_linear, scale_rows_

MASKS = ("none", "clipped_causal")
RELATIVE_BASIS = 10  # basis functions of the relative bias, as in VPT


class Memory(NamedTuple):
    """What one block carries from chunk to chunk."""

    keys: Tensor
    """float [B, M, D]: the keys of the last M frames."""
    values: Tensor
    """float [B, M, D]."""
    alive: Tensor
    """bool [B, M]: whether that frame exists and belongs to the running episode."""

    def detached(self) -> Memory:
        return Memory(self.keys.detach(), self.values.detach(), self.alive)


def mapped_memory(
    memory: Sequence[Sequence[Tensor]], change: Callable[[Tensor], Tensor]
) -> list[Memory]:
    """The memory of all blocks with every tensor changed: some rows of it, say, or another device.

    Args:
        memory: of each block a `Memory`, or its parts in their order, as a snapshot holds them.
    """
    return [Memory(*map(change, block)) for block in memory]


def joined_memory(memories: Sequence[Sequence[Memory]]) -> list[Memory]:
    """Memories of several groups of rows as one, row after row; that of one group as it is."""
    if len(memories) == 1:
        return list(memories[0])
    return [
        Memory(*(torch.cat(parts) for parts in zip(*block, strict=True)))
        for block in zip(*memories, strict=True)
    ]


class Attention(nn.Module):
    """Multi-head self-attention; returns x + attention(x).

    Args:
        width: D. heads: G. mask: see above. memory: M, how many frames back a frame sees, itself
            included.
        relative: adds VPT's learned bias by distance in time (only with `clipped_causal`).
    """

    def __init__(
        self, width: int, heads: int, *, mask: str = "none", memory: int = 0, relative: bool = True
    ):
        super().__init__()
        if mask not in MASKS:
            raise ConfigError(f"mask must be one of {MASKS}, got {mask!r}")
        if width % heads:
            raise ConfigError(f"width ({width}) must be a multiple of heads ({heads})")
        if (mask == "clipped_causal") != (memory > 0):
            raise ConfigError(
                "memory must be positive with clipped_causal and 0 with none, "
                f"got {memory} with {mask}"
            )
        self.width, self.heads, self.mask, self.memory = width, heads, mask, memory
        self.q_layer = nn.Linear(width, width)
        self.k_layer = nn.Linear(width, width, bias=False)
        self.v_layer = nn.Linear(width, width, bias=False)
        self.proj_layer = nn.Linear(width, width)
        for layer in (self.q_layer, self.k_layer, self.v_layer, self.proj_layer):
            scale_rows_(layer.weight, 1.0)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.relative = relative and mask == "clipped_causal"
        if self.relative:
            self.r_layer = nn.Linear(width, RELATIVE_BASIS * heads)
            scale_rows_(self.r_layer.weight, 1.0)
            nn.init.zeros_(self.r_layer.bias)
            self.b_nd = nn.Parameter(torch.empty(RELATIVE_BASIS, memory))
            if not self.b_nd.is_meta:  # as in scale_rows_
                nn.init.normal_(self.b_nd, std=RELATIVE_BASIS**-0.5)

    def forward(
        self,
        x: Tensor,
        *,
        first: Tensor | None = None,
        memory: Memory | None = None,
        present: Tensor | None = None,
    ) -> tuple[Tensor, Memory | None]:
        """
        Args:
            x: [B, T, D].
            first: bool [B, T], starts of episodes; only with `clipped_causal`.
            memory: what the previous chunk returned, or None at the start; only with
                `clipped_causal`.
            present: bool [B, T], frames that exist, all of them by default; with `clipped_causal`
                they are the first ones of each row (or none).

        Returns [B, T, D] and the new memory (None with mask `none`). What it returns for absent
        frames is finite and means nothing.
        """
        query, key, value = self.q_layer(x), self.k_layer(x), self.v_layer(x)  # (B, T, D)
        if self.mask == "none":
            if present is not None:
                # A window of padding only sees itself: a softmax over nothing is no number.
                present = present | ~present.any(1, keepdim=True)  # (B, T)
            bias = None if present is None else present[:, None, None, :]  # (B, 1, 1, T)
            return x + self._attend(query, key, value, bias), None
        if memory is None:
            memory = empty_memory(x.shape[0], self.memory, self.width, key.device, key.dtype)
        keys = torch.cat([memory.keys.to(key.dtype), key], dim=1)  # (B, S, D)
        values = torch.cat([memory.values.to(value.dtype), value], dim=1)  # (B, S, D)
        if first is not None and present is not None:
            first = first & present  # an absent frame begins nothing
        visible, alive = causal_visibility(memory.alive, first, x.shape[1])  # (B, T, S), (B, S)
        bias = visible[:, None]  # (B, 1, T, S)
        if self.relative:
            relative = self._relative_bias(x, keys.shape[1])
            bias = relative.masked_fill(~bias, float("-inf"))  # (B, G, T, S)
        out = x + self._attend(query, keys, values, bias)
        keys, values, alive = (self._carried(part, present) for part in (keys, values, alive))
        # A mask hides numbers, but not infinite ones (0 * inf is no number): what is dead is 0.
        dead = ~alive[..., None]
        carried = Memory(keys.masked_fill(dead, 0), values.masked_fill(dead, 0), alive)
        return out, carried.detached()

    def _carried(self, part: Tensor, present: Tensor | None) -> Tensor:
        """The M entries up to the last frame that exists: [B, S, …] ► [B, M, …]."""
        if present is None:
            return part[:, -self.memory :]
        places = torch.arange(self.memory, device=part.device)
        last = present.sum(1, keepdim=True) + places  # (B, M)
        return part[torch.arange(len(part), device=part.device)[:, None], last]

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        query, key, value = (self._split(part) for part in (query, key, value))  # (B, G, T or S, E)
        if bias is not None and bias.dtype != torch.bool:
            bias = bias.to(query.dtype)
        out = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, scale=1.0 / query.shape[-1]
        )
        return self.proj_layer(out.transpose(1, 2).flatten(2))  # (B, T, D)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, G, T, E)

    def _relative_bias(self, x: Tensor, keys: int) -> Tensor:
        """A learned function of the distance in time, scaled by what the frame asks for.

        Returns [B, G, T, S].
        """
        frames = x.shape[1]
        wanted = self.r_layer(x).unflatten(-1, (self.heads, RELATIVE_BASIS))
        wanted = wanted.transpose(1, 2)  # (B, G, T, basis)
        by_distance = wanted.float() @ self.b_nd.float()  # (B, G, T, M): the bias at each distance
        distance = _distance(frames, keys, x.device).clamp(0, self.memory - 1)  # (T, S)
        return by_distance.gather(-1, distance.expand(*by_distance.shape[:2], frames, keys))


class TransformerBlock(nn.Module):
    """h = LN(x); h = h + attention(h); x = h + mlp(h).

    Args:
        ratio: width of the MLP's hidden layer over D (VPT: 4).
        depth_scale: the scale of the block's branches at the start; 1/sqrt(number of blocks) keeps
            the sum of them at the scale of one.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        mask: str = "none",
        memory: int = 0,
        relative: bool = True,
        ratio: int = 4,
        depth_scale: float = 1.0,
    ):
        super().__init__()
        self.pre_r_ln = nn.LayerNorm(width)
        self.attention = Attention(width, heads, mask=mask, memory=memory, relative=relative)
        scale_rows_(self.attention.proj_layer.weight, depth_scale)
        self.mlp0 = normed_linear(width, ratio * width)
        self.mlp1 = nn.Linear(ratio * width, width)
        scale_rows_(self.mlp1.weight, depth_scale)
        nn.init.zeros_(self.mlp1.bias)

    def forward(
        self,
        x: Tensor,
        *,
        first: Tensor | None = None,
        memory: Memory | None = None,
        present: Tensor | None = None,
    ) -> tuple[Tensor, Memory | None]:
        """The same as `Attention.forward`, through the whole block."""
        x, memory = self.attention(self.pre_r_ln(x), first=first, memory=memory, present=present)
        return x + self.mlp1(self.mlp0(x)), memory


class TransformerStack(nn.Module):
    """Blocks one after the other; the memory is a list, one entry per block."""

    def __init__(
        self,
        blocks: int,
        width: int,
        heads: int,
        *,
        mask: str = "none",
        memory: int = 0,
        ratio: int = 4,
    ):
        super().__init__()
        self.width, self.memory = width, memory
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width, heads, mask=mask, memory=memory, ratio=ratio, depth_scale=blocks**-0.5
            )
            for _ in range(blocks)
        )

    def forward(
        self,
        x: Tensor,
        *,
        first: Tensor | None = None,
        memory: list[Memory] | None = None,
        present: Tensor | None = None,
    ) -> tuple[Tensor, list[Memory]]:
        """[B, T, D] ► [B, T, D] and the new memories (an empty list with mask `none`)."""
        carried: list[Memory] = []
        for index, block in enumerate(self.blocks):
            x, new = block(
                x, first=first, memory=memory[index] if memory else None, present=present
            )
            if new is not None:
                carried.append(new)
        return x, carried

    def initial_memory(self, batch: int, like: Tensor) -> list[Memory]:
        """Memories with nothing in them, of the device and dtype of `like`."""
        return [
            empty_memory(batch, self.memory, self.width, like.device, like.dtype)
            for _ in self.blocks
        ]


def empty_memory(
    batch: int, memory: int, width: int, device: torch.device, dtype: torch.dtype
) -> Memory:
    """A memory with nothing in it."""
    empty = torch.zeros(batch, memory, width, device=device, dtype=dtype)
    return Memory(empty, empty, torch.zeros(batch, memory, dtype=torch.bool, device=device))


def causal_visibility(
    remembered: Tensor, first: Tensor | None, frames: int
) -> tuple[Tensor, Tensor]:
    """Which frame sees which.

    Args:
        remembered: bool [B, M], the memory's `alive`.
        first: bool [B, T] or None.
        frames: T.

    Returns bool [B, T, S] (frame t sees key s) and bool [B, S] (key s belongs to the episode that
    runs at the end).
    """
    batch, memory = remembered.shape
    device = remembered.device
    if first is None:
        first = torch.zeros(batch, frames, dtype=torch.bool, device=device)
    episode = first.long().cumsum(1)  # (B, T): 0 for the episode that the memory belongs to
    key_episode = torch.cat([torch.where(remembered, 0, -1), episode], dim=1)  # (B, S)
    distance = _distance(frames, memory + frames, device)  # (T, S)
    inside = (distance >= 0) & (distance < memory)  # (T, S)
    visible = inside[None] & (key_episode[:, None, :] == episode[:, :, None])  # (B, T, S)
    return visible, key_episode == episode[:, -1:]


def _distance(frames: int, keys: int, device: torch.device) -> Tensor:
    """How many frames a key lies before a query (the last is the last key): int [T, S]."""
    query = torch.arange(keys - frames, keys, device=device)
    return query[:, None] - torch.arange(keys, device=device)[None, :]
