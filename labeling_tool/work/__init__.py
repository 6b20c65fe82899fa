"""The work itself: queue, operations on labels, documents, progress.

In come operations of annotators, out go the documents they make; routes and exports call it.
"""
