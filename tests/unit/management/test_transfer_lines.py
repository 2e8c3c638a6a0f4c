"""One session as a line: what is no session is named or refused."""

from __future__ import annotations

import pytest
from django.core.management.base import CommandError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.stores import insert
from tests.unit.management.transferred import export, put, run

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": "AAAA"}, "Line 3 has a wrong id"),
        ({"secret_hash": "00"}, "Line 3 has a wrong secret_hash: it must be 32 bytes"),
        ({"family_hash": None}, "Line 3 has a wrong family_hash"),
        ({"previous_hash": "zz"}, "Line 3 has a wrong previous_hash"),
        ({"transport": "pigeon"}, "Line 3 has a wrong transport"),
        ({"data": [1]}, "Line 3 has a wrong data: it must be a JSON object"),
        ({"data": {"a": {"$signed": "forged"}}}, "Line 3 has data that this site cannot read"),
        ({"user_id": 12345}, "Line 3 has the data of another user"),
        ({"created_at": "yesterday"}, "Line 3 has a wrong created_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "has no time zone"),
        ({"last_seen_at": None}, "Line 3 has a wrong last_seen_at"),
        ({"idle_seconds": True}, "Line 3 has a wrong idle_seconds"),
        ({"idle_seconds": 2**31}, "Line 3 has a wrong idle_seconds"),
        ({"ip_address": "here"}, "Line 3 has a wrong ip_address"),
        ({"user_agent": "x" * 513}, "Line 3 has a wrong user_agent: it must be text of at most 512"),
        ({"label": "\x1b[2J"}, "Line 3 has a wrong label"),
        ({"colour": "red"}, "Line 3 has an unknown 'colour'"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(path, change, complaint):
    for _ in range(2):
        insert(get_store())
    lines = export(path)
    lines[2] |= change
    put(path, lines)
    contents.drop()
    with pytest.raises(CommandError, match=complaint):
        run("import", str(path))
    assert contents.count() == 0


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from(["id", "data", "user_id", "created_at", "label", "idle_seconds", "secret_hash"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
            max_leaves=4,
        ),
    )
)
def test_any_line_is_restored_or_refused_in_a_sentence(db, path, values):
    insert(get_store())
    head, line, _ = export(path)[:3]
    contents.drop()
    put(path, [head, line | values, {"sessions": 1}])
    refused = None
    try:
        run("import", str(path))
    except CommandError as error:
        refused = str(error)
    assert refused is None or ("Line 2" in refused and contents.count() == 0)
    contents.drop()
