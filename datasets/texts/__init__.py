"""Texts of many lines: templates, and what fills them in.

In come figures, out go the data card and what verbs print.
"""
