"""From logits to labels: windows, calibrated probabilities, decisions.

In come frames and a checkpoint, out go labels of every tick; jobs and evaluations call it.
"""
