"""The Python client signs in, calls, lists, ends and signs out, by cookie and by token, at a live server."""

from __future__ import annotations

import ast
import pickle
import socket
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.core.wsgi import get_wsgi_application
from django.db.models import F

import sessionkeeper_client
from client_site import HTTP, PASSWORD
from sessionkeeper.core import keys
from sessionkeeper.models import Session
from sessionkeeper_client.async_client import AsyncClient
from sessionkeeper_client.client import Client
from sessionkeeper_client.errors import (
    InsecureAddress,
    InvalidCredentials,
    NotSignedIn,
    ProblemError,
    ReauthenticationRequired,
    SecondFactorRequired,
    Throttled,
    Unreachable,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["cookie", "bearer"])
def transport(request):
    """Both ways that a key travels."""
    return request.param


@pytest.fixture
def client(make, transport, alice):
    """A client that is signed in as alice."""
    client = make(transport=transport)
    client.login(alice.get_username(), PASSWORD, label="a script")
    return client


def test_it_signs_in_asks_and_signs_out(client, alice, transport):
    answer = client.whoami()
    assert answer["user"]["username"] == alice.get_username()
    assert (answer["session"]["transport"], answer["session"]["label"]) == (transport, "a script")
    client.logout()
    assert not Session.objects.exists()
    with pytest.raises(NotSignedIn) as refused:
        client.whoami()
    assert (refused.value.status, refused.value.code) == (401, "not_authenticated")
    client.logout()  # once more does no harm


def test_calls_of_every_method_pass(client, alice, transport):
    for method in ("get", "post", "put", "patch", "delete"):
        body = {} if method in {"get", "delete"} else {"json": {"a": 1}}
        assert getattr(client, method)("/notes/", **body).json() == {
            "user": alice.get_username(),
            "method": method.upper(),
            "data": body.get("json", {}),
            "token": transport == "cookie" and method != "get",
        }


def test_the_user_sees_and_ends_sessions(client, make, alice):
    others = [make() for _ in range(3)]
    for number, other in enumerate(others):
        other.login(alice.get_username(), PASSWORD, label=f"other {number}", remember=True)
    found = client.sessions()
    assert [one["current"] for one in found] == [True, False, False, False]
    assert found[1]["label"] == "other 2"
    client.revoke(found[1]["id"])
    with pytest.raises(NotSignedIn):
        others[2].whoami()
    assert client.revoke_others() == 2
    assert len(client.sessions()) == 1
    with pytest.raises(ProblemError) as unknown:
        client.revoke(found[1]["id"])
    assert unknown.value.code == "not_found"
    assert client.revoke_all() == 1
    with pytest.raises(NotSignedIn):
        client.whoami()


def test_the_list_is_read_page_by_page(client, make, alice, monkeypatch):
    monkeypatch.setattr("sessionkeeper.api.views.sessions.Pages.max_page_size", 2)
    for _ in range(6):
        make(transport="bearer").login(alice.get_username(), PASSWORD)
    found = [one["id"] for one in client.sessions()]
    assert len(found) == len(set(found)) == 7


def test_an_old_proof_is_asked_for_again(client):
    Session.objects.update(authenticated_at=F("authenticated_at") - timedelta(hours=1))
    with pytest.raises(ReauthenticationRequired) as asked:
        client.revoke_others()
    assert asked.value.problem["type"].endswith("reauthentication_required")
    with pytest.raises(InvalidCredentials):
        client.reauthenticate("wrong")
    before = client.whoami()["session"]["authenticated_at"]
    assert client.reauthenticate(PASSWORD)["session"]["authenticated_at"] > before
    assert client.revoke_others() == 0


def test_a_refused_sign_in_says_why(make, transport, alice):
    client = make(transport=transport)
    with pytest.raises(InvalidCredentials) as refused:
        client.login(alice.get_username(), "wrong")
    assert str(refused.value).startswith("401 invalid_credentials: These credentials are not valid.")
    with pytest.raises(ProblemError) as invalid:
        client.login("", "")
    assert set(invalid.value.problem["errors"]) == {"username", "password"}


