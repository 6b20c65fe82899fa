"""the first schema"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do: `Database.migrate` makes the tables of a new database.

    Every database that a release has made is at least at this revision.
    """


def downgrade() -> None:
    """Drop what is there: later versions have other tables than this one had."""
    there = sa.MetaData()
    there.reflect(op.get_bind())
    there.remove(there.tables["alembic_version"])
    there.drop_all(op.get_bind())
