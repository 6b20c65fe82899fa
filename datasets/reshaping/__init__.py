"""Clips of datasets become those of another, bit by bit: `merge`, `split`, `subset` and `repack`.

In come chosen clips, out goes a dataset with shards of one size; the four verbs call it.
"""
