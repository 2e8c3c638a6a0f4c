"""What each endpoint takes, answers and refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import Serializer

from sessionkeeper.api import problems as api_problems
from sessionkeeper.api.openapi import examples, schemas
from sessionkeeper.api.views import base, passwords, session, sessions, tokens
from sessionkeeper.csrf import problems as csrf_problems
from sessionkeeper.http import problems
from sessionkeeper.http.problems import Problem

#: Any request may bring both transports, and meet an outage.
ALWAYS = (problems.TWO_TRANSPORTS, problems.STORE_UNAVAILABLE)
#: Any request with a body, wanted or not.
BODY = (api_problems.BODY_TOO_LARGE, api_problems.UNSUPPORTED_MEDIA_TYPE)
FIELDS = (api_problems.INVALID, api_problems.PARSE_ERROR)
FRESH = (problems.REAUTHENTICATION_REQUIRED,)
#: The session changed under the request.
CONFLICTS = (api_problems.SESSION_ENDED, problems.SESSION_ROTATED)
CREDENTIALS = (api_problems.INVALID_CREDENTIALS, api_problems.SECOND_FACTOR_REQUIRED, problems.THROTTLED)
SIGN_IN = (*CREDENTIALS, problems.TOO_MANY_SESSIONS)
#: Where a page of another site is refused, and no cookie is read.
FOREIGN = (
    csrf_problems.CROSS_SITE,
    csrf_problems.SAME_SITE,
    csrf_problems.ORIGIN_CONTRADICTORY,
    csrf_problems.ORIGIN_HIDDEN,
    csrf_problems.ORIGIN_UNTRUSTED,
)

PAGE = (
    OpenApiParameter("page", {"type": "integer", "minimum": 1}, description="Which page; 1 if left out."),
    OpenApiParameter(
        sessions.Pages.page_size_query_param,
        {"type": "integer"},
        description=f"Entries of a page; {sessions.Pages.page_size} if left out, at most "
        f"{sessions.Pages.max_page_size}.",
    ),
)
BEFORE = OpenApiParameter(
    sessions.BEFORE,
    {"type": "string", "pattern": schemas.ID_PATTERN},
    description=f"The session before which the list goes on, where a user has over {sessions.AT_ONCE}: "
    "`next` has it.",
)
SESSION_ID = OpenApiParameter(
    "session_id",
    {"type": "string", "pattern": schemas.ID_PATTERN},
    OpenApiParameter.PATH,
    description="The id of one of the user's own sessions.",
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One endpoint: its only method, an example of each side, and its own problems.

    Those of the CSRF check and of authentication are added by what the view is.
    """

    name: str
    status: int
    answer: type[Serializer[Any]] | None = None
    answered: Any = None
    sent: Any = None
    problems: tuple[Problem, ...] = ()
    parameters: tuple[OpenApiParameter, ...] = ()


OPERATIONS: dict[type[base.Endpoint], Operation] = {
    session.CsrfView: Operation(name="csrf", status=200, answer=schemas.CsrfToken, answered=examples.CSRF),
    session.LoginView: Operation(
        name="login",
        status=200,
        answer=schemas.SignedIn,
        answered=examples.SIGNED_IN,
        sent=examples.LOGIN,
        problems=(*FIELDS, *SIGN_IN, *CONFLICTS, problems.NO_TRANSPORT),
    ),
    session.LogoutView: Operation(name="logout", status=204, problems=CONFLICTS),
    session.SessionView: Operation(
        name="session", status=200, answer=schemas.SignedIn, answered=examples.SIGNED_IN
    ),
    sessions.SessionsView: Operation(
        name="sessions",
        status=200,
        answer=schemas.SessionPage,
        answered=examples.page(examples.SESSION),
        problems=(api_problems.NOT_FOUND,),
        parameters=(*PAGE, BEFORE),
    ),
    sessions.HistoryView: Operation(
        name="history",
        status=200,
        answer=schemas.EndedPage,
        answered=examples.page(examples.ENDED),
        problems=(api_problems.NOT_FOUND,),
        parameters=PAGE,
    ),
    sessions.OneSessionView: Operation(
        name="revoke",
        status=204,
        problems=(*FRESH, *CONFLICTS, api_problems.NOT_FOUND),
        parameters=(SESSION_ID,),
    ),
    sessions.RevokeOthersView: Operation(
        name="revoke_others",
        status=200,
        answer=schemas.Revoked,
        answered={"revoked": 3},
        problems=(*FRESH, *CONFLICTS),
    ),
    sessions.RevokeAllView: Operation(
        name="revoke_all",
        status=200,
        answer=schemas.Revoked,
        answered={"revoked": 4},
        problems=(*FRESH, *CONFLICTS),
    ),
    passwords.ReauthenticateView: Operation(
        name="reauthenticate",
        status=200,
        answer=schemas.SignedIn,
        answered=examples.SIGNED_IN,
        sent={"password": examples.PASSWORD},
        problems=(*FIELDS, *CREDENTIALS, *CONFLICTS),
    ),
    passwords.PasswordChangeView: Operation(
        name="password_change",
        status=204,
        sent=examples.CHANGE,
        problems=(*FIELDS, *FRESH, *CONFLICTS, problems.THROTTLED),
    ),
    passwords.PasswordResetView: Operation(
        name="password_reset",
        status=204,
        sent={"email": "alice@example.org"},
        problems=(*FIELDS, problems.THROTTLED),
    ),
    passwords.PasswordResetConfirmView: Operation(
        name="password_reset_confirm",
        status=204,
        sent=examples.CONFIRM,
        problems=(*FIELDS, api_problems.INVALID_RESET_TOKEN, problems.THROTTLED),
    ),
    tokens.TokensView: Operation(
        name="tokens",
        status=201,
        answer=schemas.IssuedToken,
        answered=examples.TOKEN,
        sent=examples.TOKENS,
        problems=(*FIELDS, *SIGN_IN, *FOREIGN),
    ),
}
