"""The description of each endpoint: its response, its problems, and an example of both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import Serializer

from sessionkeeper.api import problems as api_problems
from sessionkeeper.api.openapi import schemas
from sessionkeeper.api.views import base, passwords, session, sessions, tokens
from sessionkeeper.csrf import problems as csrf_problems
from sessionkeeper.http import problems
from sessionkeeper.http.problems import Problem

#: Any request can contain both transports, or happen during an outage.
ALWAYS = (problems.TWO_TRANSPORTS, problems.STORE_UNAVAILABLE)
#: Any request can have a body, whether the endpoint reads it or not.
BODY = (api_problems.BODY_TOO_LARGE, api_problems.UNSUPPORTED_MEDIA_TYPE)
FIELDS = (api_problems.INVALID, api_problems.PARSE_ERROR)
OWN = (problems.USER_MISMATCH,)
FRESH = (problems.REAUTHENTICATION_REQUIRED, *OWN)
#: The session may change during the request.
CONFLICTS = (api_problems.SESSION_ENDED, problems.SESSION_ROTATED)
CREDENTIALS = (api_problems.INVALID_CREDENTIALS, api_problems.SECOND_FACTOR_REQUIRED, problems.THROTTLED)
SIGN_IN = (*CREDENTIALS, problems.TOO_MANY_SESSIONS)
#: Refusals of pages of other sites, where no cookie is read.
FOREIGN = (
    csrf_problems.CROSS_SITE,
    csrf_problems.SAME_SITE,
    csrf_problems.ORIGIN_CONTRADICTORY,
    csrf_problems.ORIGIN_HIDDEN,
    csrf_problems.ORIGIN_UNTRUSTED,
)

PAGE = (
    OpenApiParameter(
        sessions.Pages.page_size_query_param,
        {"type": "integer"},
        description=f"The most entries per page; {sessions.Pages.page_size} by default, at most "
        f"{sessions.Pages.max_page_size}.",
    ),
    OpenApiParameter(
        sessions.BEFORE,
        {"type": "string", "pattern": schemas.ID_PATTERN},
        description="The session before which the list continues. `next` contains it.",
    ),
)
SESSION_ID = OpenApiParameter(
    "session_id",
    {"type": "string", "pattern": schemas.ID_PATTERN},
    OpenApiParameter.PATH,
    description="The id of one of the user's own sessions.",
)

# Examples: one person, one laptop, one script.
PASSWORD, NEW_PASSWORD = "wonderland-tea-party", "mad-hatters-unbirthday"
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
    "device": "curl",
}
CSRF_TOKEN = "kPq0Vd9mZ2rT8xYb4nWc6sLf1hGj3uEaQiRoKtNvMzXpBwCyDgSlHkJfUeOaIbTd"  # noqa: S105
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


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One endpoint, which has one method: examples of what is sent and answered, and its own problems.

    The schema adds the problems of the CSRF check and of authentication.
    """

    name: str
    answer: type[Serializer[Any]] | None = None
    answered: Any = None
    sent: Any = None
    problems: tuple[Problem, ...] = ()
    parameters: tuple[OpenApiParameter, ...] = ()
    made: bool = False

    @property
    def status(self) -> int:
        """The status of the response: 201 if something was created, 204 if there is no body."""
        return 201 if self.made else 204 if self.answer is None else 200


def _page(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the page of a list with one entry."""
    return {"next": None, "results": [entry]}


OPERATIONS: dict[type[base.Endpoint], Operation] = {
    session.CsrfView: Operation(
        name="csrf",
        answer=schemas.CsrfToken,
        answered={"csrf_token": CSRF_TOKEN},
    ),
    session.LoginView: Operation(
        name="login",
        answer=schemas.SignedIn,
        answered=SIGNED_IN,
        sent={"username": "alice", "password": PASSWORD, "remember": True, "label": "kitchen laptop"},
        problems=(*FIELDS, *SIGN_IN, *CONFLICTS, problems.NO_TRANSPORT),
    ),
    session.LogoutView: Operation(name="logout", problems=CONFLICTS),
    session.SessionView: Operation(name="session", answer=schemas.SignedIn, answered=SIGNED_IN),
    sessions.SessionsView: Operation(
        name="sessions",
        answer=schemas.SessionPage,
        answered=_page(SESSION),
        problems=(*OWN, api_problems.NOT_FOUND),
        parameters=PAGE,
    ),
    sessions.HistoryView: Operation(
        name="history",
        answer=schemas.EndedPage,
        answered=_page(ENDED),
        problems=(*OWN, api_problems.NOT_FOUND),
        parameters=PAGE,
    ),
    sessions.OneSessionView: Operation(
        name="revoke",
        problems=(*FRESH, *CONFLICTS, api_problems.NOT_FOUND),
        parameters=(SESSION_ID,),
    ),
    sessions.RevokeOthersView: Operation(
        name="revoke_others",
        answer=schemas.Revoked,
        answered={"revoked": 3},
        problems=(*FRESH, *CONFLICTS),
    ),
    sessions.RevokeAllView: Operation(
        name="revoke_all",
        answer=schemas.Revoked,
        answered={"revoked": 4},
        problems=(*FRESH, *CONFLICTS),
    ),
    passwords.ReauthenticateView: Operation(
        name="reauthenticate",
        answer=schemas.SignedIn,
        answered=SIGNED_IN,
        sent={"password": PASSWORD},
        problems=(*FIELDS, *CREDENTIALS, *OWN, *CONFLICTS),
    ),
    passwords.PasswordChangeView: Operation(
        name="password_change",
        sent={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        problems=(*FIELDS, *FRESH, *CONFLICTS, problems.THROTTLED),
    ),
    passwords.PasswordResetView: Operation(
        name="password_reset",
        sent={"email": "alice@example.org"},
        problems=(*FIELDS, problems.THROTTLED),
    ),
    passwords.PasswordResetConfirmView: Operation(
        name="password_reset_confirm",
        sent={"uid": "MQ", "token": "cq0v3x-5d7c8a2f", "new_password": NEW_PASSWORD},
        problems=(*FIELDS, api_problems.INVALID_RESET_TOKEN, problems.THROTTLED),
    ),
    tokens.TokensView: Operation(
        name="tokens",
        made=True,
        answer=schemas.IssuedToken,
        answered=TOKEN,
        sent={"username": "alice", "password": PASSWORD, "label": "backup script", "scopes": ["notes:read"]},
        problems=(*FIELDS, *SIGN_IN, *FOREIGN),
    ),
}
