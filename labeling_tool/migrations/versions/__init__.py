"""One file a step of the database's history.

In comes the schema before, out goes the schema after; Alembic reads the files in the order of their
revisions.
"""
