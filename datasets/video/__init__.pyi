from .frames import DamageError as DamageError
from .frames import decode_frames as decode_frames
from .probe import VideoProbe as VideoProbe
from .resize import FrameResizer as FrameResizer
from .sandbox import open_decoder as open_decoder
from .ticks import decode_ticks as decode_ticks
