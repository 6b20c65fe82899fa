"""Loaders: batches of clips or of recordings, in an order that can be resumed at any step.

In come datasets or recordings, out go batches; trainings call it.
"""
