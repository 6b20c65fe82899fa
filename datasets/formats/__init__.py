"""Formats of other projects: how their files are laid out, read, and written.

In come clips and their lineage, or another project's recordings; out go files that the other
project's own reader reads, or recordings of ours; the verbs `export …` and `import …` call it.
"""
