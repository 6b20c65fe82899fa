"""What a job does: sources, their probes, and which segments go into which shard.

In come the words of the user, out goes the plan; the verbs call it.
"""
