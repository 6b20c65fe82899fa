"""The agent: a causal policy, behavioral cloning, rollouts and RL fine-tuning.

In come action-labeled shards, out go policies and their scores; the command line calls it. The
names of `__init__.pyi` are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
