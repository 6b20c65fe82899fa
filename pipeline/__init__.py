"""The labelling jobs on Apache Beam: probe, plan, label, commit.

In come video files and an IDM checkpoint, out comes an action-labelled dataset; the command line
calls it.
"""
