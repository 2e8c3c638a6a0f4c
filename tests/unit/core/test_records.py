"""Records: what a log line may hold of one."""

from __future__ import annotations

from datetime import timedelta

from sessionkeeper.core import keys
from sessionkeeper.core.records import NewSession, SessionPatch
from tests.memory_store import MemoryStore
from tests.stores import insert


def test_no_text_of_a_record_holds_hashes_or_data():
    store = MemoryStore()
    key = insert(store, data='{"secret": "of the visitor"}', ip_address="192.0.2.7", user_agent="curl")
    found = store.find(key.id)
    shown = f"{found} {found.record!r} {found.record} {[found.record]}"
    for hidden in ("of the visitor", repr(key.secret_hash), "secret_hash", "192.0.2.7", "curl", key.secret):
        assert hidden not in shown
    assert str(key.id) in shown


def test_a_record_that_is_stored_says_so_as_it_is_found():
    store, key = MemoryStore(), keys.mint()
    new = NewSession(key.id, key.secret_hash, key.family_hash, timedelta(hours=1), 60, authenticated=True)
    record, _ = store.insert(new)
    assert store.find(key.id).record == record == new.record_at(record.created_at)
    assert record.authenticated_at == record.last_seen_at == record.expires_at - timedelta(hours=1)


def test_no_change_is_the_default_and_is_shared_safely():
    one, other = SessionPatch(), SessionPatch()
    assert one == other
    assert (one.facts, one.deleted, one.replace, one.patch) == ({}, (), False, "{}")
    assert one._replace(facts={"label": "x"}).facts != other.facts


def test_ids_of_records_are_spelled_as_in_public():
    key = keys.mint()
    assert keys.parse_id(keys.encode_id(key.id)) == key.id
