"""Automatic domain randomization of the IDM: clips as others would have seen them, fresh play from
the game, and tests of boundaries. `train_idm.py` and `robustness.py` call it.
"""
