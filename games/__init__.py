"""Games played by keyboard and mouse: ViZDoom and Crafter, their scripted players, the recorder.

In go device states, out come frames and recordings; bc_policy plays in it and the command line
records with it. The names of `__init__.pyi` are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
