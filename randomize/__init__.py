"""Automatic domain randomization (ADR): ranges of difficulty that grow where a model does well.

In: a suite of parameters (YAML) and scores. Out: settings to train and to test with, and ranges.
`idm/` calls it; `games/` and `datasets/` make what the settings say without knowing of it.
"""
