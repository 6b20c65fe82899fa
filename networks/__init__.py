"""What the inverse dynamics model and the policy share: trunk, attention, action heads,
checkpoints.

In come frames, out go logits; idm and bc_policy call it. The names of `__init__.pyi` are imported
when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
