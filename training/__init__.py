"""What the training loops share: the run, schedules, averages, exact resume, guards, intervals.

In come steps, out go checkpoints and logs; idm and bc_policy call it. The names of `__init__.pyi`
are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
