"""The inverse dynamics model: from frames to the actions that made them, with a calibrated
confidence.

In come recordings (training) or frames (prediction), out go action labels; pipeline calls it. The
names of `__init__.pyi` are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
