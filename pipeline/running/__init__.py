"""How a job runs: identity, workers on Beam, supervision, progress.

In come shards and the work to do on each, out go outcomes; the verbs call it.
"""
