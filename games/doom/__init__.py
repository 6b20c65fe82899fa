"""Doom: ViZDoom as a game of keyboard and mouse, its maps, its scripted player, people's demos.

In go device states, out come frames; recorders and tasks call it.
"""
