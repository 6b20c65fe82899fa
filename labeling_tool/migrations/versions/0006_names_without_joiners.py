"""names without what nobody sees in them; an upload's third file"""

import sqlalchemy as sa
from alembic import op
from vidact.labeling_tool.migrations.unique_names import key_names

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Key names anew: joiners that nobody sees once told two people apart, who could not log in."""
    key_names(op.get_bind())
    op.add_column("imports", sa.Column("meta", sa.String(40), nullable=True))


def downgrade() -> None:
    op.drop_column("imports", "meta")
