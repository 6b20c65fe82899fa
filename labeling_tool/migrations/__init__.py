"""The database's history as Alembic migrations.

In comes a database of any version, out goes one of this version; `database.py` runs them at every
start.
"""
