"""Recordings, labeled play: a video and a line of JSON per frame.

In come frames with device states, out go the files, or ticks with their actions; games write and
trainings read them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
