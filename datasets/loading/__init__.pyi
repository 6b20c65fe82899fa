from .batch import Batch as Batch
from .clips import ClipLoader as ClipLoader
from .iterable import IterableClips as IterableClips
from .recordings import RecordingLoader as RecordingLoader
