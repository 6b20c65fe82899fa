"""The network of the inverse dynamics model, from frames to factored logits.

In come frames, out go logits of every tick; training and prediction call it.
"""
