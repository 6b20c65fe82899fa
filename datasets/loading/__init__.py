"""Loaders: batches of clips or of recordings, in an order that can be resumed at any step.

In come datasets or recordings, out go batches; trainings call it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
