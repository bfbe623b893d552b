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
profile    summaries of a minute, an hour, a day (`seconds`), by endpoint, version, role, stage and segment
folded     how far each journal slot is in the profiles; written in one transaction with them
stream     the e-detectors' states, written with the profiles
reference  what is usual: made of training data, or of the first rows; the newest of an endpoint and version is in force
monitor    every number of each monitor; the newest is in force
alarm      each alarm's newest state
incident   alarms of one cause
silence    until when alarms that match say nothing
estimate   what quality without labels was thought to be, to be held against labels that come
review     what people decide: one row for each instance of a request that went to them
answer     what each person said of it; what was undone stays, with when
claim      who is looking at what, and until when nobody else gets it
tailed     how far each journal slot was read for instances that people decide
automation each endpoint's degree of automation, with the threshold in force; `moves` are how it came there, newest last (JSON)
batch      each run of a batch that recurs; `live` is its name while it isn't over (unique: one at a time)
tag        what somebody saw in a row: why it is wrong, what is odd about it
baseline   what an endpoint's model is held against: people, a figure of the literature, a quick model, an older version
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

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

profile = Table(
    "profile",
    metadata,
    Column("endpoint", String(200), primary_key=True),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("version", String(200), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("stage", String(200), primary_key=True),
    Column("segment", String(300), primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Index("profile_age", "seconds", "start"),
)

folded = Table(
    "folded",
    metadata,
    Column("slot", String(100), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

stream = Table(
    "stream",
    metadata,
    Column("endpoint", String(200), primary_key=True),
    Column("side", String(16), primary_key=True),
    Column("column", String(300), primary_key=True),
    Column("version", String(200), primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Column("view", Text, nullable=False),
)

reference = Table(
    "reference",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("version", String(200), nullable=False),
    Column("source", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("reference_endpoint", "endpoint", "version"),
)

monitor = Table(
    "monitor",
    metadata,
    Column("id", String(500), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("monitor", Text, nullable=False),
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("monitor", String(500), nullable=False),
    Column("endpoint", String(200), nullable=False),
    Column("open", Integer, nullable=False),
    Column("time", Float, nullable=False),
    Column("alarm", Text, nullable=False),
    Index("alarm_open", "open"),
    Index("alarm_monitor", "monitor"),
)

incident = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("open", Integer, nullable=False),
    Column("time", Float, nullable=False),
    Column("incident", Text, nullable=False),
    Index("incident_open", "open"),
)

silence = Table(
    "silence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("match", String(500), nullable=False),
    Column("until", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("created", Float, nullable=False),
)

estimate = Table(
    "estimate",
    metadata,
    Column("endpoint", String(200), primary_key=True),
    Column("version", String(200), primary_key=True),
    Column("metric", String(100), primary_key=True),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("estimate", Text, nullable=False),
)

review = Table(
    "review",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("prediction_id", String(200), nullable=False),
    Column("row", Integer, nullable=False),
    Column("queue", String(100), nullable=False),
    Column("level", String(16), nullable=False),
    Column("version", String(200), nullable=False),
    Column("waits", Integer, nullable=False),
    Column("audit", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("deadline", Float, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("opinion", Text, nullable=False),
    Column("confidence", Float, nullable=True),
    Column("value", Text, nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("decided", Float, nullable=False),
    Column("told", Integer, nullable=False),
    Column("called", Integer, nullable=False),
    Index("review_instance", "endpoint", "prediction_id", "row", unique=True),
    Index("review_prediction", "prediction_id"),
    Index("review_next", "queue", "state", "priority", "deadline"),
    Index("review_told", "state", "told"),
    Index("review_called", "state", "called"),
    Index("review_decided", "endpoint", "decided"),
)

answer = Table(
    "answer",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("task", Integer, nullable=False),
    Column("rater", String(200), nullable=False),
    Column("value", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("took", Float, nullable=False),
    Column("undone", Float, nullable=False),
    Index("answer_task", "task"),
    Index("answer_rater", "rater", "time"),
)

claim = Table(
    "claim",
    metadata,
    Column("task", Integer, primary_key=True, autoincrement=False),
    Column("rater", String(200), primary_key=True),
    Column("time", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("skipped", Integer, nullable=False),
    Index("claim_rater", "rater"),
)

tailed = Table(
    "tailed",
    metadata,
    Column("slot", String(100), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

automation = Table(
    "automation",
    metadata,
    Column("endpoint", String(200), primary_key=True),
    Column("level", String(16), nullable=False),
    Column("said", String(16), nullable=False),
    Column("threshold", Float, nullable=True),
    Column("moves", Text, nullable=False),
)

batch = Table(
    "batch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False),
    Column("due", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("options", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("ended", Float, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("cursor", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("live", String(100), nullable=True),
    Index("batch_due", "name", "due", unique=True),
    Index("batch_live", "live", unique=True),
)

baseline = Table(
    "baseline",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("name", String(100), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("metric", String(100), nullable=False),
    Column("value", Float, nullable=True),
    Column("rows", Integer, nullable=False),
    Column("version", String(200), nullable=False),
    Column("queue", String(100), nullable=False),
    Column("file", String(200), nullable=False),
    Index("baseline_name", "endpoint", "name", unique=True),
)

tag = Table(
    "tag",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("prediction_id", String(200), nullable=False),
    Column("row", Integer, nullable=False),
    Column("tag", String(100), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("time", Float, nullable=False),
    Index("tag_row", "endpoint", "prediction_id", "row", "tag", unique=True),
)

retraining = Table(
    "retraining",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("endpoint", String(200), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("mark", String(200), nullable=True),
    Column("state", String(16), nullable=False),
    Column("created", Float, nullable=False),
    Column("ended", Float, nullable=False),
    Column("model", String(200), nullable=False),
    Column("version", String(200), nullable=False),
    Column("run", Text, nullable=False),
    Column("live", String(200), nullable=True),
    Index("retraining_live", "live", unique=True),
    Index("retraining_mark", "endpoint", "mark", unique=True),
    Index("retraining_endpoint", "endpoint", "id"),
    Index("retraining_version", "model", "version"),
)
