"""What Django is told of a session that has gone or changed under a request."""

from __future__ import annotations

import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse
from django.test import RequestFactory

from sessionkeeper.core import keys
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.middleware.session import SessionMiddleware
from tests import contents
from tests.unit.middleware.browsing import put_and

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db,
    pytest.mark.urls("tests.unit.middleware.browsing"),
]

#: What the next request does, by name; sync functions of the request.


def test_a_session_that_ended_while_it_was_written_to_is_djangos_400(browser):
    browser.put("a")
    session_id = keys.parse(browser.key).id
    response = browser.do(put_and(lambda request: contents.drop(session_id) and None))
    assert response.status_code == 400
    assert "sessionid" not in response.cookies or response.cookies["sessionid"]["max-age"] == 0
    assert not contents.records()


def test_a_session_that_ended_while_it_was_written_to_raises_sessioninterrupted():
    session = SessionStore()
    session["a"] = 1
    session.save()
    request = RequestFactory().get("/", headers={"cookie": f"sessionid={session.session_key}"})
    view = put_and(lambda request: session.delete() or HttpResponse())
    with pytest.raises(SessionInterrupted, match="deleted before the request completed"):
        SessionMiddleware(view)(request)


def test_a_session_that_was_renewed_while_it_was_written_to_says_so(browser):
    browser.put("a")
    response = browser.do(put_and(lambda request: SessionStore(browser.key).cycle_key()))
    assert response.status_code == 409
    assert response.json()["code"] == "session_rotated"
    assert not response.cookies
    assert "b" not in stored_data(browser)


def stored_data(browser):
    """The data of the browser's session, whoever holds the key now."""
    return contents.data(keys.parse(browser.key).id)
