"""Code copied from tutorials works on the engine as it stands, stock DRF authentication included."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings

from tests import contents
from tests.conftest import PASSWORD, new_user

JSON = "application/json"
STOCK = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
OURS = [
    "sessionkeeper.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessionkeeper.middleware.AuthenticationMiddleware",
]

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[STOCK, OURS], ids=["Django's middleware", "our middleware"], autouse=True)
def site(request):
    """The copied URL configuration, with the engine alone and with our middleware too."""
    with override_settings(
        ROOT_URLCONF="tests.http.copied_tutorial", MIDDLEWARE=request.param, REST_FRAMEWORK={}
    ):
        yield


@pytest.fixture
def person():
    """Somebody who can sign in."""
    return new_user(username="carol", email="carol@example.org")


def log_in(client: Client, password: str = PASSWORD):
    return client.post("/login/", {"username": "carol", "password": password}, content_type=JSON)


def test_login_dashboard_and_profile_work(client, person):
    answer = log_in(client)
    assert (answer.status_code, answer.json()) == (200, {"message": "Logged in successfully"})
    assert client.get("/dashboard/").json() == {"user": "carol"}
    assert client.get("/api/profile/").json() == {"email": "carol@example.org"}
    assert contents.record().user_id == person.pk


def test_wrong_credentials_are_refused(client, person):
    answer = log_in(client, "wrong")
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid credentials"})
    assert "sessionid" not in client.cookies
    assert not contents.records()


def test_who_is_not_signed_in_gets_the_stock_answer(client):
    """Stock SessionAuthentication names no challenge, so that DRF answers 403."""
    assert client.get("/dashboard/").status_code == 403
    assert client.get("/api/profile/").status_code == 403


def test_stock_authentication_still_checks_csrf_on_unsafe_methods(person):
    client = Client(enforce_csrf_checks=True)
    log_in(client)
    assert client.get("/dashboard/").status_code == 200
    refused = client.post("/dashboard/", {"note": "forged"}, content_type=JSON)
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    token = client.cookies["csrftoken"].value
    accepted = client.post("/dashboard/", {"note": "mine"}, content_type=JSON, headers={"X-CSRFToken": token})
    assert accepted.json() == {"saved": {"note": "mine"}}


def test_a_key_from_before_login_does_not_become_a_signed_in_one(client, person):
    """Session fixation: the key changes when somebody signs in."""
    session = client.session
    session["basket"] = ["tea"]
    session.save()
    planted = client.cookies["sessionid"].value
    assert log_in(client).status_code == 200
    assert client.cookies["sessionid"].value != planted
    stranger = Client()
    stranger.cookies["sessionid"] = planted
    assert stranger.get("/dashboard/").status_code == 403
