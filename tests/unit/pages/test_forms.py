"""The forms of the pages: what is missing is named, and password managers find their way."""

from __future__ import annotations

import pytest

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.pages_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


def test_empty_fields_are_named(visitor):
    answer = visitor.submit("/auth/login/", username="", password="")
    assert answer.status_code == 400
    assert answer.content.decode().count("This field is required.") == 2


def test_password_managers_find_their_fields(visitor, signed_in):
    assert 'autocomplete="username"' in (text := visitor.get("/auth/login/").content.decode())
    assert 'autocomplete="current-password"' in text
    text = signed_in.get("/auth/password/change/").content.decode()
    assert text.count('autocomplete="new-password"') == 2


def test_the_name_is_typed_as_an_address_where_the_user_model_signs_in_by_one(visitor, django_user_model):
    field = django_user_model._meta.get_field(django_user_model.USERNAME_FIELD)
    kind = "email" if field.name == "email" else "text"
    assert f'<input type="{kind}" name="username"' in visitor.get("/auth/login/").content.decode()
