"""Runs of retraining."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retraining",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("mark", sa.String(200), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("ended", sa.Float, nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("live", sa.String(200), nullable=True),
    )
    op.create_index("retraining_live", "retraining", ["live"], unique=True)
    op.create_index("retraining_mark", "retraining", ["endpoint", "mark"], unique=True)
    op.create_index("retraining_endpoint", "retraining", ["endpoint", "id"])
    op.create_index("retraining_version", "retraining", ["model", "version"])
