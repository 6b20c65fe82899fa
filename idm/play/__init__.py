"""Labeled play as training material: decoded frames on disk, and random clips of them.

In come recordings, out go batches of clips; the training calls it.
"""
