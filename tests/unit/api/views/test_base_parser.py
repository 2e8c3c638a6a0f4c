"""No body, whatever it is, is a server error."""

from __future__ import annotations

import json

import pytest
from django.test import AsyncRequestFactory, override_settings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sessionkeeper.api.exceptions import Refused
from sessionkeeper.api.problems import BODY_LIMIT
from sessionkeeper.api.views.base import read_bounded
from tests.transports import AUTH

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TYPES = st.sampled_from(
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=base64",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "text/plain",
        "",
        ";;;",
    ]
)
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=10,
)


def send(api, body, content_type):
    token = getattr(api, "known_token", None) or api.token()
    api.known_token = token
    return api.generic(
        "POST", AUTH + "login/", body, content_type=content_type, headers={"X-CSRFToken": token}
    )


@SETTINGS
@given(body=st.binary(max_size=400), content_type=TYPES)
@example(body=b"[" * 50_000, content_type="application/json")
@example(body=b"9" * 50_000, content_type="application/json")
@example(body=b'{"a":' * 10_000, content_type="application/json")
@example(body=b'{"username": "\\ud800", "password": "\\u0000"}', content_type="application/json")
@example(body=b"username=%00&password=%ff%fe", content_type="application/x-www-form-urlencoded")
@example(
    body=b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\n\xff\x00\r\n--x--\r\n',
    content_type="multipart/form-data; boundary=x",
)
def test_any_bytes_are_a_client_error(api, body, content_type):
    assert send(api, body, content_type).status_code in {400, 401, 415}


@SETTINGS
@given(
    body=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("username", "password", "remember", "label"), JSON)
    )
)
def test_any_json_is_a_client_error(api, body):
    assert send(api, json.dumps(body), "application/json").status_code in {400, 401}


@SETTINGS
@given(username=ANY_TEXT, password=ANY_TEXT)
def test_any_name_and_password_are_a_client_error(api, username, password):
    body = json.dumps({"username": username, "password": password})
    with override_settings(SESSIONKEEPER={"SOURCE_TRIES": 1_000_000}):
        assert send(api, body, "application/json").status_code in {400, 401, 429}


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5000, "", "0", "3"])
def test_any_content_length_is_no_server_error(api, length):
    headers = {"X-CSRFToken": api.token()}
    response = api.generic(
        "POST",
        AUTH + "login/",
        b'{"username": "a", "password": "b"}',
        content_type="application/json",
        headers=headers,
        CONTENT_LENGTH=length,
    )
    assert 400 <= response.status_code < 500


@pytest.mark.parametrize(("size", "fits"), [(BODY_LIMIT, True), (BODY_LIMIT + 1, False)])
def test_a_chunked_body_has_no_length_and_the_limit_holds_for_what_is_read(size, fits):
    request = AsyncRequestFactory().generic("POST", "/", b"x" * size, content_type="application/json")
    request.META.pop("CONTENT_LENGTH", None)
    if fits:
        read_bounded(request)
        assert (len(request.body), request.META["CONTENT_LENGTH"]) == (size, str(size))
    else:
        with pytest.raises(Refused):
            read_bounded(request)
