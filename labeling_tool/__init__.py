"""The web application of the annotators.

In come clips and recordings, out go corrected labels; the command line serves it.
"""
