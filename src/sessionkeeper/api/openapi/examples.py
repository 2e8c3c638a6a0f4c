"""Examples of what is sent and answered: one person, one laptop, one script."""

from __future__ import annotations

from typing import Any

PASSWORD = "wonderland-tea-party"  # noqa: S105 - of an example
USER = {"id": 1, "username": "alice", "email": "alice@example.org"}
SESSION: dict[str, Any] = {
    "id": "DKuTs5Op1Gc",
    "current": True,
    "transport": "cookie",
    "label": "kitchen laptop",
    "created_at": "2026-03-01T09:30:00.120000Z",
    "authenticated_at": "2026-03-01T09:30:00.120000Z",
    "last_seen_at": "2026-03-01T09:41:07.003000Z",
    "idle_expires_at": "2026-03-15T09:41:07.003000Z",
    "expires_at": "2026-03-31T09:30:00.120000Z",
    "amr": ["pwd"],
    "ip_address": "192.0.2.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "device": "Firefox on Linux",
}
ENDED = {
    "id": "DLxqH0cJ-2k",
    "transport": "cookie",
    "authenticated_at": "2026-11-24T09:30:00Z",
    "ended_at": "2026-11-24T17:02:11Z",
    "how": "revoked",
    "reason": "user",
    "ip_address": "192.0.2.77",
    "user_agent": "curl/8.5.0",
    "device": None,
}
CSRF = {"csrf_token": "kPq0Vd9mZ2rT8xYb4nWc6sLf1hGj3uEaQiRoKtNvMzXpBwCyDgSlHkJfUeOaIbTd"}
SIGNED_IN = {"user": USER, "session": SESSION}
TOKEN: dict[str, Any] = {
    "token": "sess_DKuTs5Op1Gconlyanexampleonlyanexampleonl09c4jr",
    "scopes": ["notes:read"],
    "session": {
        **SESSION,
        "current": False,
        "transport": "bearer",
        "label": "backup script",
        "last_seen_at": "2026-03-01T09:30:00.120000Z",
        "idle_expires_at": "2026-03-15T09:30:00.120000Z",
        "user_agent": "backup/1.4",
        "device": None,
    },
}
LOGIN = {"username": "alice", "password": PASSWORD, "remember": True, "label": "kitchen laptop"}
TOKENS = {"username": "alice", "password": PASSWORD, "label": "backup script", "scopes": ["notes:read"]}
CHANGE = {"current_password": PASSWORD, "new_password": "mad-hatters-unbirthday"}
CONFIRM = {"uid": "MQ", "token": "cq0v3x-5d7c8a2f", "new_password": "mad-hatters-unbirthday"}
ERRORS = {"username": ["This field is required."]}


def page(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a list with one entry."""
    return {"count": 1, "next": None, "previous": None, "results": [entry]}
