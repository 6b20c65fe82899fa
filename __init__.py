"""vidact: from piles of unlabeled gameplay video to data that trains agents.

The names of `__init__.pyi` are the Python interface; all others may change. A verb of the command
line is a function of its settings: `vidact.label(vidact.LabelConfig(sources=["videos"], idm="doom",
out="runs/dataset"))`. Importing the package loads none of their modules.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
