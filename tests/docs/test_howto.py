"""The pages on how to run a site and how to move one tell the truth."""

from __future__ import annotations

import re
import shlex

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management import load_command_class
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionkeeper.core import context, keys
from sessionkeeper.models import Session
from tests.demo_server import ROOT

OURS, DJANGOS = "sessionkeeper.middleware", "django.contrib"
OPERATIONS = (ROOT / "docs/howto/operations.md").read_text()
RETENTION = (ROOT / "docs/howto/retention.md").read_text()


def whoami(request):
    """Name the user of the request."""
    return HttpResponse(request.user.get_username() or "nobody")


urlpatterns = [path("whoami/", whoami)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def engine_alone(settings):
    """Our engine under Django's own middleware."""
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]


@pytest.fixture
def person(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def client(person):
    """A client with a session of that user."""
    client = Client()
    client.force_login(person)
    context.begin()  # what a test does next is no part of that request
    return client


def change(user, **fields):
    """Change a user so that no signal tells of it."""
    get_user_model().objects.filter(pk=user.pk).update(**fields)


def is_in(client):
    """Whether the client is signed in."""
    return client.get("/whoami/").content != b"nobody"


def test_a_user_disabled_by_update_is_out_for_good_with_our_middleware(person, client):
    change(person, is_active=False)
    assert not is_in(client)
    change(person, is_active=True)
    assert not is_in(client)


def test_a_user_disabled_by_update_who_made_no_request_is_in_again(person, client):
    change(person, is_active=False)
    change(person, is_active=True)
    assert is_in(client)


@pytest.mark.usefixtures("engine_alone")
def test_a_user_disabled_by_update_is_only_kept_out_with_the_engine_alone(person, client):
    change(person, is_active=False)
    assert not is_in(client)
    change(person, is_active=True)
    assert is_in(client)


@pytest.mark.usefixtures("engine_alone")
def test_a_password_changed_by_update_ends_the_session_with_the_engine_alone(person, client):
    change(person, password=make_password("another one"))
    assert not is_in(client)
    assert not Session.objects.exists()


@pytest.mark.usefixtures("engine_alone")
@pytest.mark.parametrize("how", ["disabled", "deleted", "password"])
def test_a_user_changed_by_save_is_out_for_good_with_the_engine_alone(person, client, how):
    if how == "deleted":
        person.delete()
    else:
        person.is_active = how != "disabled"
        person.set_password("another one" if how == "password" else "x")
        person.save()
    assert not Session.objects.exists()
    assert not is_in(client)


@pytest.mark.parametrize("ours", [("sessions",), ("auth",)])
def test_one_middleware_of_ours_and_one_of_djangos_work_too(settings, client, ours):
    session, auth = (
        OURS if name in ours else f"{DJANGOS}.{name}.middleware" for name in ("sessions", "auth")
    )
    settings.MIDDLEWARE = [f"{session}.SessionMiddleware", f"{auth}.AuthenticationMiddleware"]
    assert is_in(client)


@pytest.mark.parametrize("cookie", ["x" * 32, "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6", ".eJx:1t:signed"])
def test_a_key_of_another_engine_is_refused_without_a_look_into_the_store(
    client, cookie, django_assert_num_queries
):
    client.cookies["sessionid"] = cookie
    with django_assert_num_queries(0):
        assert not is_in(client)


@pytest.mark.parametrize("line", re.findall(r"manage\.py (sessions \w[^`\n]*)", OPERATIONS + RETENTION))
def test_each_command_of_the_pages_on_operations_and_retention_is_one(line):
    name, *arguments = shlex.split(line)
    parser = load_command_class("sessionkeeper", name).create_parser("manage.py", name)
    options = parser.parse_args(arguments)
    named = [options.id] if options.verb == "show" else getattr(options, "ids", [])
    assert all(keys.parse_id(text) is not None for text in named)
