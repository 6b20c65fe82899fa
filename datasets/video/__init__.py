"""Video files of any origin: probed, decoded at a tick rate and resized; strangers' in a sandbox.

In come files, out go frames at the spec's size and tick rate; recordings, jobs and the labeling
tool call it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
