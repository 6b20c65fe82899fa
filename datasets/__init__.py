"""Data at rest: action specs, recordings, video decoding, clips, shards, manifests and the loader.

In come recordings and video files, out go ticks, clips and batches; every other folder calls it.
"""
