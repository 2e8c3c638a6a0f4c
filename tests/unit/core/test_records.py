"""Records: what a log line may hold of one."""

from __future__ import annotations

from sessionkeeper.core import keys
from sessionkeeper.core.records import NOT_LOADED, Found, SessionPatch, Unasked
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


def test_not_asked_is_not_nobody():
    assert NOT_LOADED is Unasked.UNASKED
    assert NOT_LOADED is not None
    record = MemoryStore()
    key = insert(record)
    assert record.find(key.id).principal is NOT_LOADED
    assert Found(None, None).principal is NOT_LOADED


def test_no_change_is_the_default_and_is_shared_safely():
    one, other = SessionPatch(), SessionPatch()
    assert one == other
    assert (one.facts, one.deleted, one.replace, one.patch) == ({}, (), False, "{}")
    assert one._replace(facts={"label": "x"}).facts != other.facts


def test_ids_of_records_are_spelled_as_in_public():
    key = keys.mint()
    assert keys.parse_id(keys.encode_id(key.id)) == key.id
