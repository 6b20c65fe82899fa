"""A dataset: shards of clips, and the records, tables, card, statistics and checks beside them.

In come clips, out go committed tars and tables; the labeling job writes them, loaders and verbs
read them.
"""