def test_a_second_factor_is_an_error_of_its_own(make, transport, alice, settings):
    settings.SESSIONKEEPER = {"SECOND_FACTOR": f"{__name__}.has_factor"}
    client = make(transport=transport)
    with pytest.raises(SecondFactorRequired) as refused:
        client.login(alice.get_username(), PASSWORD)
    assert (refused.value.status, refused.value.code) == (401, "second_factor_required")
    assert not Session.objects.exists()


def has_factor(user):
    """Everybody has one."""
    return True


def test_too_many_tries_say_how_long_to_wait(make, transport, alice, settings):
    settings.SESSIONKEEPER = {"LOCKOUT_TRIES": 2}
    client = make(transport=transport)
    refusals = []
    for _ in range(4):
        with pytest.raises(ProblemError) as refused:
            client.login(alice.get_username(), "wrong")
        refusals.append(refused.value)
        if isinstance(refused.value, Throttled):
            break
    assert isinstance(refusals[-1], Throttled)
    assert refusals[-1].retry_after > 0


def test_a_token_that_went_stale_is_renewed_once_and_the_request_repeated(make, alice):
    client = make()
    client.login(alice.get_username(), PASSWORD)
    assert client.post("/notes/", json={"a": 1}).json()["data"] == {"a": 1}
    for path, body in (("/notes/", {"json": {"a": 2}}), ("/form/", {"data": {"a": "2"}})):
        client.get("/rotate/")
        stale = client._talk._csrf_token
        assert client.post(path, **body).json()["data"]
        assert client._talk._csrf_token != stale


def test_the_csrf_token_travels_in_the_header_that_the_site_wants(make, alice, settings):
    settings.CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
    with pytest.raises(ProblemError) as refused:
        make().login(alice.get_username(), PASSWORD)
    assert refused.value.code == "csrf_token_missing"
    client = make(csrf_header="X-XSRF-Token")
    client.login(alice.get_username(), PASSWORD)
    assert client.post("/notes/", json={"a": 1}).json()["data"] == {"a": 1}


@pytest.mark.parametrize("name", ["", "X CSRF", "X-CSRF:", "X-Ünlich", "X\r\nY"])
def test_what_names_no_header_is_refused_at_once(make, name):
    with pytest.raises(ValueError, match="csrf_header is the name of a header"):
        make(csrf_header=name)


def test_a_body_that_can_be_read_once_is_not_sent_twice(kind, make, alice):
    client = make()
    client.login(alice.get_username(), PASSWORD)
    client.post("/notes/")
    client.get("/rotate/")

    def chunks():
        yield b'{"a": 1}'

    async def achunks():
        yield b'{"a": 1}'

    body = chunks() if kind is Client else achunks()
    with pytest.raises(ProblemError) as refused:
        # With its length the server reads the body that it refuses; else it may reset the connection first.
        client.post("/notes/", content=body, headers={"Content-Length": "8"})
    assert refused.value.code == "csrf_token_incorrect"


def test_a_refusal_that_another_token_does_not_mend_is_told(make, alice, rf):
    client = make()
    with pytest.raises(ProblemError) as refused:
        client.post("/form/", headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403


def test_a_token_of_before_is_enough(client, make, alice, transport):
    if transport == "cookie":
        assert client.token is None
        return
    other = make(token=client.token)
    assert other.whoami()["user"]["username"] == alice.get_username()
    assert keys.parse_bearer(other.token) is not None


def test_a_token_with_scopes_opens_what_they_say(make, alice):
    client = make(transport="bearer")
    answer = client.login(alice.get_username(), PASSWORD, scopes=["notes"])
    assert answer["scopes"] == ["notes"]
    assert client.get("/notes/").status_code == 200
    with pytest.raises(ProblemError) as refused:
        client.sessions()
    assert refused.value.code == "insufficient_scope"


def test_signing_out_of_a_session_that_is_over_does_no_harm(client):
    Session.objects.all().delete()
    client.logout()
    assert not list(client._talk.jar)
    assert client.token is None


def test_who_holds_a_dead_token_can_sign_in_again(client, alice, transport):
    Session.objects.all().delete()
    with pytest.raises(NotSignedIn):
        client.whoami()
    client.login(alice.get_username(), PASSWORD)
    assert client.whoami()["session"]["transport"] == transport


def test_a_client_with_a_token_takes_no_cookies(make, alice):
    client = make(transport="bearer")
    client.get("/remember/")
    client.login(alice.get_username(), PASSWORD)
    client.get("/remember/")
    assert not list(client._talk.jar)
    assert client.whoami()["user"]["username"] == alice.get_username()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/moved/", 302, "redirects to /notes/"),
        ("/fails/", 500, "Internal Server Error"),
        ("/list/", 400, "Bad Request"),
        ("/nowhere/", 404, "Not Found"),
    ],
)
def test_what_is_no_success_is_an_error_also_without_a_problem(make, path, status, said):
    with pytest.raises(ProblemError, match=f"{status}.*{said}") as refused:
        make().get(path)
    assert refused.value.status == status
    assert refused.value.code == ""


