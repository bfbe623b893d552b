"""Keys: what is kept, what opens what, and how long a wrong one takes."""

import time

import pytest

from tidegate.auth import keys
from tidegate.auth.policy import is_loopback, keys_required
from tidegate.errors import ConfigError, Forbidden, Unauthenticated


def test_a_secret_opens_and_only_its_digest_is_kept():
    secret, entry = keys.create("view")
    assert secret.startswith(f"tg_{entry.id}_")
    assert secret.split("_", 2)[2] not in str(entry)
    assert keys.verify(secret, keys.by_id([entry])) == entry
    assert len(secret.split("_", 2)[2]) >= 43  # 256 bits


@pytest.mark.parametrize(
    "change", [lambda s: s + "x", lambda s: s[:-1], lambda s: s.swapcase(), lambda s: "", lambda s: "x" + s]
)
def test_a_changed_secret_doesnt(change):
    secret, entry = keys.create("admin")
    assert keys.verify(change(secret), keys.by_id([entry])) is None


def test_another_keys_id_with_this_secret_doesnt():
    (a, entry_a), (b, entry_b) = keys.create("admin"), keys.create("predict")
    mixed = f"tg_{entry_a.id}_{b.split('_', 2)[2]}"
    assert keys.verify(mixed, keys.by_id([entry_a, entry_b])) is None
    assert keys.verify(a, keys.by_id([entry_b])) is None


def test_a_key_ends():
    secret, entry = keys.create("admin", expires=time.time() - 1)
    assert keys.verify(secret, keys.by_id([entry])) is None
    secret, entry = keys.create("admin", expires=time.time() + 60)
    assert keys.verify(secret, keys.by_id([entry])) == entry


def test_secrets_differ():
    assert len({keys.create("predict")[0] for _ in range(100)}) == 100


def test_each_role_has_the_rights_of_the_one_below():
    order = ["predict", "view", "operate", "admin"]
    for i, role in enumerate(order):
        assert [keys.allows(role, right) for right in order] == [j <= i for j in range(4)]
    assert not keys.allows("king", "predict")


def test_check_says_what_is_missing():
    secret, entry = keys.create("view")
    table = keys.by_id([entry])
    assert keys.check(secret, table, "predict") == entry
    with pytest.raises(Forbidden, match="role is 'view', and this needs 'operate'"):
        keys.check(secret, table, "operate")
    with pytest.raises(Unauthenticated, match="required"):
        keys.check("", table, "view")
    with pytest.raises(Unauthenticated, match="unknown"):
        keys.check("tg_no_no", table, "view")


def test_an_unknown_role_names_the_known():
    with pytest.raises(ConfigError, match='Did you mean "operate"'):
        keys.create("operator")


@pytest.mark.parametrize(
    ("header", "secret"),
    [("Bearer tg_a_b", "tg_a_b"), ("bearer  tg_a_b ", "tg_a_b"), ("Basic abc", ""), ("", ""), (None, "")],
)
def test_the_header(header, secret):
    assert keys.from_authorization(header) == secret


def test_when_keys_are_required():
    assert [is_loopback(h) for h in ("127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost", "LOCALHOST")] == [True] * 6
    assert [is_loopback(h) for h in ("0.0.0.0", "::", "10.0.0.1", "example.org", "")] == [False] * 5
    assert not keys_required("127.0.0.1", "auto")
    assert keys_required("127.0.0.1", "required")
    assert keys_required("0.0.0.0", "auto")
    assert not keys_required("127.0.0.1", "off")
    with pytest.raises(ConfigError, match="off"):
        keys_required("0.0.0.0", "off")
