"""A model beside a session: whatever a request does in whatever transactions, both say the same.

The model is a page of plain Python that knows nothing of keys or rows: who is signed in, and what is stored.
A rollback takes a sign-in back, with everything that the session was given after it. It takes back no other
data, and no sign-out.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest
from django.contrib import auth
from django.db import connection, transaction
from django.http import JsonResponse
from django.test import Client
from django.urls import path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionkeeper.core import keys
from sessionkeeper.models import Session
from tests.conftest import new_user

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
    pytest.mark.rule("R64"),
    pytest.mark.database_store_only("a rollback undoes nothing in Valkey"),
]
BACKEND = "django.contrib.auth.backends.ModelBackend"
USERS, REQUEST = [], {}

ACTIONS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abc")),
    st.tuples(st.just("drop"), st.sampled_from("abc")),
    st.tuples(st.just("sign in"), st.integers(0, 1)),
    st.sampled_from([("sign out",), ("change key",), ("save",), ("save",), ("look",)]),
)
FATES = st.sampled_from(["commit", "undo", "fail"])
STEPS = st.recursive(
    st.lists(ACTIONS, max_size=4),
    lambda inner: st.lists(st.one_of(ACTIONS, st.tuples(st.just("block"), FATES, inner)), max_size=4),
    max_leaves=12,
)
REQUESTS = st.lists(st.tuples(st.booleans(), st.booleans(), STEPS), min_size=1, max_size=3)
VALUES = count()


class Failed(Exception):
    """What ends a block that fails."""


class Model:
    """What the session of a browser is expected to be."""

    def __init__(self):
        self.user, self.data = None, {}
        self.has_ended = False
        self.sign_ins = []  # of the open blocks: what the data were before

    def end(self):
        """The session ends, for good."""
        self.user, self.data, self.has_ended = None, {}, True
        self.sign_ins.clear()

    def sign_in(self, user):
        """A user signs in."""
        if self.user not in {None, user}:
            self.end()
        self.sign_ins.append((self.user, dict(self.data)))
        self.user = user

    def undo(self, since, ended_before):
        """A block is rolled back that began when there were this many sign-ins."""
        first = 0 if self.has_ended and not ended_before else since
        if self.sign_ins[first:]:
            self.user, self.data = self.sign_ins[first]
            del self.sign_ins[first:]


def view(request):
    """Do the steps of a request, with the session and with the model."""
    model, steps = REQUEST["model"], REQUEST["steps"]
    run(steps, request, model)
    if REQUEST["undo"]:
        transaction.set_rollback(True)
    return JsonResponse({})


def run(steps, request, model):
    """Do these steps."""
    session = request.session
    for step in steps:
        match step:
            case "put", name:
                session[name] = model.data[name] = next(VALUES)
            case "drop", name:
                session.pop(name, None)
                model.data.pop(name, None)
            case "sign in", number:
                auth.login(request, USERS[number], BACKEND)
                model.sign_in(USERS[number].pk)
            case ("sign out",):
                auth.logout(request)
                model.end()
            case ("change key",):
                session.cycle_key()
            case ("save",):
                session.save()
            case ("look",):
                assert session_of(request) == (model.user, model.data)
            case "block", fate, inner:
                block(fate, inner, request, model)


def block(fate, steps, request, model):
    """Do these steps in a transaction of their own, which ends like this."""
    since, before, model.has_ended = len(model.sign_ins), model.has_ended, False
    with suppress(Failed), transaction.atomic():
        run(steps, request, model)
        if fate == "fail":
            raise Failed
        transaction.set_rollback(fate == "undo")
    if fate != "commit":
        model.undo(since, ended_before=False)
    model.has_ended |= before
    assert session_of(request) == (model.user, model.data)
    assert request.user.pk == model.user


def session_of(request):
    """Return the user whom the session names, and its other data."""
    data = dict(request.session.items())
    user = data.get("_auth_user_id")
    pk = None if user is None else auth.get_user_model()._meta.pk.to_python(user)
    return pk, {name: value for name, value in data.items() if not name.startswith("_")}


def who(request):
    """Say what the session is."""
    user, data = session_of(request)
    assert request.user.pk == user
    return JsonResponse({"user": None if user is None else str(user), "data": data})


urlpatterns = [path("view/", view), path("who/", who)]


@given(REQUESTS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_session_is_what_its_transactions_have_left_of_it(requests):
    Session.objects.all().delete()
    USERS[:] = USERS if USERS and type(USERS[0]).objects.filter(pk=USERS[0].pk) else [new_user(), new_user()]
    browser, model = Client(headers={"sec-fetch-site": "same-origin"}), Model()
    for is_atomic, undo, steps in requests:
        key = key_of(browser)
        model.has_ended = False
        model.sign_ins.clear()
        REQUEST.update(model=model, steps=steps, undo=is_atomic and undo)
        connection.settings_dict["ATOMIC_REQUESTS"] = is_atomic
        try:
            assert browser.post("/view/").status_code == 200
        finally:
            connection.settings_dict["ATOMIC_REQUESTS"] = False
        if is_atomic and undo:
            model.undo(0, ended_before=False)
        agree(browser, model, key if model.has_ended else None)


def agree(browser, model, ended):
    """The next request sees what the model says, and the key of a session that was ended opens nothing."""
    key = keys.parse(key_of(browser))
    assert key is None or Session.objects.filter(pk=key.id, secret_hash=key.secret_hash).exists()
    said = {"user": None if model.user is None else str(model.user), "data": model.data}
    assert browser.get("/who/").json() == said
    if ended is not None:
        copy = Client()
        copy.cookies["sessionid"] = ended
        assert copy.get("/who/").json() == {"user": None, "data": {}}


def key_of(browser):
    """Return the key in the cookie, or None."""
    morsel = browser.cookies.get("sessionid")
    return morsel.value if morsel and morsel.value else None
