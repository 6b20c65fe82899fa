"""A dataset: shards of clips, and the records, tables, card, statistics and checks beside them.

In come clips, out go committed tars and tables; the labeling job writes them, loaders and verbs
read them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
