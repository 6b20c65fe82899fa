"""the first schema"""

from alembic import op
from vidact.labeling_tool.store.models import Base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do: `Database.migrate` makes the tables of a new database.

    Every database that a release has made is at least at this revision.
    """


def downgrade() -> None:
    Base.metadata.drop_all(op.get_bind())
