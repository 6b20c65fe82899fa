"""The web application of the annotators.

In come clips, recordings and videos, out go corrected labels; the command line serves it (`vidact
serve`).
"""
