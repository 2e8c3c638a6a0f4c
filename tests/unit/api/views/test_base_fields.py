"""What a sign-in is made of: fields that are missing, of other types, or not chosen."""

from __future__ import annotations

import pytest

from tests.conftest import PASSWORD
from tests.transports import AUTH, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username", "password"}),
        ({"username": "alice"}, {"password"}),
        ({"username": "", "password": ""}, {"username", "password"}),
        ({"username": None, "password": None}, {"username", "password"}),
        ({"username": 1, "password": 1.5}, {"username", "password"}),
        ({"username": True, "password": []}, {"username", "password"}),
        ({"username": {"a": 1}, "password": "x"}, {"username"}),
        ({"username": "a\0b", "password": "x\0"}, {"username", "password"}),
        ({"username": "a\ud800", "password": "\udfff"}, {"username", "password"}),
        ({"username": "a" * 255, "password": "x" * 4097}, {"username", "password"}),
        ({"username": "a", "password": "b", "remember": "yes"}, {"remember"}),
        ({"username": "a", "password": "b", "remember": 1}, {"remember"}),
        ({"username": "a", "password": "b", "remember": [True]}, {"remember"}),
        ({"username": "a", "password": "b", "label": 7}, {"label"}),
        ({"username": "a", "password": "b", "label": "x" * 101}, {"label"}),
    ],
)
def test_missing_and_wrong_typed_fields_are_named(api, body, fields):
    members = problem(api.send(AUTH + "login/", body), 400, "invalid")
    assert set(members["errors"]) == fields
    assert all(isinstance(text, str) for messages in members["errors"].values() for text in messages)
    assert all(name in members["detail"] for name in fields)


def test_a_file_is_no_username(api):
    from django.core.files.uploadedfile import SimpleUploadedFile

    body = {
        "username": SimpleUploadedFile("a", b"alice"),
        "password": "x",
        "csrfmiddlewaretoken": api.token(),
    }
    assert set(problem(api.post(AUTH + "login/", body), 400, "invalid")["errors"]) == {"username"}


def cookie(response):
    return response.cookies["sessionid"]


def test_an_unchecked_box_in_a_form_is_no_choice(api, alice):
    fields = {"username": alice.get_username(), "password": PASSWORD, "csrfmiddlewaretoken": api.token()}
    assert cookie(api.post(AUTH + "login/", fields))["max-age"]
