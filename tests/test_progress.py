"""What a progress line says."""

from __future__ import annotations

from vidact.progress import Progress


def test_more_than_was_expected_has_no_end_in_sight() -> None:
    """An episode is played to its end: `2,100/141 frames, 0 s left` would tell nobody anything."""
    progress = Progress("Recording", total=100, unit="frames")
    progress.done = 80
    assert "80/100 frames" in progress.line()
    assert progress.line().endswith("left")
    progress.done = 300
    assert "300 frames" in progress.line()
    assert "left" not in progress.line()
