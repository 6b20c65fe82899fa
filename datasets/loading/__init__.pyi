from .batch import Batch as Batch
from .clips import ClipLoader as ClipLoader
from .recordings import RecordingLoader as RecordingLoader
