"""The absolute window grid, and labels that do not depend on how a video was cut."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vidact.datasets.actions.mirror import Mirror
from vidact.datasets.actions.spec import ActionSpec
from vidact.idm.labels.calibration import Calibration
from vidact.idm.labels.predict import Predictor
from vidact.idm.labels.windows import (
    STRIDE,
    WINDOW,
    WindowRunner,
    frame_range,
    labelled_by,
    window_of,
)
from vidact.idm.network.model import InverseDynamicsModel

from ..conftest import MICRO, SIZE, toy_play


def test_ticks_and_their_windows() -> None:
    far = (-1000, 1000)
    assert [window_of(t, far) for t in (0, 31, 32, 95, 96, 159, 160)] == [-1, -1, 0, 0, 1, 1, 2]
    # The first and the last window that a stretch needs keep its edges.
    assert [window_of(t, (0, 300)) for t in (0, 31, 95, 96, 223, 224, 299)] == [0, 0, 0, 1, 2, 3, 3]
    assert [window_of(t, (0, 256)) for t in (223, 224, 255)] == [2, 2, 2]
    assert [window_of(t, (70, 90)) for t in (70, 89)] == [1, 1]
    assert [labelled_by(w, (50, 200)) for w in (0, 1, 2)] == [(50, 96), (96, 160), (160, 200)]


def test_frames_needed() -> None:
    # Ticks 64..127 are labelled by windows 0 (64..95) and 1 (96..127): ticks 0 to 191, and a radius
    # of 2 more.
    assert frame_range((64, 128), (0, 1000), 2) == (0, 194)
    assert frame_range((128, 192), (0, 1000), 2) == (62, 258)
    assert frame_range((128, 192), (100, 200), 2) == (100, 200)
    with pytest.raises(ValueError, match="not within their stretch"):
        frame_range((90, 130), (100, 200), 0)


@given(st.integers(0, 100_000), st.integers(0, 5000), st.integers(1, 5000))
def test_every_tick_has_its_context(tick: int, before: int, after: int) -> None:
    stretch = (max(0, tick - before), tick + after)
    window = window_of(tick, stretch)
    first = window * STRIDE
    start, end = labelled_by(window, stretch)
    assert max(start, first) <= tick < min(end, first + WINDOW)
    assert all(
        window_of(t, stretch) == window for t in range(max(start, first), min(end, first + WINDOW))
    )
    assert (
        first + 32 <= tick < first + 96
        or first < stretch[0] + 64
        or first + 64 < stretch[1] <= first + 128
    )
    # Whatever is found out about cuts later, what the window covers was read.
    low, high = frame_range((tick, tick + 1), (0, 1_000_000), 3)
    assert low <= max(0, first - 3)
    assert high >= first + WINDOW + 3


def batches(frames: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for i in range(0, len(frames), size):
        yield frames[i : i + size]


@pytest.fixture(scope="module")
def predictor(toy_spec: ActionSpec) -> Predictor:
    torch.manual_seed(1)
    model = InverseDynamicsModel(MICRO, toy_spec).eval()
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return Predictor(model, toy_spec, Calibration.neutral(toy_spec))


@pytest.mark.parametrize("stretch", [(0, 300), (37, 290)])
def test_labels_are_the_same_bytes_however_the_video_is_cut(
    predictor: Predictor, stretch: tuple[int, int]
) -> None:
    frames = toy_play(300, 3)[0]

    def labels(keep: tuple[int, int], size: int) -> tuple[bytes, ...]:
        start, end = predictor.frame_range(keep, stretch)
        parts = list(
            predictor.predict(
                batches(frames[start:end], size), start=start, stretch=stretch, keep=keep
            )
        )
        assert [part.start for part in parts] == [
            keep[0] + sum(len(p.buttons) for p in parts[:i]) for i in range(len(parts))
        ]
        names = ("buttons", "buttons_prob", "camera", "camera_prob", "confidence")
        return tuple(
            np.concatenate([getattr(part, name) for part in parts]).tobytes() for name in names
        )

    whole = labels(stretch, 64)
    cuts = [stretch[0], 64, 128, 137, 256, stretch[1]]
    pieces = [labels((a, b), 17) for a, b in itertools.pairwise(cuts)]
    assert tuple(b"".join(part) for part in zip(*pieces, strict=True)) == whole


def test_nothing_outside_the_stretch_is_looked_at(predictor: Predictor) -> None:
    frames = toy_play(300, 4)[0]
    stretch = keep = (100, 180)
    one = [
        part.buttons_prob
        for part in predictor.predict([frames], start=0, stretch=stretch, keep=keep)
    ]
    frames = frames.copy()
    frames[:100], frames[180:] = 7, 250
    other = [
        part.buttons_prob
        for part in predictor.predict([frames], start=0, stretch=stretch, keep=keep)
    ]
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))


def test_shared_vectors_equal_the_plain_computation(
    predictor: Predictor, toy_spec: ActionSpec
) -> None:
    frames = toy_play(200, 5)[0]
    model = predictor.model
    padded = np.concatenate(
        [np.zeros((1, SIZE, SIZE, 3), np.uint8), frames, np.zeros((1, SIZE, SIZE, 3), np.uint8)]
    )
    with torch.no_grad():
        features = model.features(torch.from_numpy(padded)[None])
        expected = model.forward_windows(features[:, 64:192], torch.ones(1, 128, dtype=torch.bool))
    windows = list(WindowRunner(model).run([frames], start=0, stretch=(0, 200), keep=(96, 160)))
    assert [window.first_tick for window in windows] == [64]
    np.testing.assert_allclose(windows[0].buttons, expected.buttons[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(windows[0].axes[0], expected.axes[0][0].numpy(), atol=1e-4)


def test_the_mean_over_the_mirror_image_is_the_same_for_a_mirrored_video(
    predictor: Predictor, toy_spec: ActionSpec
) -> None:
    mirror = Mirror.of(toy_spec, axes=toy_spec.axis_names[:1])
    runner = WindowRunner(predictor.model, mirror=mirror)
    frames = toy_play(150, 4)[0]
    mirrored = np.ascontiguousarray(frames[:, :, ::-1])
    one, other = (
        list(runner.run([clip], start=0, stretch=(0, 150), keep=(0, 150)))
        for clip in (frames, mirrored)
    )
    plain = list(
        WindowRunner(predictor.model).run([frames], start=0, stretch=(0, 150), keep=(0, 150))
    )
    for here, there, alone in zip(one, other, plain, strict=True):
        kept = slice(*here.keep)
        assert np.allclose(here.buttons[kept], there.buttons[kept], atol=1e-4)
        assert np.allclose(here.axes[0][kept], there.axes[0][kept, ::-1], atol=1e-4)
        assert not np.allclose(here.axes[0][kept], alone.axes[0][kept], atol=1e-2)


def test_missing_frames_are_an_error(predictor: Predictor) -> None:
    frames = np.zeros((50, SIZE, SIZE, 3), np.uint8)
    with pytest.raises(ValueError, match="frames end at tick 50"):
        list(predictor.predict([frames], start=0, stretch=(0, 100), keep=(0, 100)))
    with pytest.raises(ValueError, match="must begin at tick 0"):
        list(predictor.predict([frames], start=1, stretch=(0, 50), keep=(0, 50)))
