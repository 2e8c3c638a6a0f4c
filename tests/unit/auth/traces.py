"""What a person leaves behind on a site."""

from __future__ import annotations

from django.db import connection
from django.test import Client

from sessionkeeper.audit import events, trail
from sessionkeeper.http.client_info import ClientInfo
from sessionkeeper.models import AuditEvent, LoginAttempt, Session
from tests.conftest import PASSWORD

ADDRESS, AGENT = "198.51.100.77", "Netscape/4.0"


class Browser(Client):
    """A browser of the person."""

    def __init__(self):
        super().__init__(
            REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=AGENT, headers={"sec-fetch-site": "same-origin"}
        )

    def post_json(self, path, **body):
        """Send JSON to the API."""
        return self.post(f"/api/auth/{path}/", body, content_type="application/json")


def leave(user, other):
    """Let a user sign in, fail to, ask for a reset, and end a session of somebody else."""
    for _ in range(3):
        assert (
            Browser().post_json("login", username=user.get_username(), password=PASSWORD).status_code == 200
        )
    for _ in range(6):
        Browser().post_json("login", username=user.get_username(), password="wrong")
    here = Browser()
    here.post_json("password/reset", email=user.email)
    here.force_login(user)
    Client().force_login(other)
    trail.record(
        events.Kind.REVOKED, user=other, actor=user, client=ClientInfo(ADDRESS, AGENT), reason="admin"
    )
    trail.record(events.Kind.REVOKED, user=user, actor=other, reason="admin")


def dump():
    """All that our tables hold, as text."""
    text = []
    for model in (Session, AuditEvent, LoginAttempt):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            text += map(repr, cursor.fetchall())
    return "\n".join(text)
