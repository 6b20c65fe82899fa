from .recording import Recording as Recording
from .recording import find_recordings as find_recordings
from .stream import TickStream as TickStream
from .writer import RecordingWriter as RecordingWriter
