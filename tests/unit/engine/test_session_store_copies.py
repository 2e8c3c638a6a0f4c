"""A session is copied and pickled as Django's is: it holds the same, and is saved like the original."""

from __future__ import annotations

import copy
import pickle

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.template import Context, Template
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from sessionkeeper.core.errors import SessionGone
from sessionkeeper.engine import principal
from sessionkeeper.engine.bearer import BearerSession
from sessionkeeper.engine.session_store import SessionStore
from tests import contents

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda s, n=n: pickle.loads(pickle.dumps(s, n)) for n in range(2, 6)},
}


def use(request, how):
    """Copy the request's session at three moments, and write to the last copy."""
    make = COPIES[how]
    fresh = make(request.session)
    seen = [fresh.get("a")]
    is_stored = fresh.session_key is not None
    request.session["a"] = request.session.get("a", 0) + 1
    changed = make(request.session)
    seen.append(changed["a"])
    if request.GET.get("user"):
        assert request.user.is_authenticated
        assert make(request.session)["_auth_user_id"] == str(request.user.pk)
    if is_stored:
        changed["b"] = "from the copy"
        changed.save()
    return JsonResponse({"seen": seen, "ip": changed.client.address})


async def ause(request, how):
    await request.session.aset("a", 1)
    made = COPIES[how](request.session)
    return HttpResponse(str(await made.aget("a")))


urlpatterns = [path("use/<str:how>/", use), path("ause/<str:how>/", ause)]


@pytest.mark.parametrize("how", COPIES)
def test_the_session_of_a_request_is_copied_at_any_moment(how, make_user):
    client = Client(headers={"User-Agent": "Firefox"})
    assert client.get(f"/use/{how}/").json() == {"seen": [None, 1], "ip": "127.0.0.1"}
    assert client.get(f"/use/{how}/").json()["seen"] == [1, 2]
    assert contents.data() == {"a": 2, "b": "from the copy"}
    client.force_login(make_user())
    assert client.get(f"/use/{how}/", {"user": 1}).json()["seen"] == [2, 3]
    assert contents.data()["b"] == "from the copy"


@pytest.mark.parametrize("how", COPIES)
def test_the_session_of_an_async_request_is_copied_too(how):
    client = AsyncClient()
    for _ in range(2):
        assert async_to_sync(client.get)(f"/ause/{how}/").content == b"1"


@pytest.mark.parametrize("how", [name for name in COPIES if name != "copy"])
def test_a_copy_and_the_original_go_separate_ways(how):
    session = SessionStore()
    session["a"] = {"b": 1}
    session.save()
    made = COPIES[how](session)
    assert type(made) is SessionStore
    assert (made.session_key, made.session_id, dict(made.items())) == (
        session.session_key,
        session.session_id,
        dict(session.items()),
    )
    made["a"]["b"] = 2
    made["c"] = 3
    assert dict(session.items()) == {"a": {"b": 1}}
    session["d"] = 4
    session.save()
    made.save()
    assert contents.data() == {"a": {"b": 2}, "c": 3, "d": 4}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_an_ended_session_does_not_bring_it_back(how):
    session = SessionStore()
    session["a"] = 1
    session.save()
    made = COPIES[how](session)
    session.flush()
    made["b"] = 2
    with pytest.raises(SessionGone):
        made.save()
    assert contents.count() == 0


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_authenticates_the_user_again(how, make_user):
    user = make_user()
    request = RequestFactory().get("/")
    session = request.session = SessionStore()
    session.update(
        {
            "_auth_user_id": str(user.pk),
            "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
            "_auth_user_hash": user.get_session_auth_hash(),
        }
    )
    session.save()
    request.session = COPIES[how](session)
    assert principal.get_user(request) == user
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    request = RequestFactory().get("/")
    request.session = COPIES[how](session)
    assert not principal.get_user(request).is_authenticated


@pytest.mark.parametrize("how", COPIES)
def test_a_session_of_a_token_stays_one(how):
    made = COPIES[how](BearerSession("sess_x"))
    assert (type(made), made.transport, made.session_key) == (BearerSession, "bearer", None)


def test_a_tool_that_keeps_contexts_of_templates_keeps_the_session():
    session = SessionStore()
    session["name"] = "alice"
    session.save()
    kept = copy.deepcopy(Context({"session": SessionStore(session.session_key)}))
    assert Template("{{ session.name }}").render(kept) == "alice"
    cache.set("context", {"session": session})
    assert cache.get("context")["session"]["name"] == "alice"


def test_a_pickled_session_holds_no_user_and_no_request(make_user):
    user = make_user()
    client = Client()
    client.force_login(user)
    request = RequestFactory().get("/")
    request.session = SessionStore(client.session.session_key)
    request.session.principal_wanted = True
    assert principal.get_user(request) == user
    assert user.password.encode() not in pickle.dumps(request.session)
