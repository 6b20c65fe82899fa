"""Actions: the spec of a game, its quantisers, the joint head's classes, and the devices.

In come a spec's YAML and raw device states, out go ticks of buttons and axes; every other room
calls it.
"""
