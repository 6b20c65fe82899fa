"""Fitting an inverse dynamics model: loss, calibration, and the end of a training.

In come clips and validation play, out goes a checkpoint; `train-idm` calls it.
"""
