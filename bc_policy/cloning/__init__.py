"""Behavioral cloning: targets, loss, augmentation, and the policy in training.

In come batches of labeled clips, out go trained weights; `clone` calls it.
"""
