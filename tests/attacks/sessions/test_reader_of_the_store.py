"""Somebody who can read the store, and knows no key: what they make of it ends nobody's session.

The family of a key has 42 bits, so its hash must not be something that can be searched for.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from django.contrib import auth
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionkeeper.core import keys
from sessionkeeper.models import AuditEvent
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.stores import insert
from tests.unit.middleware.visiting import session_of

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]


def me(request):
    return HttpResponse(str(request.user.pk))


def sign_in(request):
    user = auth.get_user_model()._default_manager.get(pk=request.GET["pk"])
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


urlpatterns = [path("me/", me), path("sign_in/", sign_in)]


@pytest.fixture(autouse=True)
def _renewing(settings):
    settings.SESSIONKEEPER = {"ROTATE_AFTER": timedelta(minutes=15), "TOUCH_INTERVAL": timedelta(hours=1)}


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture
def browser(user):
    """A browser in which the user signed in."""
    client = Client()
    client.get("/sign_in/", {"pk": str(user.pk)})
    return client


def renew(client):
    """Let the key of a browser be renewed, and the new one be used for longer than the overlap."""
    contents.set_back("authenticated_at", "previous_at", minutes=15)
    client.get("/me/")
    client.get("/me/")
    contents.set_back("previous_at", minutes=1)


def key_of(client):
    """The key in the cookie."""
    return keys.parse(client.cookies["sessionid"].value)


def with_family_of(key):
    """A made-up key of the session with the right family."""
    return keys.Key(key.id, "A" * keys.ROTATING_LENGTH + key.secret[keys.ROTATING_LENGTH :])


def ask(key):
    """Send one request with this key and return who it was."""
    client = Client()
    client.cookies["sessionid"] = key.text
    return client.get("/me/").text


def searchable(key):
    """What somebody without a server key can compute of each of the 2^42 families."""
    family = key.secret[keys.ROTATING_LENGTH :]
    texts = [family, keys.encode_id(key.id) + family, f"{key.id}{family}"]
    return {sha256(text.encode()).digest() for text in texts}


def is_end(event):
    return event in AuditEvent.objects.values_list("kind", flat=True)


@pytest.mark.rule("R63")
@pytest.mark.parametrize("how", ["signed in", "renewed", "signed in again", "visitor"])
def test_no_family_can_be_searched_for_in_what_is_stored(browser, user, how):
    if how == "renewed":
        renew(browser)
    elif how == "signed in again":
        browser.get("/sign_in/", {"pk": str(user.pk)})
    key = key_of(browser)
    record = contents.record(key.id)
    assert not {record.family_hash, record.secret_hash, record.previous_hash} & searchable(key)


@pytest.mark.rule("R63")
@pytest.mark.parametrize("renewing", [True, False])
def test_a_made_up_copy_ends_no_session_whose_key_was_never_renewed(browser, user, settings, renewing):
    if not renewing:
        settings.SESSIONKEEPER = {}
    assert ask(with_family_of(key_of(browser))) == "None"
    assert browser.get("/me/").text == str(user.pk)


@pytest.mark.rule("R63")
def test_what_is_stored_of_a_family_depends_on_the_session_and_the_server_key(browser, user, settings):
    renew(browser)
    other = Client()
    other.get("/sign_in/", {"pk": str(user.pk)})
    key, swapped = key_of(browser), key_of(other)
    assert ask(keys.Key(swapped.id, with_family_of(key).secret)) == "None"
    settings.SECRET_KEY = "of another site"
    other_hash = contents.record(key.id).family_hash
    get_store().revoke(key.id)
    browser.cookies.clear()
    browser.get("/sign_in/", {"pk": str(user.pk)})
    assert contents.record(key_of(browser).id).family_hash != other_hash


# Rows and processes of a release that stored the plain hash


def of_another_release(user, **fields):
    """A session as a release that knows no keyed hash has stored it, with a key that is due."""
    made = contents.record(keys.parse(session_of(user)).id)
    get_store().revoke(made.id)
    key = insert(get_store(), user_id=user.pk, data=made.data, authenticated=True, **fields)
    assert contents.record(key.id).family_hash == key.family_hash
    client = Client()
    client.cookies["sessionid"] = key.text
    return client


@pytest.mark.rule("L13")
@pytest.mark.rule("R63")
def test_a_plain_hash_becomes_a_keyed_one_at_the_next_renewal(user):
    client = of_another_release(user)
    first = key_of(client)
    renew(client)
    assert key_of(client) != first
    assert not {contents.record(first.id).family_hash} & searchable(first)
    assert ask(first) == "None"
    assert is_end("copy_detected")


@pytest.mark.rule("L13")
def test_a_copy_is_found_by_the_plain_hash_of_another_release(user):
    client = of_another_release(user)
    first = key_of(client)
    get_store().renew(first.id, first.secret_hash, keys.rotate(first).secret_hash, first.family_hash)
    contents.set_back("authenticated_at", minutes=15)
    get_store().touch(first.id, contents.record(first.id).secret_hash)
    contents.set_back("previous_at", minutes=1)
    assert ask(first) == "None"
    assert is_end("copy_detected")


@pytest.mark.rule("L13")
def test_a_made_up_copy_ends_no_plain_session_whose_key_was_never_renewed(user):
    client = of_another_release(user)
    assert ask(with_family_of(key_of(client))) == "None"
    assert client.get("/me/").text == str(user.pk)


# Another server key


@pytest.mark.rule("R47")
@pytest.mark.rule("R42")
def test_a_copy_from_before_a_new_secret_key_is_found_with_the_fallback(browser, settings):
    first = key_of(browser)
    renew(browser)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "next", [settings.SECRET_KEY]
    assert ask(first) == "None"
    assert is_end("copy_detected")


@pytest.mark.rule("R47")
@pytest.mark.rule("R42")
def test_a_renewal_under_a_new_secret_key_makes_the_fallback_unnecessary(browser, settings):
    first = key_of(browser)
    renew(browser)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "next", [settings.SECRET_KEY]
    renew(browser)
    settings.SECRET_KEY_FALLBACKS = []
    assert ask(first) == "None"
    assert is_end("copy_detected")


@pytest.mark.rule("R47")
def test_without_the_server_key_a_copy_is_refused_and_ends_nothing(browser, user, settings):
    first = key_of(browser)
    renew(browser)
    browser.get("/sign_in/", {"pk": str(user.pk)})
    renew(browser)
    settings.SECRET_KEY = "unknown"
    assert ask(first) == "None"
    assert contents.count() == 1
