"""names fold by Unicode, tokens end, tries are paced, devices are known, passwords come by link"""

import sqlalchemy as sa
from alembic import op
from vidact.labeling_tool.migrations.unique_names import key_names
from vidact.labeling_tool.people.scopes import SCOPES
from vidact.labeling_tool.store.models import now_ms

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TOKEN_MS = 90 * 24 * 3600_000


def upgrade() -> None:
    """Add the columns and tables.

    Tokens of before may do what they could, for ninety more days.
    """
    op.add_column("users", sa.Column("name_key", sa.String(160), nullable=False, server_default=""))
    connection = op.get_bind()
    key_names(connection)
    op.create_index("ix_users_name_key", "users", ["name_key"], unique=True)
    everything = " ".join(SCOPES)
    op.add_column(
        "api_tokens",
        sa.Column("expires_ms", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.add_column(
        "api_tokens", sa.Column("scopes", sa.String(64), nullable=False, server_default="")
    )
    tokens = sa.table("api_tokens", sa.column("expires_ms"), sa.column("scopes"))
    connection.execute(tokens.update().values(expires_ms=now_ms() + TOKEN_MS, scopes=everything))
    op.drop_table("login_failures")
    op.create_table(
        "login_paces",
        sa.Column("key", sa.String(224), primary_key=True),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("noted_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("token_sha256", sa.String(64), nullable=False, index=True),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("user_id", "token_sha256", name="uq_devices_user"),
    )
    op.create_table(
        "password_links",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("token_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Integer(), sa.ForeignKey("users.id"), nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
    )


def downgrade() -> None:
    for table in ("password_links", "devices", "login_paces"):
        op.drop_table(table)
    op.create_table(
        "login_failures",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(160), nullable=False, index=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.drop_index("ix_users_name_key", "users")
    op.drop_column("users", "name_key")
    for name in ("expires_ms", "scopes"):
        op.drop_column("api_tokens", name)
