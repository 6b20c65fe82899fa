"""Formats of other projects: how their files are laid out, and how clips are written into them.

In come clips and their lineage, out go files that the other project's own reader reads; the verbs
`export …` call it.
"""
