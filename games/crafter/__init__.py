"""Crafter as a game of keys, and its scripted player.

In go device states, out come frames; recorders and tasks call it.
"""
