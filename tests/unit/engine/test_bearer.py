"""Bearer sessions: what their token opens, and that it never opens anything in a cookie."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.auth import flows
from sessionkeeper.core import keys
from sessionkeeper.core.errors import InvalidCredentials
from sessionkeeper.engine import registry, session_data
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http.transports import Bearer
from sessionkeeper.stores.factory import get_store
from tests import contents
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]

#: What the next request does.
ACTIONS = {}


def act(request):
    return ACTIONS["it"](request) or HttpResponse("done")


def nothing(request):
    return HttpResponse("hello")


def me(request):
    return HttpResponse(str(request.user.pk))


async def me_async(request):
    return HttpResponse(str((await request.auser()).pk))


urlpatterns = [
    path("act/", act),
    path("nothing/", nothing),
    path("me/", me),
    path("me/async/", me_async),
]


def issue(user, **options):
    """Begin a bearer session for a user."""
    request = RequestFactory().post("/", headers={"user-agent": "Phone/1"})
    request.session = SessionStore()
    request.session.client.user_agent = "Phone/1"
    name = auth.get_user_model().USERNAME_FIELD
    return flows.issue_token(
        request, credentials={name: user.get_username(), "password": PASSWORD}, **options
    )


class Program:
    """A client with a token, over Django's handlers."""

    def __init__(self, token, kind="sync"):
        client = {"sync": Client, "async": AsyncClient}[kind]
        self.client = client(raise_request_exception=False, enforce_csrf_checks=True)
        self.kind, self.token = kind, token

    def get(self, path="/me/", *, method="get", headers=None):
        """Send a request."""
        send = getattr(self.client, method)
        send = send if self.kind == "sync" else async_to_sync(send)
        return send(path, headers={"Authorization": f"Bearer {self.token}", **(headers or {})})

    def do(self, action, **options):
        """Run a function as a view."""
        ACTIONS["it"] = action
        return self.get("/act/", **options)


@pytest.fixture
def user(make_user):
    return make_user()


@pytest.fixture(params=["sync", "async"])
def program(request, user):
    """A client that holds a token of ``user``."""
    return Program(issue(user).token, request.param)


def row(program):
    """The row of a client's session, or None."""
    found = get_store().find(keys.parse_bearer(program.token).id)
    return None if found is None else contents.row(found.record.id)


# Issuing


def test_a_token_opens_a_session_of_its_own_in_the_same_table(user):
    issued = issue(user, label="phone")
    assert keys.parse_bearer(issued.token).id == issued.session_id
    session = contents.row(issued.session_id)
    assert (session.user_id, session.transport, session.label) == (user.pk, "bearer", "phone")
    assert (session.amr, session.user_agent) == ("pwd", "Phone/1")
    assert session.authenticated_at == session.created_at
    assert [record.id for record in registry.list_for(user)] == [issued.session_id]


def test_wrong_credentials_give_no_token(user):
    user.set_password("another one")
    user.save()
    with pytest.raises(InvalidCredentials):
        issue(user)
    assert not contents.records()


def test_the_receivers_of_a_sign_in_see_the_new_session_and_the_request_gets_its_own_back(user):
    seen = []

    def receive(request, user, **_):
        seen.append((request.session.transport, request.session.session_key, request.user))

    request = RequestFactory().post("/")
    request.session, request.user = SessionStore(), "whoever"
    own = request.session
    auth.user_logged_in.connect(receive)
    try:
        name = auth.get_user_model().USERNAME_FIELD
        credentials = {name: user.get_username(), "password": PASSWORD}
        issued = flows.issue_token(request, credentials=credentials)
    finally:
        auth.user_logged_in.disconnect(receive)
    assert seen == [("bearer", keys.parse_bearer(issued.token).text, user)]
    assert (request.session, request.user) == (own, "whoever")
    assert (own.accessed, own.modified) == (False, False)
    assert "CSRF_COOKIE_NEEDS_UPDATE" not in request.META


@pytest.mark.rule("R40")
def test_no_row_holds_the_token_or_its_secret(user):
    issued = issue(user)
    dump = contents.dump()
    secret = keys.parse_bearer(issued.token).secret
    assert issued.token not in dump
    assert secret[: keys.ROTATING_LENGTH] not in dump


