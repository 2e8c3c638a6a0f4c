"""The list of sessions as somebody who may see it sees it."""

from __future__ import annotations

from django.test import Client

from sessionkeeper.core import keys

LIST = "/admin/sessionkeeper/session/"


def signed_in(user, **extra):
    """A client with the cookie of a session of this user."""
    client = Client(**extra)
    client.force_login(user)
    return client


def id_of(client):
    """The session id of a client, as an integer."""
    return keys.parse(client.session.session_key).id


def text(response):
    """The page, once it is known to be one."""
    assert response.status_code == 200
    return response.content.decode()


def listed(client, **query):
    """The ids of the sessions that the list shows."""
    response = client.get(LIST, query)
    text(response)
    return {session.pk for session in response.context["cl"].result_list}


def name_of(client):
    """The session id of a client, as 11 characters."""
    return client.session.session_key[:11]


def act(client, action, *session_ids, **data):
    """Run an action of the list."""
    data = {"action": action, "_selected_action": session_ids, **data}
    return client.post(LIST, data, follow=True)
