"""Frames of clips and videos as pictures for the page, made in a sandbox.

In come sources, out go JPEGs; routes call it.
"""
