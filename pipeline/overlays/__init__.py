"""Keys that a streamer shows on the screen, as labels.

In come layouts and frames, out go what is held in each frame and frames without the overlay;
`read_overlay.py` calls it.
"""
