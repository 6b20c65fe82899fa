"""The whole chain on embedded defaults, and its report.

In comes nothing but a folder, out comes report.html; the command line calls it.
"""