def test_the_answer_of_issue_does_not_show_the_token_in_a_log_line(user):
    issued = issue(user)
    assert issued.token not in repr(issued)
    assert issued.token not in str(issued)


# Reading


@pytest.mark.parametrize("path", ["/me/", "/me/async/"])
def test_a_token_says_who_it_is_in_one_statement(program, user, path):
    with CaptureQueriesContext(connection) as context:
        response = program.get(path)
    assert response.text == str(user.pk)
    assert [query["sql"].split()[0] for query in context] == ["SELECT"]
    assert not response.cookies
    assert response["Vary"] == "Cookie, Authorization"
    assert "no-store" in response["Cache-Control"]


def test_a_page_that_does_not_ask_costs_nothing(program):
    with CaptureQueriesContext(connection) as context:
        response = program.get("/nothing/")
    assert len(context) == 0
    assert "Vary" not in response.headers


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(program, user, scheme):
    response = program.get(headers={"Authorization": f"{scheme} {program.token}"})
    assert response.text == str(user.pk)


@pytest.mark.parametrize(
    "header",
    ["{}", "Basic {}", "Token {}", "Bearer", "Bearer x{}", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.{}", "Bearer{}"],
)
def test_other_authorization_headers_are_left_alone(program, header):
    seen = []
    program.do(
        lambda request: seen.append(request.session.transport),
        headers={"Authorization": header.format(program.token)},
    )
    assert seen == ["cookie"]


@pytest.mark.rule("R05")
@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_any_header_is_read_without_an_error(text):
    request = RequestFactory().get("/")
    request.META["HTTP_AUTHORIZATION"] = f"Bearer sess_{text}"
    session = BearerSession(Bearer.read(request))
    assert session.session_key is None


@pytest.mark.rule("R23")
def test_the_token_is_not_read_from_the_query_string_or_the_body(user):
    token = issue(user).token
    client = Client()
    for name in ("access_token", "token", "Authorization", "sessionid"):
        assert client.get("/me/", {name: token}).text == "None"
        assert client.post("/me/", {name: token}).text == "None"


# One transport each


@pytest.mark.rule("R41")
def test_the_key_of_a_bearer_session_opens_nothing_in_a_cookie(program):
    key = keys.parse_bearer(program.token)
    client = Client()
    for value in (key.text, program.token):
        client.cookies["sessionid"] = value
        assert client.get("/me/").text == "None"
    store = SessionStore(key.text)
    assert dict(store.items()) == {}
    assert not SessionStore().exists(key.text)
    assert row(program) is not None


def test_a_bearer_session_is_not_written_through_a_cookie(program, user):
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = keys.parse_bearer(program.token).text

    def replace(request):
        request.session.clear()
        request.session["mine"] = 1

    ACTIONS["it"] = replace
    client.get("/act/")
    assert "mine" not in row(program).data
    assert program.get().text == str(user.pk)


def test_the_key_of_a_cookie_opens_nothing_as_a_token(user):
    client = Client()
    client.force_login(user)
    text = client.cookies["sessionid"].value
    for token in (keys.to_bearer(keys.parse(text)), f"sess_{text}", text):
        assert Program(token).get().text == "None"
    assert client.get("/me/").text == str(user.pk)


@pytest.mark.rule("R41")
def test_both_at_once_are_refused_before_anything_is_read(program):
    program.client.cookies["sessionid"] = "whatever"
    with CaptureQueriesContext(connection) as context:
        response = program.get("/nothing/")
    assert response.status_code == 400
    assert response.json()["code"] == "two_transports"
    assert {"Cookie", "Authorization"} <= set(response["Vary"].split(", "))
    assert len(context) == 0
    assert not response.cookies


def test_a_foreign_token_beside_the_cookie_is_nobodys_business(user):
    client = Client()
    client.force_login(user)
    response = client.get("/me/", headers={"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"})
    assert response.text == str(user.pk)


# CSRF


def test_no_csrf_token_is_asked_of_a_request_with_a_token(program, user):
    assert program.get("/me/", method="post").text == str(user.pk)


def test_the_csrf_check_stays_for_all_other_requests(program):
    response = program.get("/me/", method="post", headers={"Authorization": "Bearer other"})
    assert response.status_code == 403


# The key stays


def test_a_change_of_the_password_keeps_the_token_and_ends_the_others(program, user):
    other, client = Program(issue(user).token), Client()
    client.force_login(user)

    def change(request):
        request.user.set_password("a new one, and long")
        request.user.save()
        auth.update_session_auth_hash(request, request.user)

    response = program.do(change)
    assert response.status_code == 200
    assert not response.cookies
    assert program.get().text == str(user.pk)
    assert other.get().text == "None"
    assert client.get("/me/").text == "None"


def test_what_a_view_stores_is_there_at_the_next_request(program):
    program.do(lambda request: request.session.__setitem__("a", 1))
    assert program.do(lambda request: HttpResponse(str(request.session["a"]))).text == "1"


@pytest.mark.parametrize("action", ["cycle_key", "clear"])
def test_whatever_a_view_does_to_the_session_the_token_goes_on(program, action):
    response = program.do(lambda request: getattr(request.session, action)())
    assert response.status_code == 200
    assert not response.cookies
    kept = program.do(lambda request: HttpResponse(str(request.session.keys() is not None)))
    assert kept.status_code == 200
    assert row(program).transport == "bearer"


def test_a_second_sign_in_of_the_same_user_keeps_the_token(program, user):
    program.do(lambda request: auth.login(request, user, "django.contrib.auth.backends.ModelBackend"))
    assert program.get().text == str(user.pk)


def test_a_sign_in_of_another_user_is_refused_and_ends_the_session(program, make_user):
    other = make_user()
    response = program.do(
        lambda request: auth.login(request, other, "django.contrib.auth.backends.ModelBackend")
    )
    assert response.status_code == 400
    assert response.json()["code"] == "no_transport"
    assert not contents.records()


@pytest.mark.parametrize(
    "action",
    [
        lambda request: request.session.__setitem__("a", 1),
        lambda request: request.session.create(),
        lambda request: auth.login(request, request.whom, "django.contrib.auth.backends.ModelBackend"),
    ],
    ids=["write", "create", "sign-in"],
)
def test_a_dead_token_begins_no_session(program, user, action):
    contents.drop()

    def view(request):
        request.whom = user
        action(request)

    response = program.do(view)
    assert response.status_code == 401
    assert response.json()["code"] == "token_invalid"
    assert response["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'
    assert not contents.records()
    assert not response.cookies


def test_a_sign_out_ends_the_session(program):
    response = program.do(auth.logout)
    assert response.status_code == 200
    assert not response.cookies
    assert row(program) is None
    assert program.get().text == "None"


def test_a_session_that_is_ended_while_a_request_writes_is_a_401(program):
    def view(request):
        request.session["a"] = 1
        contents.drop()

    response = program.do(view)
    assert (response.status_code, response.json()["code"]) == (401, "token_invalid")


def test_a_disabled_user_has_no_token_any_more(program, user):
    user.is_active = False
    user.save()
    user.is_active = True
    user.save()
    assert program.get().text == "None"


# Scopes


def test_a_session_with_scopes_is_nobody_to_views_that_know_no_scopes(user):
    for kind, page in (("sync", "/me/"), ("async", "/me/async/")):
        program = Program(issue(user, scopes=["notes:read"]).token, kind)
        assert program.get(page).text == "None"
        assert row(program) is not None
        assert program.do(lambda request: HttpResponse(str(request.session.scopes))).text == "['notes:read']"


def test_a_session_with_an_empty_list_of_scopes_is_restricted_too(user):
    assert Program(issue(user, scopes=[]).token).get().text == "None"


@pytest.mark.parametrize("broken", ["notes:read", 1, {}, None])
def test_scopes_that_cannot_be_read_are_no_scopes(broken):
    assert session_data.scopes_of({session_data.SCOPES_KEY: broken}) == []
    assert session_data.scopes_of({}) is None
