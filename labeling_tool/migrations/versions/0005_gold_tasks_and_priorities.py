"""Gold tasks and how people did on them; priorities of tasks"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: no task of before is gold, and all have the same priority."""
    op.add_column("tasks", sa.Column("gold", sa.JSON(), nullable=True))
    op.add_column("tasks", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("assignments", sa.Column("gold_score", sa.Float(), nullable=True))
    op.drop_index("ix_tasks_gain", "tasks")
    op.create_index("ix_tasks_queue", "tasks", ["project_id", "state", "priority", "gain"])


def downgrade() -> None:
    op.drop_index("ix_tasks_queue", "tasks")
    op.create_index("ix_tasks_gain", "tasks", ["project_id", "state", "gain"])
    op.drop_column("assignments", "gold_score")
    op.drop_column("tasks", "priority")
    op.drop_column("tasks", "gold")
