"""Actions: the spec of a game, its quantisers, the joint head's classes, the devices that press.

In come a spec's YAML and raw device states, out go ticks of buttons and axes; every room calls it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
