"""Error responses: RFC 9457 ``application/problem+json``, or a small page for browsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, JsonResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy

from sessionkeeper.http import problem_page

if TYPE_CHECKING:
    from django.http import HttpRequest

MEDIA_TYPE = "application/problem+json"
#: Routes of the index that ``type`` points to, the first one that the project includes.
INDEX_ROUTES = ("sessionkeeper-problems:index", "sessionkeeper-api:problems")
#: What ``type`` begins with if no index is included.
TYPE_PREFIX = "urn:sessionkeeper:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: a stable code, the status, a short title, and what to do about it.

    ``fix`` is for the index only: what to do, if ``detail`` does not say so.
    """

    code: str
    status: int
    title: Any
    detail: Any
    fix: Any = ""

    @property
    def type(self) -> str:
        """The URI of RFC 9457: the path of the problem in the index, or a URN without an index.

        The path is absolute, as section 3.1.1 recommends.
        """
        index = index_path()
        return TYPE_PREFIX + self.code if index is None else f"{index}#{self.code}"

    def as_dict(self, detail: str | None = None, **extra: Any) -> dict[str, Any]:
        """Return the members of RFC 9457, with our ``code``."""
        return {
            "type": self.type,
            "title": str(self.title),
            "status": self.status,
            "detail": str(self.detail if detail is None else detail),
            "code": self.code,
            **extra,
        }

    def response(
        self, request: HttpRequest, detail: str | None = None, headers: dict[str, str] | None = None
    ) -> HttpResponse:
        """Return the response, in the format that the client accepts. It is never cached."""
        members = self.as_dict(detail)
        response: HttpResponse
        if prefers_html(request):
            response = problem_page.respond(request, members, headers or {})
        else:
            response = JsonResponse(members, status=self.status, content_type=MEDIA_TYPE)
        response["Cache-Control"] = "no-store"
        response["Vary"] = "Accept"
        for name, value in (headers or {}).items():
            response[name] = value
        return response


#: All kinds of problems, by code.
KNOWN: dict[str, Problem] = {}


def define(code: str, status: int, title: Any, detail: Any, fix: Any = "") -> Problem:
    """Return a new kind of problem, and add it to the index."""
    KNOWN[code] = Problem(code, status, title, detail, fix)
    return KNOWN[code]


STORE_UNAVAILABLE = define(
    "store_unavailable",
    503,
    gettext_lazy("Sign-in is not available right now"),
    gettext_lazy("Sessions cannot be read at the moment. You are still signed in: try again shortly."),
)
SESSION_ROTATED = define(
    "session_rotated",
    409,
    gettext_lazy("The session key has changed"),
    gettext_lazy(
        "Another request signed in while this one ran, so its changes were not saved. Send it again."
    ),
)
REAUTHENTICATION_REQUIRED = define(
    "reauthentication_required",
    403,
    gettext_lazy("Reauthentication is required"),
    gettext_lazy("Send your password to reauthenticate/, then repeat the request."),
)
USER_MISMATCH = define(
    "user_mismatch",
    403,
    gettext_lazy("The session is another user's"),
    gettext_lazy(
        "You act as another user than the one who signed in. Sessions and passwords can be changed only by "
        "their own user: stop acting as the other one, then try again."
    ),
)
TOO_MANY_SESSIONS = define(
    "too_many_sessions",
    409,
    gettext_lazy("Too many sessions"),
    gettext_lazy("You have as many sessions as this site allows. Sign out somewhere else, then try again."),
)
THROTTLED = define(
    "throttled",
    429,
    gettext_lazy("Too many requests"),
    gettext_lazy("Wait for the number of seconds in Retry-After, then try again."),
)
TWO_TRANSPORTS = define(
    "two_transports",
    400,
    gettext_lazy("Two sessions in one request"),
    gettext_lazy("Send either the session cookie or the bearer token, not both."),
)
NO_TRANSPORT = define(
    "no_transport",
    400,
    gettext_lazy("A bearer token cannot begin a session"),
    gettext_lazy(
        "Signing in sets a cookie, but this request has a bearer token. Send it without the "
        "Authorization header, or get a token for a program from tokens/."
    ),
)
TOKEN_INVALID = define(
    "token_invalid",
    401,
    gettext_lazy("The token is not valid"),
    gettext_lazy("This bearer token opens no session: it has expired, was ended, or is mistyped."),
    gettext_lazy("Get a new token from tokens/ with the username and the password."),
)
CROSS_SITE_SESSION = define(
    "cross_site_session",
    403,
    gettext_lazy("Another site asked for the session"),
    gettext_lazy(
        "A page of another site sent this request, to a view that checks no CSRF token and uses the session "
        "or signs in. If that page is yours, the operator of this site lists its origin, with its scheme, in "
        "CSRF_TRUSTED_ORIGINS. A view that other sites have to reach, such as that for the answers of an "
        'identity provider, is listed in SESSIONKEEPER["CROSS_SITE_VIEWS"].'
    ),
)
INSUFFICIENT_SCOPE = define(
    "insufficient_scope",
    403,
    gettext_lazy("The token's scopes do not allow this"),
    gettext_lazy("The token is restricted to scopes that do not include this."),
    gettext_lazy("Get a token with the scope that this requires, or without scopes."),
)


def index_path() -> str | None:
    """Return the path of the index of problems; None if the project includes none."""
    for route in INDEX_ROUTES:
        try:
            return reverse(route)
        except NoReverseMatch:
            continue
    return None


def prefers_html(request: HttpRequest) -> bool:
    """Return whether ``Accept`` names HTML, as for browsers' navigation, and no kind of JSON before it."""
    accept = request.headers.get("Accept", "").lower()
    html = accept.find("text/html")
    json_at = accept.find("json")
    return html >= 0 and not 0 <= json_at < html
