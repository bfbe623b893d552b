"""Rollouts: their states, decisions and evidence, freezes, and the splits that files asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "applied",
        sa.Column("endpoint", sa.String(200), primary_key=True),
        sa.Column("split", sa.Text, nullable=False),
    )
    op.create_table(
        "rollout",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("slot", sa.String(200), nullable=True, unique=True),
        sa.Column("live", sa.Integer, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("rollout_endpoint", "rollout", ["endpoint"])
    op.create_index("rollout_live", "rollout", ["live"])
    op.create_table(
        "decision",
        sa.Column("rollout", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("decision", sa.Text, nullable=False),
    )
    op.create_table(
        "evidence",
        sa.Column("rollout", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("metric", sa.String(200), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("batch", sa.Text, nullable=False),
    )
    op.create_table(
        "example",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("rollout", sa.Integer, nullable=False),
        sa.Column("example", sa.Text, nullable=False),
    )
    op.create_index("example_rollout", "example", ["rollout"])
    op.create_table(
        "checkpoint",
        sa.Column("rollout", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("checkpoint", sa.LargeBinary, nullable=False),
        sa.Column("thresholds", sa.Text, nullable=False),
        sa.Column("judgement", sa.Text, nullable=False),
    )
    op.create_table(
        "freeze",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for table in ("freeze", "checkpoint", "example", "evidence", "decision", "rollout", "applied"):
        op.drop_table(table)
