"""What one worker does with one shard: decode, filter, predict, write.

In come tasks of a plan, out go committed shards and their outcomes; `running` calls it.
"""
