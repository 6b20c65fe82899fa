"""The guided tour: real tasks on a drawn maze whose true actions are known.

In comes nothing but a seed, out go a recording and tasks; a new server makes them once.
"""
