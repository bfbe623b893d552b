"""The tables of the state database, as SQLAlchemy sees them. The migrations make them; a test holds the two together.

revision   one row for each change of what should be running; the newest is the desired state
key        API keys: the digest of each secret, never the secret
audit      who changed what, before and after; written in the same transaction as the change
secret     random values that the project needs for good, such as the HMAC key of hashed fields
applied    each endpoint's split as the project file last said it: a rollout's result outlives an apply that says the same
rollout    each rollout's newest state (JSON); `live` while it can still change traffic, `slot` is its endpoint while it
           holds it (unique: one an endpoint)
decision   each change of a rollout, with the judgement it rests on
evidence   the batches of each metric: integers, kept when the records they count are gone
example    requests that went wrong, by id
checkpoint how far the evidence has read, thresholds frozen so far, the latest judgement
freeze     until when nobody starts or promotes
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(200), nullable=False),
    Column("project", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("unloaded", Text, nullable=False),
)

key = Table(
    "key",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("revoked", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(200), nullable=False),
    Column("target", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Index("audit_time", "time"),
)

secret = Table(
    "secret",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)

applied = Table(
    "applied",
    metadata,
    Column("endpoint", String(200), primary_key=True),
    Column("split", Text, nullable=False),
)

rollout = Table(
    "rollout",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("slot", String(200), nullable=True, unique=True),
    Column("live", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Index("rollout_endpoint", "endpoint"),
    Index("rollout_live", "live"),
)

decision = Table(
    "decision",
    metadata,
    Column("rollout", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("decision", Text, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("rollout", Integer, primary_key=True, autoincrement=False),
    Column("metric", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("batch", Text, nullable=False),
)

example = Table(
    "example",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rollout", Integer, nullable=False),
    Column("example", Text, nullable=False),
    Index("example_rollout", "rollout"),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("rollout", Integer, primary_key=True, autoincrement=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("thresholds", Text, nullable=False),
    Column("judgement", Text, nullable=False),
)

freeze = Table(
    "freeze",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("until", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("created", Float, nullable=False),
)
