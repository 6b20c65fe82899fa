"""A dataset: shards of clips, and the records, tables, card, statistics and checks beside them.

In come clips, out go committed tars and tables; the labeling job writes them, loaders and verbs
read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazy_names

if TYPE_CHECKING:
    from .clip import Clip as Clip
    from .codec import decode_clip as decode_clip
    from .codec import encode_clip as encode_clip
    from .commits import CommitRecord as CommitRecord
    from .commits import DeadLetter as DeadLetter
    from .dataset import Dataset as Dataset
    from .info import DatasetInfo as DatasetInfo
    from .writer import ShardWriter as ShardWriter
else:  # hidden from type checkers, which would take any name for one of these
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".clip": ("Clip",),
            ".codec": ("decode_clip", "encode_clip"),
            ".commits": ("CommitRecord", "DeadLetter"),
            ".dataset": ("Dataset",),
            ".info": ("DatasetInfo",),
            ".writer": ("ShardWriter",),
        },
    )
