"""Shards of clips and all that lies around them in a dataset: records, manifest, card, statistics,
checks.

In come clips, out go committed tars and tables; the labeling job writes them, loaders and verbs
read them.
"""
