"""Recordings, labeled play: a video and a line of JSON per frame.

In come frames with device states, out go the files, or ticks with their actions; games write and
trainings read them.
"""
