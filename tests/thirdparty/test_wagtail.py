"""Wagtail's admin."""

from __future__ import annotations

import pytest
from wagtail.models import Collection, Locale, Page

from sessionkeeper.models import Session
from tests.thirdparty.conftest import NEW_PASSWORD, PASSWORD, signed_in


@pytest.fixture(autouse=True)
def site(db):
    """What Wagtail's migrations put into a new database."""
    locale = Locale.objects.create(language_code="en")
    Collection.add_root(name="Root")
    root = Page.add_root(title="Root", slug="root", locale=locale)
    return root.add_child(instance=Page(title="Welcome", slug="home", locale=locale))


@pytest.fixture
def editor(browser):
    """A browser in which alice is signed in to Wagtail."""
    browser.sign_in("/cms/login/")
    return browser


def test_an_editor_signs_in_sees_the_pages_and_signs_out(editor):
    assert editor.get("/cms/").status_code == 200
    assert b"Welcome" in editor.get("/cms/pages/").content
    editor.submit("/cms/account/", to="/cms/logout/")
    assert editor.user == ""
    assert editor.get("/cms/").url.startswith("/cms/login/")
    assert signed_in() == 0


def test_an_editors_session_says_that_a_password_was_proved(browser, settings):
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    browser.sign_in("/cms/login/")
    assert Session.objects.get().amr == "pwd"


def test_an_editor_changes_a_page(editor, site):
    page = f"/cms/pages/{site.pk}/edit/"
    values = {"title": "Hello", "slug": "home", "comments-TOTAL_FORMS": 0, "comments-INITIAL_FORMS": 0}
    editor.submit(page, {**values, "action-publish": "yes"})
    site.refresh_from_db()
    assert site.title == "Hello"
    assert b"published" in editor.get("/cms/").content


def test_a_password_change_keeps_this_session_and_ends_the_others(editor, other):
    old = editor.key
    editor.submit(
        "/cms/account/",
        {
            "name_email-first_name": "Alice",
            "name_email-last_name": "Liddell",
            "name_email-email": "alice@example.org",
            "theme-theme": "system",
            "theme-contrast": "system",
            "theme-density": "default",
            "theme-keyboard_shortcuts": "on",
            "password-old_password": PASSWORD,
            "password-new_password1": NEW_PASSWORD,
            "password-new_password2": NEW_PASSWORD,
        },
    )
    assert (editor.user, other.user) == ("alice", "")
    assert editor.key != old
    assert signed_in() == 1


def test_remember_me_sets_how_long_the_cookie_lives(browser, settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    browser.sign_in("/cms/login/")
    assert browser.cookies["sessionid"]["max-age"] == ""
    browser.submit("/cms/account/", to="/cms/logout/")
    browser.sign_in("/cms/login/", remember="on")
    assert browser.cookies["sessionid"]["max-age"] >= settings.SESSION_COOKIE_AGE
    assert browser.session.get_expiry_age() == settings.SESSION_COOKIE_AGE
