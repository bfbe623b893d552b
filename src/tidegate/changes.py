"""The changes that both doors (cli, api) make besides apply, each with its audit entry.

create_key, revoke_key, set_loaded --> state.db (change and audit in one transaction)
erase_subject --> views.log.erase, then the audit: who, when, how many; never whom; then ingest.rebuild.finish
"""

from __future__ import annotations

import hashlib
import hmac
import time
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from tidegate.auth import keys
from tidegate.retraining.dataset import erase as erase_rows
from tidegate.storage.baselines import erase_ratings
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.review import ReviewStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import StateStore, StoredKey
from tidegate.storage.tags import TagStore

if TYPE_CHECKING:
    from tidegate.views.log import ErasureReport


def create_key(layout: Layout, role: str, name: str, *, valid_for: float = 0.0, actor: str) -> tuple[str, StoredKey]:
    """A new key: its secret, which nobody can show again, and what is kept. `valid_for` in seconds, 0 for no end."""
    secret, entry = keys.create(role, expires=time.time() + valid_for if valid_for else 0.0)
    with closing(StateStore(layout)) as store:
        return secret, store.add_key(entry, name=name, actor=actor)


def revoke_key(layout: Layout, key_id: str, *, actor: str) -> StoredKey:
    """End a key. Errors: NotFound."""
    with closing(StateStore(layout)) as store:
        return store.revoke_key(key_id, actor=actor)


def set_loaded(layout: Layout, model: str, version: str, loaded: bool, *, actor: str) -> int:
    """Take a version into service or out of it; the revision. Errors: NotFound."""
    with closing(StateStore(layout)) as store:
        return store.set_loaded(model, version, loaded, actor=actor)


def erase_subject(
    layout: Layout, subject: str, endpoint: str | None, *, dry_run: bool = False, actor: str
) -> ErasureReport:
    """Erase all that is kept of one subject.

    An endpoint may keep its subjects hashed (`fields: {NAME: hash}`); such rows are found by the same hash.
    Profiles of the hours that held rows of theirs are made again from the log, and references that may have been learned of
    them are dropped, to be learned anew.
    The audit holds a keyed digest of the subject: a person who was erased must not live on in the record of it,
    yet who knows the subject can check that it was done.
    """
    from tidegate.gateway.policy import digest as field_digest
    from tidegate.ingest.rebuild import finish, note, touched
    from tidegate.storage.log.tables import endpoints
    from tidegate.views.log import erase

    with closing(StateStore(layout)) as store:
        hashed = field_digest(bytes.fromhex(store.secret("field")), subject)
    with (
        closing(RolloutStore(layout)) as rollouts,
        closing(MonitoringStore(layout)) as incidents,
        closing(ReviewStore(layout)) as review,
        closing(TagStore(layout)) as tags,
    ):

        def elsewhere(ids: set[str], dry_run: bool) -> int:
            review.erase(ids, dry_run)
            if ids and not dry_run:
                tags.erase(ids)
                erase_ratings(layout, ids)
                erase_rows(layout, ids)
                for name in [endpoint] if endpoint is not None else endpoints(layout):
                    hours, first = touched(layout, name, ids)
                    if hours:
                        note(layout, name, hours, first)
            return rollouts.erase_examples(ids, dry_run) + incidents.erase_examples(ids, dry_run)

        report = erase(layout, subject, endpoint, dry_run=dry_run, elsewhere=elsewhere)
        second = erase(layout, hashed, endpoint, dry_run=dry_run, elsewhere=elsewhere)
    for total, more in ((report.predictions, second.predictions), (report.feedback, second.feedback)):
        for name, rows in more.items():
            total[name] = total.get(name, 0) + rows
    report.journal_lines += second.journal_lines
    report.blobs += second.blobs
    report.examples += second.examples
    if not dry_run:
        with closing(StateStore(layout)) as store:
            key = bytes.fromhex(store.secret("audit"))
            digest = hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()
            counts = {k: v for k, v in msgspec.to_builtins(report).items() if k != "subject"}
            store.record(actor, "log erase", endpoint or "all endpoints", None, {"subject_hmac": digest, **counts})
        for name in endpoints(layout):  # also what an erasure that was killed has left
            done = finish(layout, name)
            report.profile_hours += done.hours if done is not None else 0
    return report
