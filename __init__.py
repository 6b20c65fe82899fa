"""vidact: from piles of unlabelled gameplay video to data that trains agents."""

from __future__ import annotations

__version__ = "0.1.0"
