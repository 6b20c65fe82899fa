"""How good the labels are: agreement between people, accuracy on gold, calibration, pace.

In: submissions and gold answers. Out: the quality page's tables. Called by the routes.
"""
