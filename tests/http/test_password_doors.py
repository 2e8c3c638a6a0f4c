"""Every door that takes a password says the same of the same trouble, whatever it opens."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.views import LoginView
from django.urls import include, path

from sessionkeeper.auth import lockout
from sessionkeeper.models import AuditEvent
from tests import contents
from tests.conftest import PASSWORD
from tests.stores import database
from tests.transports import AUTH, Api, TokenApi, problem

pytestmark = pytest.mark.urls(__name__)

urlpatterns = [
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("auth/", include("sessionkeeper.pages.urls")),
    path("django/login/", LoginView.as_view(template_name="sessionkeeper/pages/base.html", next_page="/in/")),
    path("admin/", admin.site.urls),
]
#: What is broken, or who has a second factor: the name of the part that asks a database in vain.
BROKEN, ENROLLED = set(), set()


def ask_users():
    """Ask the database of the users, which is gone."""
    get_user_model()._base_manager.using("gone").first()


class Backend(ModelBackend):
    """A backend whose database may be gone."""

    def authenticate(self, request, **credentials):
        """Ask it."""
        if "backend" in BROKEN:
            ask_users()
        return super().authenticate(request, **credentials)


def has_factor(user):
    """A project's own function, whose database may be gone."""
    if "factor" in BROKEN:
        ask_users()
    return user.pk in ENROLLED


@pytest.fixture(autouse=True)
def _site(settings, tmp_path, any_database):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Backend"]
    settings.SESSIONKEEPER = {"SECOND_FACTOR": f"{__name__}.has_factor"}
    BROKEN.clear()
    ENROLLED.clear()
    where = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "no" / "f.sqlite3"),
        "OPTIONS": {},
    }
    with database("gone", **where):
        yield


class Pages(Api):
    """A browser without a screen, at the pages."""

    def submit(self, page, accept="text/html", **fields):
        """Send a form, from a page of this site."""
        return self.post(
            f"/auth/{page}/", fields, headers={"sec-fetch-site": "same-origin", "accept": accept}
        )


class Login:
    """The endpoint ``login/``."""

    kind, is_page = Api, False

    def __init__(self, user):
        self.client, self.user = self.kind(), user

    def knock(self, password=PASSWORD, **options):
        """Give a password."""
        return self.client.log_in(self.user, password)


class Tokens(Login):
    """The endpoint ``tokens/``."""

    kind = TokenApi


class Reauthenticate(Login):
    """The endpoint ``reauthenticate/``, in the session of a cookie."""

    def __init__(self, user):
        super().__init__(user)
        assert self.client.log_in(user).status_code in {200, 201}

    def knock(self, password=PASSWORD, **options):
        """Give a password."""
        return self.client.send(AUTH + "reauthenticate/", {"password": password})


class TokenReauthenticate(Reauthenticate):
    """The same, in a bearer session."""

    kind = TokenApi


class LoginPage(Login):
    """The page ``login/``."""

    kind, is_page = Pages, True

    def knock(self, password=PASSWORD, **options):
        """Give a password."""
        name = self.user.get_username()
        return self.client.submit("login", username=name, password=password, **options)


class ReauthenticatePage(LoginPage):
    """The page ``reauthenticate/``."""

    def __init__(self, user):
        super().__init__(user)
        assert super().knock().status_code == 302

    def knock(self, password=PASSWORD, **options):
        """Give a password."""
        return self.client.submit("reauthenticate", password=password, **options)


class DjangosPage(LoginPage):
    """Django's own view."""

    page = "/django/login/"

    def knock(self, password=PASSWORD, **options):
        """Give a password."""
        fields = {"username": self.user.get_username(), "password": password}
        return self.client.post(self.page, fields, headers={"sec-fetch-site": "same-origin"})


class Admin(DjangosPage):
    """The admin."""

    page = "/admin/login/?next=/admin/"

    def __init__(self, user):
        super().__init__(user)
        type(user).objects.filter(pk=user.pk).update(is_staff=True)


@pytest.mark.rule("R20")
@pytest.mark.parametrize("kind", [DjangosPage, Admin])
@pytest.mark.parametrize("first", ["LockoutBackend", "ModelBackend"])
def test_an_outage_of_the_users_database_is_503_at_the_doors_of_django_too(alice, settings, kind, first):
    settings.AUTHENTICATION_BACKENDS = [f"sessionkeeper.backends.{first}", f"{__name__}.Backend"]
    door = kind(alice)
    before = keys()
    BROKEN.add("backend")
    answer = door.knock("wrong")  # so that each backend is asked
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert keys() == before
    assert not lockout.attempts.rows().filter(failures__gt=0).exists()
    BROKEN.clear()
    assert door.knock().status_code == 302


DOORS = [Login, Tokens, Reauthenticate, TokenReauthenticate, LoginPage, ReauthenticatePage]


@pytest.fixture(params=DOORS)
def door(request, alice):
    """Each door, with somebody before it."""
    return request.param(alice)


def keys():
    """Return who may come in by what: the secrets of all sessions."""
    return {(record.id, record.secret_hash, record.authenticated_at) for record in contents.records()}


@pytest.mark.rule("R20")
@pytest.mark.parametrize("part", ["backend", "factor"])
def test_an_outage_of_the_users_database_is_503_and_opens_nothing(door, part):
    before = keys()
    BROKEN.add(part)
    answer = door.knock(accept="application/json")
    problem(answer, 503, "store_unavailable")
    assert int(answer["Retry-After"]) > 0
    assert keys() == before
    BROKEN.clear()
    assert door.knock().status_code in {200, 201, 302}  # the try was given back, and nothing is left of it


@pytest.mark.rule("R32")
def test_a_locked_account_is_429_and_nobody_looks_at_the_password(door, settings):
    settings.SESSIONKEEPER = {**settings.SESSIONKEEPER, "LOCKOUT_TRIES": 1}
    assert door.knock("wrong").status_code == 401
    BROKEN.add("backend")
    answer = door.knock()
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    if not door.is_page:
        problem(answer, 429, "throttled")


@pytest.mark.rule("R31")
def test_a_second_factor_is_401_and_opens_nothing(door):
    before = keys()
    ENROLLED.add(door.user.pk)
    answer = door.knock()
    assert answer.status_code == 401
    if not door.is_page:
        problem(answer, 401, "second_factor_required")
    assert keys() == before
    assert AuditEvent.objects.filter(kind="second_factor_required").count() == 1


@pytest.mark.rule("R34")
@pytest.mark.parametrize("door", [Login, Tokens, LoginPage], indirect=True)
def test_an_inactive_user_is_refused_like_a_wrong_password(door):
    wrong = door.knock("wrong")
    type(door.user).objects.filter(pk=door.user.pk).update(is_active=False)
    inactive = door.knock()
    assert wrong.status_code == inactive.status_code == 401
    assert _without_tokens(inactive.text) == _without_tokens(wrong.text)


def _without_tokens(page):
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]


@pytest.mark.parametrize("door", [Reauthenticate, TokenReauthenticate], indirect=True)
def test_an_inactive_user_has_no_session_to_reauthenticate_in(door):
    type(door.user).objects.filter(pk=door.user.pk).update(is_active=False)
    assert door.knock().status_code == 401


def test_a_password_that_is_right_lets_the_account_begin_anew(door):
    assert door.knock("wrong").status_code == 401
    assert lockout.attempts.rows().filter(failures__gt=0).exists()
    assert door.knock().status_code in {200, 201, 302}
    assert not lockout.attempts.rows().filter(failures__gt=0, until__gt=0, kind="account").exists()
