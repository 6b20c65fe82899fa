"""Scores of players on tasks, and the video of their play.

In come a policy or random play, out go scores; `play` calls it.
"""
