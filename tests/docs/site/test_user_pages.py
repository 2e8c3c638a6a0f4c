"""The pages on custom users, mobile apps and moving tell the truth: their code is run."""

from __future__ import annotations

import ast
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.state import token_backend
from rest_framework_simplejwt.tokens import AccessToken

from sessionkeeper import sessions
from sessionkeeper.api import SessionAuthentication, TokenAuthentication
from sessionkeeper.models import Session
from tests.demo_server import ROOT

DOCS = ROOT / "docs"
USERS = (DOCS / "howto/custom-users.md").read_text()
PASSWORD = "correct horse battery staple"


def python_in(page, containing):
    """Run the block of Python of a page that contains these words; return what it made."""
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```$", page, re.DOTALL | re.MULTILINE)
    [code] = [
        re.sub(f"^{indent}", "", body, flags=re.MULTILINE) for indent, body in blocks if containing in body
    ]
    made = {"__name__": __name__}
    exec(code, made)
    return made


class Both(APIView):
    """A view that accepts what the page on moving says."""

    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": request.user.get_username()})


QUICK = {"__name__": __name__}
for code in re.findall(r"```python\n(.*?)```", (DOCS / "start/quickstart.md").read_text(), re.DOTALL):
    exec(code, QUICK)

urlpatterns = [
    path("jwt/", Both.as_view(authentication_classes=[TokenAuthentication, JWTAuthentication])),
    path("profile/", QUICK["profile"]),
    path("address/", QUICK["change_address"]),
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("auth/", include("sessionkeeper.pages.urls")),
]
EmailBackend = python_in(USERS, "class EmailBackend")["EmailBackend"]
PaidBackend = python_in(USERS, "class PaidBackend")["PaidBackend"]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def alice(make_user):
    """A user with an address and a password."""
    user = make_user(email="alice@example.org")
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(name, door="login", password=PASSWORD):
    """Send a name and a password, as a page of the site."""
    data = {"username": name, "password": password}
    headers = {"sec-fetch-site": "same-origin"}
    return Client(headers=headers).post(f"/api/auth/{door}/", data, content_type="application/json")


def test_a_backend_of_the_page_signs_in_by_address_and_by_name(settings, alice):
    ours = "sessionkeeper.backends.ModelBackend"
    settings.AUTHENTICATION_BACKENDS = [ours, f"{__name__}.EmailBackend"]
    for name in (alice.get_username(), "Alice@Example.org"):
        assert sign_in(name).json()["user"]["username"] == alice.get_username()
    assert sign_in("alice@example.org", password="wrong").status_code == 401
    assert sign_in("nobody@example.org").status_code == 401


def test_wrong_passwords_by_address_are_counted(settings, alice):
    ours = "sessionkeeper.backends.ModelBackend"
    settings.AUTHENTICATION_BACKENDS = [ours, f"{__name__}.EmailBackend"]
    answers = [sign_in("alice@example.org", password="wrong").status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]


def test_the_rule_of_the_page_is_asked_at_each_request(settings, alice):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.PaidBackend"]
    client = Client()
    client.force_login(alice, backend=f"{__name__}.PaidBackend")
    assert client.get("/profile/").status_code == 200
    type(alice).objects.filter(pk=alice.pk).update(email="")
    assert client.get("/profile/").status_code == 302


def test_the_user_model_of_the_page_is_one():
    tree = ast.parse(re.findall(r"```python\n(.*?)```", USERS, re.DOTALL)[0])
    [manager, user] = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert (manager.name, user.name) == ("UserManager", "User")
    assert 'USERNAME_FIELD = "email"' in ast.unparse(user).replace("'", '"')


def test_tokens_of_apps_live_longer(settings, alice):
    made = python_in((DOCS / "howto/mobile.md").read_text(), "def timeout")
    settings.SESSIONKEEPER = made["SESSIONKEEPER"]
    assert sign_in(alice.get_username(), "tokens").status_code == 201
    assert sign_in(alice.get_username()).status_code == 200
    lives = {one.transport: one.expires_at - one.authenticated_at for one in sessions.list_for(alice)}
    assert lives == {"bearer": timedelta(days=180), "cookie": timedelta(days=14)}


def test_old_and_new_tokens_are_accepted_side_by_side(monkeypatch, alice):
    monkeypatch.setattr(token_backend, "signing_key", "only for this test, and long enough")
    ours = f"Bearer {sign_in(alice.get_username(), 'tokens').json()['token']}"
    name = {"user": alice.get_username()}
    theirs = f"Bearer {AccessToken.for_user(alice)}"
    assert Client(headers={"authorization": theirs}).get("/jwt/").json() == name
    assert Client(headers={"authorization": ours}).get("/jwt/").json() == name
    assert Client(headers={"authorization": "Bearer x.y.z"}).get("/jwt/").status_code == 401


def test_the_quickstart_does_what_it_says(alice):
    client = Client()
    assert client.get("/profile/").status_code == 302
    client.force_login(alice)
    assert client.get("/profile/").json() == {"user": alice.get_username()}
    assert client.get("/address/").json() == {"changed": True}
    Session.objects.update(
        authenticated_at=sessions.list_for(alice)[0].authenticated_at - timedelta(minutes=6)
    )
    assert client.get("/address/").status_code == 403
    assert len(QUICK["devices_of"](alice)) == 1
    assert QUICK["lost_laptop"](alice) == 1
    assert client.get("/profile/").status_code == 302


def test_the_classes_of_the_page_on_moving_are_in_that_order():
    made = python_in((DOCS / "howto/moving-tokens.md").read_text(), "OldTokenAuthentication")
    assert made["authentication_classes"][:2] == [SessionAuthentication, TokenAuthentication]
