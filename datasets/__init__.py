"""Data at rest: action specs, recordings, video, datasets of clips, and their loaders.

In come recordings and video files, out go ticks, clips and batches; every other folder calls it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
