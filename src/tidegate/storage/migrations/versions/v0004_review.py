"""People beside the model: what they decide, what they said, who looks at what, degrees of automation."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("prediction_id", sa.String(200), nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("queue", sa.String(100), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("waits", sa.Integer, nullable=False),
        sa.Column("audit", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("deadline", sa.Float, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opinion", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("decided", sa.Float, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("called", sa.Integer, nullable=False),
    )
    op.create_index("review_instance", "review", ["endpoint", "prediction_id", "row"], unique=True)
    op.create_index("review_prediction", "review", ["prediction_id"])
    op.create_index("review_next", "review", ["queue", "state", "priority", "deadline"])
    op.create_index("review_told", "review", ["state", "told"])
    op.create_index("review_called", "review", ["state", "called"])
    op.create_index("review_decided", "review", ["endpoint", "decided"])
    op.create_table(
        "answer",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("task", sa.Integer, nullable=False),
        sa.Column("rater", sa.String(200), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("took", sa.Float, nullable=False),
        sa.Column("undone", sa.Float, nullable=False),
    )
    op.create_index("answer_task", "answer", ["task"])
    op.create_index("answer_rater", "answer", ["rater", "time"])
    op.create_table(
        "claim",
        sa.Column("task", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rater", sa.String(200), primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
    )
    op.create_index("claim_rater", "claim", ["rater"])
    op.create_table(
        "tailed",
        sa.Column("slot", sa.String(100), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "automation",
        sa.Column("endpoint", sa.String(200), primary_key=True),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("said", sa.String(16), nullable=False),
        sa.Column("threshold", sa.Float, nullable=True),
        sa.Column("moves", sa.Text, nullable=False),
    )
