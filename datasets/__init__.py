"""Data at rest: action specs, recordings, video, datasets of clips, and their loaders.

In come recordings and video files, out go ticks, clips and batches; every other folder calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .actions.spec import ActionSpec as ActionSpec
    from .loading.batch import Batch as Batch
    from .loading.clips import ClipLoader as ClipLoader
    from .loading.recordings import RecordingLoader as RecordingLoader
    from .recordings.recording import Recording as Recording
    from .recordings.recording import find_recordings as find_recordings
    from .recordings.writer import RecordingWriter as RecordingWriter
    from .shards.clip import Clip as Clip
    from .shards.dataset import Dataset as Dataset
    from .shards.info import DatasetInfo as DatasetInfo
    from .shards.writer import ShardWriter as ShardWriter
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".actions.spec": ("ActionSpec",),
            ".loading.batch": ("Batch",),
            ".loading.clips": ("ClipLoader",),
            ".loading.recordings": ("RecordingLoader",),
            ".recordings.recording": ("Recording", "find_recordings"),
            ".recordings.writer": ("RecordingWriter",),
            ".shards.clip": ("Clip",),
            ".shards.dataset": ("Dataset",),
            ".shards.info": ("DatasetInfo",),
            ".shards.writer": ("ShardWriter",),
        },
    )
