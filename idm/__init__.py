"""The inverse dynamics model: from frames to the actions that made them, with a calibrated
confidence.

In come recordings (training) or frames (prediction), out go action labels; pipeline calls it.
"""
