"""The policy: a causal network from frames to the distribution over joint actions.

In come frames and memory, out go logits, values and memory; cloning, RL and play call it.
"""
