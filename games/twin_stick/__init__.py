"""Twin Stick: a small game of ours for a gamepad, drawn by NumPy.

In come device states, out go pictures and what was scored; its recorder and its task call it.
"""
