"""Sessions that were saved, and their rows."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessionkeeper.core import keys
from sessionkeeper.engine.session_store import SessionStore
from tests import contents


def saved(**data):
    """Return a saved session as another request loads it."""
    session = SessionStore()
    session.update(data)
    session.save()
    return SessionStore(session.session_key)


def row(session):
    """Return the stored row of a session."""
    return contents.row(keys.parse(session.session_key).id)


def queries():
    """Count statements."""
    return CaptureQueriesContext(connection)
