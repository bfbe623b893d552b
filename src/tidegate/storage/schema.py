"""The tables of the state database, as SQLAlchemy sees them. The migrations make them; a test holds the two together.

revision   one row for each change of what should be running; the newest is the desired state
key        API keys: the digest of each secret, never the secret
audit      who changed what, before and after; written in the same transaction as the change
secret     random values that the project needs for good, such as the HMAC key of hashed fields
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text

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
