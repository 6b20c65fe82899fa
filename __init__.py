"""vidact: from piles of unlabelled gameplay video to data that trains agents.

The names listed here are the Python interface; all others may change. Importing the package loads
none of their modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .bc_policy.policy.policy import Policy as Policy
    from .bc_policy.policy.policy import load_policy as load_policy
    from .datasets.actions.spec import ActionSpec as ActionSpec
    from .datasets.loading.batch import Batch as Batch
    from .datasets.loading.clips import ClipLoader as ClipLoader
    from .datasets.loading.recordings import RecordingLoader as RecordingLoader
    from .datasets.recordings.recording import Recording as Recording
    from .datasets.recordings.recording import find_recordings as find_recordings
    from .datasets.recordings.writer import RecordingWriter as RecordingWriter
    from .datasets.shards.dataset import Dataset as Dataset
    from .games.tasks import TASKS as TASKS
    from .games.tasks import make_env as make_env
    from .idm.labels.checkpoint import load_idm as load_idm
    from .idm.labels.predict import Predictor as Predictor
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".bc_policy.policy.policy": ("Policy", "load_policy"),
            ".datasets.actions.spec": ("ActionSpec",),
            ".datasets.loading.batch": ("Batch",),
            ".datasets.loading.clips": ("ClipLoader",),
            ".datasets.loading.recordings": ("RecordingLoader",),
            ".datasets.recordings.recording": ("Recording", "find_recordings"),
            ".datasets.recordings.writer": ("RecordingWriter",),
            ".datasets.shards.dataset": ("Dataset",),
            ".games.tasks": ("TASKS", "make_env"),
            ".idm.labels.checkpoint": ("load_idm",),
            ".idm.labels.predict": ("Predictor",),
        },
    )
