"""Views are named as settings name them, and the session comes back after a closed one."""

from __future__ import annotations

from functools import partial

import pytest
from django.http import HttpRequest, HttpResponse
from django.views import View

from sessionkeeper.csrf import exempt_views
from sessionkeeper.engine.session_store import SessionStore

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def view(request):
    return HttpResponse()


class Page(View):
    """A view of a class."""


class Child(Page):
    """A view of a class that extends another."""


class Callable:
    """A view that is an object."""

    def __call__(self, request):
        return HttpResponse()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (view, "view"),
        (partial(partial(view), request=1), "view"),
        (Page.as_view(), "Page"),
        (Child.as_view(), "Page"),
        (Child.as_view(), "Child"),
        (Callable(), "Callable"),
    ],
)
def test_a_view_has_the_path_of_its_function_or_of_its_classes(given, name):
    assert f"{__name__}.{name}" in exempt_views.paths_of(given)


def test_a_view_that_did_not_ask_leaves_the_session_as_it_was():
    stored = SessionStore()
    stored["a"] = 1
    stored.save()
    request = HttpRequest()
    session = request.session = SessionStore(stored.session_key)
    exempt_views.close_session(request, "another site")
    assert request.session is not session
    response = HttpResponse()
    assert exempt_views.reopen_session(request, response) is response
    assert request.session is session
    assert session.load() == {"a": 1}


def test_a_session_of_another_engine_is_left_alone():
    request = HttpRequest()
    request.session = {}
    exempt_views.close_session(request, "another site")
    assert request.session == {}
