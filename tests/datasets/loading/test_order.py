"""The loader's order: every clip once, nothing depends on ranks, episodes stay in the order of
time.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vidact.datasets.loading.order import (
    EMPTY,
    Items,
    clips_order,
    draws_per_epoch,
    episodes_order,
    permutation,
)


def toy_items(runs_of_datasets):
    """Items of 10 ticks; `runs_of_datasets[d]` lists the lengths of the runs of dataset d."""
    rows = []
    for dataset, lengths in enumerate(runs_of_datasets):
        for run, length in enumerate(lengths):
            rows += [(dataset, run, place * 10, place * 10 + 10) for place in range(length)]
    return Items(*np.array(rows, np.int64).reshape(-1, 4).T)


def counts_of(items, datasets):
    return [int((items.dataset == d).sum()) for d in range(datasets)]


def test_permutation_is_the_same_for_ever():
    assert permutation(8, "seed", 3).tolist() == [5, 7, 6, 3, 4, 1, 2, 0]
    assert permutation(0, "seed").tolist() == []


@pytest.mark.parametrize(
    ("counts", "weights", "expected"),
    [
        ([5, 7], None, [5, 7]),
        ([10, 30], [1, 1], [20, 20]),
        ([1, 1, 1], [1, 1, 2], [1, 1, 1]),
        ([9, 1], [1, 2], [3, 7]),
        ([50, 50, 1], [1000, 1, 1], [99, 1, 1]),
    ],
)
def test_draws_per_epoch(counts, weights, expected):
    assert draws_per_epoch(counts, weights) == expected


runs = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=8), min_size=1, max_size=3)
sizes = st.integers(1, 7)


@settings(max_examples=60)
@given(runs, sizes, st.integers(1, 6), st.booleans(), st.integers(0, 3))
def test_every_clip_once_an_epoch(lengths, batch_size, window_steps, drop_last, epoch):
    items = toy_items(lengths)
    common = {
        "manifest": "m",
        "seed": 0,
        "epoch": epoch,
        "batch_size": batch_size,
        "draws": counts_of(items, len(lengths)),
        "drop_last": drop_last,
    }
    for order in (
        clips_order(items, window_steps=window_steps, **common),
        episodes_order(items, **common),
    ):
        seen = order.items[order.items != EMPTY]
        assert len(seen) == len(set(seen.tolist()))
        if drop_last:
            assert order.items.shape == (len(items) // batch_size, batch_size)
            assert EMPTY not in order.items
        else:
            assert sorted(seen.tolist()) == list(range(len(items)))
            assert len(order.items) == -(-len(items) // batch_size)
            assert EMPTY not in order.items[:-1]  # only the last step has holes
        assert not order.first[order.items == EMPTY].any()


@settings(max_examples=60)
@given(runs, sizes, st.integers(0, 3))
def test_lanes_go_on_exactly_where_first_is_not_set(lengths, batch_size, epoch):
    items = toy_items(lengths)
    order = episodes_order(
        items,
        manifest="m",
        seed=0,
        epoch=epoch,
        batch_size=batch_size,
        draws=counts_of(items, len(lengths)),
        drop_last=True,
    )
    for lane in range(batch_size):
        for step in range(len(order.items)):
            item = order.items[step, lane]
            before = order.items[step - 1, lane] if step else EMPTY
            same = before != EMPTY and before + 1 == item and items.begin[item] == items.end[before]
            same = same and (items.run[item], items.dataset[item]) == (
                items.run[before],
                items.dataset[before],
            )
            assert order.first[step, lane] == (not same)


def test_a_gap_within_an_episode_starts_anew():
    items = Items(*np.array([(0, 0, 0, 10), (0, 0, 10, 20), (0, 0, 30, 40)], np.int64).T)
    order = episodes_order(
        items, manifest="m", seed=0, epoch=0, batch_size=1, draws=[3], drop_last=True
    )
    assert order.items[:, 0].tolist() == [0, 1, 2]
    assert order.first[:, 0].tolist() == [True, False, True]


def test_epochs_and_seeds_differ():
    items = toy_items([[8] * 10])

    def order(**changed):
        options = {
            "manifest": "m",
            "seed": 0,
            "epoch": 0,
            "batch_size": 4,
            "draws": [80],
            "drop_last": True,
        }
        return clips_order(items, window_steps=8, **(options | changed)).items.tolist()

    assert order() == order()
    others = [order(seed=1), order(epoch=1), order(manifest="n")]
    assert all(other != order() for other in others)


def test_a_block_is_read_by_one_row_within_one_window():
    items = toy_items([[8] * 64])
    order = clips_order(
        items,
        manifest="m",
        seed=0,
        epoch=0,
        batch_size=4,
        draws=[512],
        window_steps=32,
        drop_last=True,
    ).items
    users = Counter()
    for window in range(4):
        for row in range(4):
            users.update(set(items.run[order[window * 32 : window * 32 + 32, row]].tolist()))
    assert set(users.values()) == {1}


@pytest.mark.parametrize("kind", ["clips", "episodes"])
def test_weights_hold_and_a_pass_is_finished_before_a_clip_comes_again(kind):
    items = toy_items([[3, 4], [5] * 8])
    draws = draws_per_epoch([7, 40], [3, 1])
    assert draws == [35, 12]
    small: list[int] = []
    for epoch in range(3):
        common = {
            "manifest": "m",
            "seed": 5,
            "epoch": epoch,
            "batch_size": 1,
            "draws": draws,
            "drop_last": True,
        }
        order = (
            clips_order(items, window_steps=8, **common)
            if kind == "clips"
            else episodes_order(items, **common)
        )
        datasets = items.dataset[order.items[:, 0]]
        assert [(datasets == d).sum() for d in range(2)] == draws
        small += order.items[:, 0][datasets == 1].tolist()
    assert max(Counter(small).values()) == 1  # 36 of 40: none twice
