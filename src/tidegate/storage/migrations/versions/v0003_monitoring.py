"""Monitoring: profiles, streams, references, monitors, alarms, incidents, silences, estimates."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "profile",
        sa.Column("endpoint", sa.String(200), primary_key=True),
        sa.Column("seconds", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.String(200), primary_key=True),
        sa.Column("role", sa.String(16), primary_key=True),
        sa.Column("stage", sa.String(200), primary_key=True),
        sa.Column("segment", sa.String(300), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_index("profile_age", "profile", ["seconds", "start"])
    op.create_table(
        "folded",
        sa.Column("slot", sa.String(100), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "stream",
        sa.Column("endpoint", sa.String(200), primary_key=True),
        sa.Column("side", sa.String(16), primary_key=True),
        sa.Column("column", sa.String(300), primary_key=True),
        sa.Column("version", sa.String(200), primary_key=True),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
    )
    op.create_table(
        "reference",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_index("reference_endpoint", "reference", ["endpoint", "version"])
    op.create_table(
        "monitor",
        sa.Column("id", sa.String(500), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("monitor", sa.Text, nullable=False),
    )
    op.create_table(
        "alarm",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("monitor", sa.String(500), nullable=False),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("open", sa.Integer, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("alarm", sa.Text, nullable=False),
    )
    op.create_index("alarm_open", "alarm", ["open"])
    op.create_index("alarm_monitor", "alarm", ["monitor"])
    op.create_table(
        "incident",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("open", sa.Integer, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("incident", sa.Text, nullable=False),
    )
    op.create_index("incident_open", "incident", ["open"])
    op.create_table(
        "silence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("match", sa.String(500), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "estimate",
        sa.Column("endpoint", sa.String(200), primary_key=True),
        sa.Column("version", sa.String(200), primary_key=True),
        sa.Column("metric", sa.String(100), primary_key=True),
        sa.Column("start", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("estimate", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in ("estimate", "silence", "incident", "alarm", "monitor", "reference", "stream", "folded", "profile"):
        op.drop_table(table)
