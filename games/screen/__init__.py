"""The recorder of any program on X11: its window's pictures, and keyboard and mouse beside them.

In go a window and its user's inputs, out come recordings; `record screen` runs it.
"""
