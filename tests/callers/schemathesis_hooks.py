"""How schemathesis signs in: by bearer token, and by CSRF token where no bearer token is taken."""

from __future__ import annotations

import requests
import schemathesis

from tests.demo_server import ADMIN, ALICE

BY_COOKIE = ["/api/auth/login/"]
BY_NOBODY = ["/api/auth/csrf/", "/api/auth/tokens/"]
#: These end the session that they come with, so each gets one of its own, of a user with no other.
ENDS = [
    "/api/auth/logout/",
    "/api/auth/sessions/revoke-all/",
    "/api/auth/sessions/revoke-others/",
    "/api/auth/sessions/{session_id}/",
]


def address(case, path):
    return case.operation.base_url.rstrip("/") + path


class Bearer:
    user = ADMIN  # whose password no example knows, so that none changes it

    def get(self, case, context):
        answer = requests.post(address(case, "/api/auth/tokens/"), json=self.user, timeout=30)
        return answer.json()["token"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.auth(refresh_interval=3600).skip_for(path=[*BY_COOKIE, *BY_NOBODY, *ENDS])
class Kept(Bearer):
    """One token for all of them."""


@schemathesis.auth(refresh_interval=None).apply_to(path=ENDS)
class Fresh(Bearer):
    """A token for each request."""

    user = ALICE


@schemathesis.auth(refresh_interval=3600).apply_to(path=BY_COOKIE)
class CsrfToken:
    """Django's token, which belongs to the cookie."""

    def get(self, case, context):
        answer = requests.get(address(case, "/api/auth/csrf/"), timeout=30)
        return answer.json()["csrf_token"], answer.cookies["csrftoken"]

    def set(self, case, data, context):
        token, cookie = data
        case.headers = {**(case.headers or {}), "X-CSRFToken": token}
        case.cookies = {**(case.cookies or {}), "csrftoken": cookie}
