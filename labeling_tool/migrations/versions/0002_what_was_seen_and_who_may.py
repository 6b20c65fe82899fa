"""What a reviewer saw, roles in projects, limits of the log"""

import sqlalchemy as sa
from alembic import op
from vidact.labeling_tool.store.models import now_ms

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RETURNED_KEPT_MS = 3 * 24 * 3600_000


def upgrade() -> None:
    """Add the columns, and keep what people have as it was.

    Work that was returned holds its place for three days from now, where it held it for ever.
    Reviewers, who were everywhere, become members of the projects that are not open to all.
    """
    op.add_column("members", sa.Column("role", sa.String(16), nullable=False, server_default=""))
    for name, kind in (("active_at_ms", sa.BigInteger()), ("op_bytes", sa.Integer())):
        op.add_column("assignments", sa.Column(name, kind, nullable=False, server_default="0"))
    op.add_column("assignments", sa.Column("reviewed_seq", sa.Integer(), nullable=True))
    op.create_index("ix_assignments_worked", "assignments", ["user_id", "active_at_ms"])
    connection = op.get_bind()
    assignments = sa.table("assignments", sa.column("state"), sa.column("lease_ms"))
    connection.execute(
        assignments.update()
        .where(assignments.c.state == "returned")
        .values(lease_ms=now_ms() + RETURNED_KEPT_MS)
    )
    projects = sa.table("projects", sa.column("id"), sa.column("settings", sa.JSON))
    users = sa.table("users", sa.column("id"), sa.column("role"))
    members = sa.table("members", sa.column("project_id"), sa.column("user_id"))
    reviewers = set(
        connection.scalars(sa.select(users.c.id).where(users.c.role == "reviewer")).all()
    )
    for project_id, settings in connection.execute(sa.select(projects.c.id, projects.c.settings)):
        if (settings or {}).get("open_to_all", True):
            continue
        there = connection.scalars(
            sa.select(members.c.user_id).where(members.c.project_id == project_id)
        )
        for user_id in sorted(reviewers - set(there)):
            connection.execute(members.insert().values(project_id=project_id, user_id=user_id))


def downgrade() -> None:
    op.drop_column("members", "role")
    op.drop_index("ix_assignments_worked", "assignments")
    for name in ("active_at_ms", "op_bytes", "reviewed_seq"):
        op.drop_column("assignments", name)
