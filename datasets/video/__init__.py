"""Video files of any origin: probing, decoding at a tick rate, resizing, and the sandbox for
strangers' bytes.

In come files, out go frames at the spec's size and tick rate; recordings, jobs and the labeling
tool call it.
"""
