"""The request of Django in a request of REST framework."""

from __future__ import annotations

from rest_framework.request import Request

from sessionkeeper.api.authentication import django_request


def test_the_request_is_the_one_that_was_wrapped(rf):
    request = rf.get("/")
    assert django_request(Request(request)) is request
