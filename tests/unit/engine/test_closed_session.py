"""A closed session gives nothing away, and takes nothing."""

from __future__ import annotations

import pytest

from sessionkeeper.core.errors import CrossSiteSession
from sessionkeeper.engine.closed_session import ClosedSession
from sessionkeeper.engine.session_store import SessionStore

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def behind():
    """A stored session that must not be used."""
    session = SessionStore()
    session["secret"] = 1
    session.save()
    session = SessionStore(session.session_key)
    session.refusal = "another site"
    return session


@pytest.mark.parametrize(
    "use",
    [
        lambda one: one.keys(),
        lambda one: "secret" in one,
        lambda one: one.get("secret"),
        lambda one: one.save(),
    ],
)
def test_the_first_use_is_refused_and_noted(behind, use):
    with pytest.raises(CrossSiteSession):
        use(ClosedSession(behind))
    assert behind.refused


def test_afterwards_it_reads_as_empty_and_still_writes_nothing(behind):
    closed = ClosedSession(behind)
    with pytest.raises(CrossSiteSession):
        closed.get("secret")
    assert dict(closed.items()) == {}
    with pytest.raises(CrossSiteSession):
        closed.flush()
    assert SessionStore(behind.session_key).load() == {"secret": 1}


async def test_its_async_forms_refuse_too(behind):
    with pytest.raises(CrossSiteSession):
        await ClosedSession(behind).aget("secret")
