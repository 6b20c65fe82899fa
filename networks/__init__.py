"""What the inverse dynamics model and the policy share: trunk, attention, action heads,
checkpoints.

In come frames, out go logits; idm and bc_policy call it.
"""
