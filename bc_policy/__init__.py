"""The agent: a causal policy, behavioural cloning, rollouts and RL fine-tuning.

In come action-labelled shards, out go policies and their scores; the command line calls it.
"""
