"""Chunks, single steps and whole sequences agree; starts of episodes and padding hide what they
should.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vidact.errors import ConfigError
from vidact.networks.attention import (
    Attention,
    TransformerBlock,
    TransformerStack,
    causal_visibility,
)


def stack(blocks=2, memory=5):
    torch.manual_seed(0)
    return TransformerStack(blocks, 16, 2, mask="clipped_causal", memory=memory, ratio=2).eval()


def test_visibility_is_the_last_m_frames_of_the_same_episode():
    first = torch.tensor([[False, False, True, False]])
    visible, alive = causal_visibility(torch.tensor([[False, True, True]]), first, 4)
    # Columns: 3 remembered frames (the oldest empty), then frames 0..3. M = 3, so itself and two
    # before.
    assert visible[0].int().tolist() == [
        [0, 1, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, 1],
    ]
    assert alive[0].int().tolist() == [0, 0, 0, 0, 0, 1, 1]


@settings(max_examples=30)
@given(
    cuts=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    starts=st.lists(st.booleans(), min_size=30, max_size=30),
    memory=st.integers(1, 7),
)
def test_chunks_agree_with_the_whole_sequence(cuts, starts, memory):
    model, frames = stack(memory=memory), sum(cuts)
    x = torch.randn(2, frames, 16, generator=torch.Generator().manual_seed(1))
    first = torch.tensor([starts[:frames], starts[::-1][:frames]])
    whole, _ = model(x, first=first)
    state, parts, at = None, [], 0
    for length in cuts:
        part, state = model(x[:, at : at + length], first=first[:, at : at + length], memory=state)
        parts.append(part)
        at += length
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)


def test_padding_does_not_come_into_the_memory():
    model = stack(memory=5)
    x = torch.randn(3, 12, 16, generator=torch.Generator().manual_seed(1))
    first = torch.zeros(3, 12, dtype=torch.bool)
    first[1, 6] = True
    whole, end = model(x, first=first)
    # Row 0 comes in chunks of 4, 3 and 5 frames, row 1 of 4, 4 and 4; row 2 has nothing in the
    # second chunk.
    cuts = [[0, 4, 7, 12], [0, 4, 8, 12], [0, 8, 8, 12]]
    state, parts = None, [[], [], []]
    for chunk in range(3):
        begin, until = ([cut[chunk + i] for cut in cuts] for i in range(2))
        ticks = [b - a for a, b in zip(begin, until, strict=True)]
        padded, starts = (
            torch.full((3, 8, 16), 9.0),
            torch.ones(3, 8, dtype=torch.bool),
        )  # of what must not matter
        for row in range(3):
            padded[row, : ticks[row]] = x[row, begin[row] : until[row]]
            starts[row, : ticks[row]] = first[row, begin[row] : until[row]]
        present = torch.arange(8) < torch.tensor(ticks)[:, None]
        out, state = model(padded, first=starts, memory=state, present=present)
        assert torch.isfinite(out).all()
        for row in range(3):
            parts[row].append(out[row, : ticks[row]])
    for row in range(3):
        torch.testing.assert_close(torch.cat(parts[row]), whole[row], rtol=1e-5, atol=1e-5)
    for got, expected in zip(state, end, strict=True):
        assert torch.equal(got.alive, expected.alive)
        torch.testing.assert_close(got.keys, expected.keys, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(got.values, expected.values, rtol=1e-5, atol=1e-5)


def test_a_row_without_frames_leaves_the_memory_as_it_is():
    model, nothing = stack(memory=3), torch.zeros(2, 4, dtype=torch.bool)
    x = torch.randn(2, 4, 16)
    out, empty = model(x, present=nothing)
    assert torch.isfinite(out).all()
    assert not any(block.alive.any() for block in empty)
    _, before = model(x)
    _, after = model(torch.randn(2, 4, 16), memory=before, present=nothing)
    assert all(
        torch.equal(a, b)
        for old, new in zip(before, after, strict=True)
        for a, b in zip(old, new, strict=True)
    )


def test_a_frame_reaches_exactly_m_frames_in_one_block():
    model = stack(blocks=1, memory=4)
    x = torch.randn(1, 10, 16)
    changed = x.clone()
    changed[:, 2] = torch.randn(16)  # not a shift: that is what LayerNorm takes away
    difference = (model(x)[0] - model(changed)[0]).abs().sum(-1)[0] > 1e-6
    assert difference.tolist() == [t in (2, 3, 4, 5) for t in range(10)]


def test_no_gradient_flows_into_the_memory():
    model = stack(memory=3)
    x = torch.randn(1, 3, 16, requires_grad=True)
    _, memory = model(x)
    out, _ = model(torch.randn(1, 2, 16), memory=memory)
    out.sum().backward()
    assert x.grad is None


def test_padding_changes_nothing_without_mask():
    torch.manual_seed(0)
    block = TransformerBlock(16, 2)
    x = torch.randn(1, 6, 16)
    present = torch.tensor([[True, True, True, True, False, False]])
    torch.testing.assert_close(block(x, present=present)[0][:, :4], block(x[:, :4])[0])
    assert torch.isfinite(block(x, present=torch.zeros(1, 6, dtype=torch.bool))[0]).all()


def test_residual_starts_from_the_normed_input():
    block = TransformerBlock(8, 2)
    with torch.no_grad():
        for layer in (block.attention.proj_layer, block.mlp1):
            layer.weight.zero_()
            layer.bias.zero_()
    x = 5 + 3 * torch.randn(1, 4, 8)
    torch.testing.assert_close(block(x)[0], block.pre_r_ln(x))


def test_attention_by_hand():
    """One head of width 2, logits scaled by 1/2 (not 1/sqrt 2)."""
    attention = Attention(2, 1)
    with torch.no_grad():
        for layer in (
            attention.q_layer,
            attention.k_layer,
            attention.v_layer,
            attention.proj_layer,
        ):
            layer.weight.copy_(torch.eye(2))
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    weights = torch.softmax(torch.tensor([[0.5, 0.0], [0.0, 2.0]]), dim=-1)
    torch.testing.assert_close(attention(x)[0][0], x[0] + weights @ x[0])


def test_wrong_options_are_refused():
    with pytest.raises(ConfigError, match="multiple of heads"):
        Attention(10, 3)
    with pytest.raises(ConfigError, match="memory must be positive"):
        Attention(8, 2, mask="clipped_causal")
    with pytest.raises(ConfigError, match="mask must be one of"):
        Attention(8, 2, mask="causal")


def test_what_is_dead_in_the_memory_is_zero():
    """A frame that was no number cannot poison the episodes after it."""
    attention = Attention(8, 2, mask="clipped_causal", memory=4)
    x, first = torch.randn(1, 3, 8), torch.tensor([[False, True, False]])
    x[0, 0] = float("nan")
    _, memory = attention(x, first=first)
    assert memory.alive.tolist() == [[False, False, True, True]]
    assert torch.equal(memory.keys[:, :2], torch.zeros(1, 2, 8))
    out, _ = attention(torch.randn(1, 3, 8), memory=memory)
    assert torch.isfinite(out).all()