def test_a_site_without_the_api_is_named(make):
    with pytest.raises(ProblemError, match="no answer of sessionkeeper's API at /page/api/auth/session/"):
        make(api="page/api/auth").whoami()
    with pytest.raises(ProblemError, match="no answer of sessionkeeper's API at /other/session/"):
        make(api="other").whoami()


def test_nobody_at_that_address_is_an_error_of_ours(make):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # takes no connection: nobody listens
        with pytest.raises(Unreachable, match=r"GET http://127\.0\.0\.1"):
            make(url=f"http://127.0.0.1:{silent.getsockname()[1]}").whoami()


@pytest.mark.parametrize("address", ["http://evil.example/x", "https://127.0.0.1/x"])
def test_a_key_is_sent_to_its_own_site_only(make, live_server, address):
    client = make(token="sess_secret")
    with pytest.raises(InsecureAddress, match="is not at http://"):
        client.get(address)
    assert client.get(f"{live_server.url}/rotate/").status_code == 200


@pytest.mark.parametrize("identifier", ["../login", "a/b", "", "a?b"])
def test_what_is_no_session_id_is_not_sent(make, identifier):
    client = make()
    with pytest.raises(ValueError, match="session id"):
        client.revoke(identifier)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://example.org", "plain http"),
        ("http://localhost.example.org", "plain http"),
        ("http://10.0.0.1", "plain http"),
        ("ftp://example.org", "is like https://"),
        ("example.org", "is like https://"),
        ("https://me:hunter2@example.org", "pass these to login"),
        ("ftp://me:hunter2@example.org", "pass these to login"),
    ],
)
@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_an_address_that_a_password_must_not_be_sent_to_is_refused(cls, url, error):
    with pytest.raises(ValueError, match=error) as refused:
        cls(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost", "https://x.example"]
)
def test_this_machine_and_https_are_taken(url):
    Client(url, http_options=HTTP).close()
    Client("http://10.0.0.1", allow_http=True, http_options=HTTP).close()


def test_a_transport_that_is_none_is_refused():
    with pytest.raises(ValueError, match="transport is 'cookie' or 'bearer'"):
        Client("https://example.org", transport="jwt")


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
def test_https_with_secure_cookies_works(alice, settings, transport):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    application = httpx.WSGITransport(get_wsgi_application())
    with Client("https://testserver", transport=transport, http_options={"transport": application}) as client:
        client.login(alice.get_username(), PASSWORD)
        assert client.post("/notes/", json={}).json()["user"] == alice.get_username()
        assert client.post("/form/", data={"a": "1"}).json() == {"data": {"a": "1"}}
        client.logout()


def test_neither_repr_nor_errors_tell_secrets(client, alice):
    token = client.token or "-"
    assert token not in repr(client._talk) + repr(client)
    with pytest.raises(InvalidCredentials) as refused:
        client.reauthenticate("hunter2")
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (type(copy), str(copy), copy.code) == (InvalidCredentials, str(refused.value), refused.value.code)
    assert "hunter2" not in repr(vars(refused.value))


def test_it_imports_httpx_and_nothing_of_django():
    """Nor anything of what runs at the site: no function does either."""
    found = set()
    for path in Path(sessionkeeper_client.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    assert found - sys.stdlib_module_names == {"httpx", "sessionkeeper_client"}


async def test_both_clients_have_the_same_methods():
    def public(cls):
        return {name for name in vars(cls) if not name.startswith("_")} - {"close", "aclose"}

    assert public(Client) == public(AsyncClient)
