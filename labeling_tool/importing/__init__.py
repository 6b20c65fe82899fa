"""Work for annotators out of videos, recordings and labelled datasets.

In come sources, out go tasks in a project; the command line and the upload route call it.
"""
