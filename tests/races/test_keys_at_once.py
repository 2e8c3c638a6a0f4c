"""Requests of one browser at once, one of which changes what the others hold: the key, or the hash in it.

The other requests run in the middle of a view. Whatever answer comes last, the browser stays signed in.
"""

from __future__ import annotations

from contextvars import copy_context
from itertools import permutations

import pytest
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from tests import contents
from tests.conftest import PASSWORD
from tests.unit.middleware.visiting import session_of

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]

STOCK = "django.contrib.auth.backends.ModelBackend"


class Asking(ModelBackend):
    """A backend with a ``get_user`` of its own, so that Django's function is called."""

    def get_user(self, user_id):
        return super().get_user(user_id)


BACKENDS = [STOCK, f"{__name__}.Asking"]


class Site:
    """What the view does, and what happens in the middle of the first request only."""

    do = staticmethod(lambda request: None)
    before = meanwhile = None

    @classmethod
    def run(cls, name):
        """Let the other requests happen, in a context of their own."""
        step = getattr(cls, name)
        setattr(cls, name, None)
        if step is not None:
            copy_context().run(step)


def page(request):
    Site.run("before")
    name = str(request.user.pk)
    Site.run("meanwhile")
    answer = Site.do(request)
    return answer or HttpResponse(name)


def plain(request):
    return HttpResponse(str(request.user.pk))


def cycle(request):
    request.user.is_authenticated  # noqa: B018 - makes it load
    request.session.cycle_key()
    return HttpResponse()


def sign_in(request):
    user = auth.authenticate(request, username=request.GET["name"], password=PASSWORD)
    auth.login(request, user)
    return HttpResponse(str(user.pk))


def put(request):
    request.session["basket"] = 1
    return HttpResponse()


urlpatterns = [
    path("page/", page),
    path("plain/", plain),
    path("cycle/", cycle),
    path("sign_in/", sign_in),
    path("put/", put),
]


@pytest.fixture(autouse=True)
def _site():
    Site.do, Site.before, Site.meanwhile = (lambda request: None), None, None


@pytest.fixture
def user(make_user):
    """A user."""
    return make_user()


@pytest.fixture(params=BACKENDS)
def key(request, user, settings):
    """The key of a session in which the user is signed in."""
    settings.AUTHENTICATION_BACKENDS = [request.param]
    return session_of(user, request.param, kept="yes")


def ask(key, where="/page/", **data):
    """Send one request with this key and return the answer."""
    client = Client()
    if key:
        client.cookies["sessionid"] = key
    return client.get(where, data)


def cookie_in(answer, key):
    """What a browser has after an answer that it asked for with this key."""
    return answer.cookies["sessionid"].value if "sessionid" in answer.cookies else key


def last_cookies(key, answers):
    """What the browser may have in the end: the answers arrive in any order."""
    found = set()
    for order in permutations(answers):
        held = key
        for answer in order:
            held = cookie_in(answer, held)
        found.add(held)
    return found


