"""The database's history as Alembic migrations.

In comes a database of an earlier version, out goes one of this version; `database.py` runs them at
every start, and makes a new database without them.
"""
