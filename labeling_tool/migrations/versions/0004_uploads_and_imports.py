"""uploads have owners and sizes, imports have states, projects know what they were made of"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _id(name: str, table: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), sa.ForeignKey(f"{table}.id"), nullable=False)


def upgrade() -> None:
    """Add the tables. Uploads of before that nobody imported have no owner: a sweep takes them."""
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(40), primary_key=True),
        _id("project_id", "projects"),
        _id("user_id", "users"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_uploads_user_created", "uploads", ["user_id", "created_ms"])
    op.create_table(
        "imports",
        sa.Column("id", sa.Integer(), primary_key=True),
        _id("project_id", "projects"),
        _id("user_id", "users"),
        sa.Column("video", sa.String(40), nullable=False),
        sa.Column("lines", sa.String(40), nullable=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("frame_step_s", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_imports_user_id", "imports", ["user_id"])
    op.add_column("projects", sa.Column("origin", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("projects", "origin")
    op.drop_table("imports")
    op.drop_table("uploads")
