"""What a filter of clean frames is made of: cells, made-up dirt, weights that only fall."""

from __future__ import annotations

import numpy as np
import pytest
from vidact.pipeline.filtering.cell_pixels import cell_pixels
from vidact.pipeline.filtering.clean_model import CellScore, CleanModel, CleanSpace, ordered
from vidact.pipeline.filtering.fit_cells import covered, fit_cell_score, fit_space
from vidact.pipeline.filtering.fitting import Fitted, Judgments, Painted, fit_model
from vidact.pipeline.filtering.made_up_dirt import PATCHES, marks, painted_over

CELLS, SIZE = 4, 3


def test_a_cell_says_its_colors_and_its_edges() -> None:
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[0] = (255, 0, 0)
    frames[1, 8:16, 20] = 255  # a white line in a cell of the second row
    found = cell_pixels(frames, 4)
    assert found.shape == (2, 32, 4, 4)
    own = found[:, :16]
    flat = np.array([1, 0, 0, 1, 0, 0, 0, 0, 0, 1 / 3, 1, 0, 0, 0, 0, -1 / 3])
    assert np.allclose(own[0, :, 1, 2], flat, atol=1e-6)
    colors, vivid, lowest = own[1, :3, 1, 2], own[1, 3, 1, 2], own[1, 4, 1, 2]
    assert np.allclose([*colors, vivid, lowest], [1 / 8, 1 / 8, 1 / 8, 0, np.sqrt(1 / 8)])
    assert own[1, 9:16, 1, 2].tolist() == [1, 0, 1, 1, 1, 2, 0]  # `across`, `down`, `thin` are last
    assert not own[1, :15, 3, 3].any()
    assert found[1, 16, 0, 1] == pytest.approx(1 / 8 / 9)  # the line lies in a neighbor


def test_a_size_that_cells_do_not_divide_is_looked_at_too() -> None:
    assert cell_pixels(np.full((1, 30, 50, 3), 99, np.uint8), 4).shape == (1, 32, 4, 4)


def test_the_strangest_cells_are_averaged() -> None:
    scores = np.array([[3.0, 1.0, 5.0, 0.0, -1.0]], np.float32)
    assert ordered(scores)[0].tolist() == pytest.approx([5, 4, 9 / 4, *5 * [8 / 5]])
    assert ordered(scores[:, :1])[0].tolist() == 8 * [3.0]  # a network that sees the whole at once


def test_clean_play_lies_at_no_deviation() -> None:
    draw = np.random.default_rng(0)
    mixed = np.array([[2.0, 0, 0], [1, 0.1, 0], [0, 0, 30]])
    clean = (draw.standard_normal((4000, CELLS, SIZE)) @ mixed + 7).astype(np.float32)
    found = fit_space(clean).deviations(clean)
    assert np.allclose(found[..., :SIZE].mean(0), 0, atol=1e-3)
    assert np.allclose(np.cov(found[:, 0, :SIZE], rowvar=False), np.eye(SIZE), atol=0.1)
    few = fit_space(clean[:4]).deviations(clean)  # fewer than there are directions
    assert np.isfinite(few).all()


def test_one_network_says_of_all_cells_what_dirt_is() -> None:
    draw = np.random.default_rng(0)
    clean = draw.standard_normal((2000, SIZE + 1)).astype(np.float32)
    dirty = clean + np.array([3, 0, 0, 0], np.float32)
    score = fit_cell_score(dirty, clean, seed=1)
    assert (score(dirty) > 0).mean() > 0.85  # at best 0.93: both overlap
    assert (score(clean) > 0).mean() < 0.15
    again = fit_cell_score(dirty, clean, seed=1)
    assert np.array_equal(again.hidden_weights, score.hidden_weights)
    assert covered(dirty[None], clean[None]).all()
    assert not covered(clean[None], clean[None]).any()


def fitted_to(labeled: np.ndarray, painted: np.ndarray) -> Fitted:
    model = CleanModel(
        space=CleanSpace(
            means=np.zeros((CELLS, SIZE), np.float32),
            factors=np.zeros((CELLS, SIZE, SIZE), np.float32),
        ),
        cell_score=CellScore(
            hidden_weights=np.zeros((SIZE + 1, 2), np.float32),
            hidden_biases=np.zeros(2, np.float32),
            weights=np.zeros(2, np.float32),
            bias=np.zeros(1, np.float32),
        ),
        coefficients=np.zeros(8),
        intercept=np.zeros(1),
        slope=np.array([1.0, 0.0]),
        reason_coefficients=np.zeros((0, 8 + CELLS)),
        reason_intercepts=np.zeros(0),
    )
    return Fitted(model=model, labeled=labeled, painted=painted)


def test_what_is_stranger_is_never_cleaner_and_a_kind_can_be_left_out() -> None:
    draw = np.random.default_rng(0)
    labeled = draw.standard_normal((60, 8))
    labeled[:30, 1] += 4  # clean frames are strange in a way that labels would teach to be good
    labeled[30:45, 0] += 4  # logos
    judged = Judgments(
        clean=np.arange(60) < 30,
        videos=np.array(60 * ["a"]),
        reasons=[*30 * [""], *15 * ["logo"], *15 * ["chat"]],
    )
    painted = draw.standard_normal((20, 8))
    painted[:, 2] += 4
    fitted = fitted_to(labeled, painted)
    found = fit_model(fitted, judged, regularization=1.0)
    assert (found.coefficients <= 0).all()
    assert found.coefficients[1] == 0
    assert found.coefficients[0] < -0.1
    assert found.coefficients[2] < -0.1
    without = fit_model(fitted, judged, regularization=1.0, without="logo")
    assert without.coefficients[0] > found.coefficients[0]


def test_painted_frames_go_with_their_own() -> None:
    vectors = np.arange(5, dtype=np.float32).reshape(5, 1, 1)
    found = Painted(vectors=vectors, rows=np.array([0, 0, 2, 3, 3])).take(np.array([0, 3, 4]))
    assert found.rows.tolist() == [0, 0, 1, 1]
    assert found.vectors.ravel().tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize("paint", [*PATCHES, marks])
def test_made_up_dirt_covers_some_of_a_picture(paint: object) -> None:
    assert callable(paint)
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    before = picture.copy()
    shares = []
    for seed in range(20):
        out = paint(picture, np.random.default_rng(seed))
        assert (out.dtype, out.shape) == (np.uint8, picture.shape)
        shares.append(float((out != picture).any(2).mean()))
    assert np.array_equal(picture, before)
    assert 0 < np.median(shares) < 0.7
    assert np.array_equal(out, paint(picture, np.random.default_rng(19)))


def test_tiny_pictures_are_painted_too() -> None:
    for seed in range(50):
        tiny = np.full((16, 16, 3), 80, np.uint8)
        assert painted_over(tiny, np.random.default_rng(seed)).shape == tiny.shape
