"""Reading sources that may be away for a moment: a bad moment is not a bad video.

What a store or a network disk answers with a failure is asked again with growing pauses. Damage in
a video is believed only when it is found again, and when all its bytes can be read and are those
that were planned: FFmpeg calls an error of the disk the end of the file, or invalid data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ... import storage
from ...datasets.video.decoder import TickReader
from ...datasets.video.sandbox import CHILD_LOST
from ...errors import VideoError
from ...signed_addresses import without_keys
from ...storage_failures import in_words, is_missing, of_a_source, patiently
from .source_files import SourceFile
from .stage_times import StageTimes

UNREACHABLE = "unreachable"  # the reason of their dead letters, which every run tries again
SIGN_S = 5.0  # between signs of life while nothing can be done but wait
Found = TypeVar("Found")
Ticks = tuple[np.ndarray, np.ndarray, VideoError | None]
"""Frames uint8 [n, H, W, 3], pts_ns int64 [n], and why there are no more."""


class SourceMissingError(Exception):
    """A planned source is gone or has other content now: its shard waits, and the job goes on
    with the others.
    """


class SourceUnreachableError(Exception):
    """A source answered with failures again and again; its message is the last one's."""


def wait_alive(seconds: float, alive: Callable[[], object]) -> None:
    """Wait, giving signs of life by calling `alive`: who waits for a store is not stuck."""
    end_s = time.monotonic() + seconds
    while (left := end_s - time.monotonic()) > 0:
        time.sleep(min(left, SIGN_S))
        alive()


def with_patience(get: Callable[[], Found], wait: Callable[[float], None]) -> Found:
    """What `get` returns, called again with growing pauses where its store or disk fails.

    Raises:
        FileNotFoundError: there is no such source; that does not pass.
        ConfigError: the key is wrong with which all sources are asked for.
        OSError: this machine has no room, descriptors or memory left.
        SourceUnreachableError: it failed each time, or there is no right to it.
    """
    try:
        # A store that refuses what could be read when it was planned may be short of something.
        passing = ("passing", "refused")
        return patiently(get, passes=lambda error: of_a_source(error) in passing, wait=wait)
    except Exception as error:
        if is_missing(error) or not of_a_source(error):
            raise
        raise SourceUnreachableError(in_words(error)) from error


def require_readable(source: SourceFile, wait: Callable[[float], None]) -> tuple[str, bool]:
    """Read a source's bytes from end to end.

    Returns:
        Their hash, and whether they could be read at the first attempt.

    Raises:
        SourceUnreachableError: they cannot be read now.
    """
    failures: list[float] = []

    def noted(seconds: float) -> None:
        failures.append(seconds)
        wait(seconds)

    found = with_patience(lambda: storage.sha256_file(source.path), noted)
    return found, not failures


class CarefulReader:
    """A `TickReader` that does not take a failing disk for damage.

    Args:
        reader: reads the source.
        source: the file.
        sha256: the hash that was planned.
        wait: waits some seconds, giving signs of life.
        times: where the seconds of decoding are noted.
    """

    def __init__(
        self,
        reader: TickReader,
        source: SourceFile,
        sha256: str,
        *,
        wait: Callable[[float], None],
        times: StageTimes,
    ):
        self._reader, self._source, self._sha256, self._wait = reader, source, sha256, wait
        self._times = times

    def read(self, start: int, end: int) -> Ticks:
        """Read ticks `[start, end)`, as `TickReader.read`.

        Raises:
            SourceMissingError: the file has changed since it was planned.
            SourceUnreachableError: the file cannot be read now.
        """
        with self._times.at("decode"):
            return with_patience(lambda: self._read(start, end), self._wait)

    def _read(self, start: int, end: int) -> Ticks:
        frames, pts_ns, error = self._reader.read(start, end)
        if error is None or error.reason in CHILD_LOST:
            return frames, pts_ns, error
        again = self._fresh(start, end)
        if again[2] is None:
            return again
        if not self._source.trusted:
            found, at_once = require_readable(self._source, self._wait)
            if found != self._sha256:
                raise SourceMissingError(
                    f"{without_keys(self._source.uri)} has changed since it was planned"
                )
            self._source.trusted = True
            if not at_once:
                return self._fresh(start, end)
        return frames, pts_ns, error

    def close(self) -> None:
        """Stop the stream."""
        self._reader.close()

    def _fresh(self, start: int, end: int) -> Ticks:
        """Read with a decoder that remembers nothing of the file."""
        reader = self._reader.afresh()
        try:
            return reader.read(start, end)
        finally:
            reader.close()
