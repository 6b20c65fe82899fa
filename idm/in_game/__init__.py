"""Is it the game at all? What an IDM's own play looks like, and how far other pictures lie from it.

In come an IDM, its play and pictures of other things; out goes a score for frames of any video.
Training fits it, labeling asks it.
"""
