"""Alembic's entry: runs on the connection that `database.py` hands over."""

from alembic import context
from vidact.labeling_tool.store.models import Base

connection = context.config.attributes["connection"]
# SQLite cannot alter tables in place; batches copy them.
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