def switch(settings):
    """Change SECRET_KEY, with the old one as a fallback."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next key"


# A new SECRET_KEY


@pytest.mark.rule("R47")
@pytest.mark.rule("R64")
@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_pages_at_once_after_a_new_secret_key_sign_nobody_out(key, user, settings, moment):
    switch(settings)
    answers = []

    def others():
        answers.extend(ask(key, "/plain/") for _ in range(2))

    setattr(Site, moment, others)
    answers.append(ask(key))
    assert [answer.text for answer in answers] == [str(user.pk)] * 3
    settings.SECRET_KEY_FALLBACKS = []
    for held in last_cookies(key, answers):
        assert ask(held, "/plain/").text == str(user.pk)
    assert contents.count() == 1


@pytest.mark.rule("R47")
def test_an_answer_that_was_lost_after_a_new_secret_key_signs_nobody_out(key, user, settings):
    switch(settings)
    ask(key, "/plain/")
    assert ask(key, "/plain/").text == str(user.pk)
    settings.SECRET_KEY_FALLBACKS = []
    assert ask(key, "/plain/").text == str(user.pk)


@pytest.mark.rule("R47")
def test_processes_with_both_keys_beside_each_other_sign_nobody_out(key, user, settings):
    old, new, held = settings.SECRET_KEY, "the next key", key
    for secret, fallback in [(old, new), (new, old)] * 3 + [(new, None)]:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secret, [fallback] if fallback else []
        answer = ask(held, "/plain/")
        assert answer.text == str(user.pk)
        held = cookie_in(answer, held)
    assert contents.row().data["kept"] == "yes"


@pytest.mark.rule("R47")
def test_a_page_that_ran_during_a_rotation_writes_no_hash_and_is_answered(key, user, settings):
    switch(settings)
    answers = []
    Site.meanwhile = lambda: answers.append(ask(key, "/cycle/"))
    answers.append(ask(key))
    assert (answers[1].status_code, answers[1].text) == (200, str(user.pk))
    assert "sessionid" not in answers[1].cookies
    [held] = last_cookies(key, answers)
    assert ask(held, "/plain/").text == str(user.pk)


@pytest.mark.rule("R47")
def test_a_page_whose_session_ended_meanwhile_is_answered_after_a_new_secret_key(key, user, settings):
    switch(settings)
    Site.meanwhile = lambda: registry.revoke(keys.parse(key).id)
    assert (ask(key).status_code, contents.count()) == (200, 0)


@pytest.mark.rule("R15")
def test_a_new_password_ends_the_session_also_under_a_former_secret_key(key, user, settings):
    switch(settings)
    type(user)._base_manager.filter(pk=user.pk).update(password="another")
    assert ask(key, "/plain/").text == "None"
    assert contents.count() == 0


# Another request changed the key


@pytest.mark.rule("R64")
def test_the_loser_of_two_rotations_keeps_the_session_and_sets_no_cookie(key, user):
    answers = []
    Site.meanwhile = lambda: answers.append(ask(key, "/cycle/"))
    Site.do = lambda request: request.session.cycle_key()
    answers.append(ask(key))
    assert (answers[1].text, "sessionid" in answers[1].cookies) == (str(user.pk), False)
    [held] = last_cookies(key, answers)
    assert ask(held, "/plain/").text == str(user.pk)
    assert ask(key, "/plain/").text == "None"
    assert contents.count() == 1


@pytest.mark.rule("R64")
def test_the_loser_of_two_rotations_still_saves_what_its_user_wrote(key, user):
    answers = []

    def view(request):
        request.session.cycle_key()
        request.session["mine"] = 1

    Site.meanwhile, Site.do = (lambda: answers.append(ask(key, "/cycle/"))), view
    answers.append(ask(key))
    assert (answers[1].status_code, "sessionid" in answers[1].cookies) == (200, False)
    assert contents.row().data["mine"] == 1
    [held] = last_cookies(key, answers)
    assert ask(held, "/plain/").text == str(user.pk)


@pytest.mark.rule("R64")
@pytest.mark.parametrize("other", ["/cycle/", "/sign_in/"])
def test_a_change_of_the_password_keeps_a_session_whose_key_another_request_changed(key, user, other):
    answers = []

    def view(request):
        request.user.set_password("another password")
        request.user.save()
        auth.update_session_auth_hash(request, request.user)

    name = user.get_username()
    Site.meanwhile = lambda: answers.append(ask(key, other, name=name))
    Site.do = view
    answers.append(ask(key))
    assert (answers[1].status_code, "sessionid" in answers[1].cookies) == (200, False)
    [held] = last_cookies(key, answers)
    assert ask(held, "/plain/").text == str(user.pk)


@pytest.mark.rule("R64")
def test_a_visitor_who_lost_against_a_sign_in_leaves_its_cookie_alone(user):
    visitor = cookie_in(ask(None, "/put/"), "")
    answers = []
    Site.meanwhile = lambda: answers.append(ask(visitor, "/sign_in/", name=user.get_username()))
    Site.do = lambda request: request.session.cycle_key()
    answers.append(ask(visitor))
    assert "sessionid" not in answers[1].cookies
    [held] = last_cookies(visitor, answers)
    assert ask(held, "/plain/").text == str(user.pk)


@pytest.mark.rule("R04")
def test_a_visitor_who_lost_against_a_sign_in_writes_nothing_into_the_session(user):
    """Whoever planted the visitor's key could else write into the session of the user."""
    visitor = cookie_in(ask(None, "/put/"), "")
    answers = []

    def view(request):
        request.session.cycle_key()
        request.session["planted"] = 1

    Site.meanwhile = lambda: answers.append(ask(visitor, "/sign_in/", name=user.get_username()))
    Site.do = view
    answers.append(ask(visitor))
    assert (answers[1].status_code, "sessionid" in answers[1].cookies) == (409, False)
    assert "planted" not in contents.row().data


@pytest.mark.rule("R64")
def test_two_sign_ins_at_once_leave_the_browser_signed_in_whichever_answer_is_last(user):
    visitor = cookie_in(ask(None, "/put/"), "")
    answers, name = [], user.get_username()
    Site.meanwhile = lambda: answers.append(ask(visitor, "/sign_in/", name=name))
    Site.do = lambda request: auth.login(request, user, STOCK)
    answers.append(ask(visitor))
    for held in last_cookies(visitor, answers):
        assert ask(held, "/plain/").text == str(user.pk)


@pytest.mark.rule("R64")
@pytest.mark.parametrize("other", ["/cycle/", "/sign_in/"])
def test_a_late_answer_does_not_send_a_former_key_if_every_request_is_saved(key, user, settings, other):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    answers = []
    Site.meanwhile = lambda: answers.append(ask(key, other, name=user.get_username()))
    answers.append(ask(key))
    assert "sessionid" not in answers[1].cookies
    [held] = last_cookies(key, answers)
    assert ask(held, "/plain/").text == str(user.pk)


@pytest.mark.rule("R64")
def test_a_late_answer_does_not_send_a_renewed_key_again_if_every_request_is_saved(key, user, settings):
    """Else the browser would return to it, and be taken for a thief after the overlap."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    settings.SESSIONKEEPER = {"ROTATE_AFTER": 900}
    contents.set_back("authenticated_at", minutes=15)
    answers = []

    def others():
        answers.append(ask(key, "/plain/"))
        answers.append(ask(cookie_in(answers[0], key), "/plain/"))

    Site.meanwhile = others
    answers.append(ask(key))
    assert "sessionid" not in answers[2].cookies
