"""Games played by keyboard and mouse: ViZDoom and Crafter, their scripted players, the recorder.

In go device states, out come frames and recordings; bc_policy plays in it and the command line records with it.
"""
