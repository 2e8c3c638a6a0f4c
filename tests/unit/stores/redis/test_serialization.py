"""A session as the fields of a hash, and what is none."""

from __future__ import annotations

import pytest

from sessionkeeper.core.errors import CorruptPayload
from tests.stores import insert, redis_store
from tests.unit.stores.hashes import hash_of, raw

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def single(clock):
    """A store at one Valkey."""
    return redis_store("valkey", clock)


def test_values_are_json_each_under_its_own_field(single):
    key = insert(single, data='{"cart": [1, "x"], "secret": {"a": null}}')
    fields = raw(single).hgetall(hash_of(single, key))
    assert (fields[b"d:cart"], fields[b"d:secret"]) == (b'[1, "x"]', b'{"a": null}')
    assert fields[b"secret"] == key.secret_hash


HOSTILE = {
    "d:a": [
        b"",
        b"\xff",
        b"{",
        b'1, "_auth_user_id": "7"',
        b"[" * 100_000,
        b"cos\nsystem\n(S'x'\ntR.",
        b"\x80\x04.",
    ],
    "expires": [b"", b"never", b"9" * 40, b"nan"],
    "seen": [b"x"],
    "version": [b"x", b""],
    "secret": [b"", b"x" * 31],
    "idle": [b"x"],
    "user": [b"\xff", b"nobody at all"],
    "format": [b"2", b""],
}


@pytest.mark.rule("R07")
@pytest.mark.parametrize(
    ("field", "value"), [(name, one) for name, values in HOSTILE.items() for one in values]
)
def test_foreign_bytes_are_refused_and_can_be_removed(single, user, field, value):
    if (field, value) == ("user", b"nobody at all") and isinstance(user, str):
        return
    key = insert(single, user_id=user)
    raw(single).hset(hash_of(single, key), field, value)
    with pytest.raises(CorruptPayload):
        single.find(key.id)
    assert single.list_for(user) == []
    assert single.revoke(key.id)
    assert single.find(key.id) is None
