"""HTTP routes by subject.

In come requests of the front end and of scripts, out goes JSON; `app.py` mounts them. Rules live
outside, in the parent.
"""
