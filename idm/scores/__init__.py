"""What labels are worth: metrics with intervals, baselines, plots.

In come labels and the truth, out go figures; training and evaluation call it.
"""
