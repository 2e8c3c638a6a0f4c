"""docs/reference/api.md says what the code does."""

from __future__ import annotations

import json
import re

import pytest
from django.urls import reverse

from sessionkeeper.api import urls
from sessionkeeper.api.problems import BODY_LIMIT, FOR_OTHERS, INVALID
from sessionkeeper.api.views import base, tokens
from sessionkeeper.api.views.base import Endpoint
from sessionkeeper.auth import passwords
from sessionkeeper.core import keys
from sessionkeeper.csrf import problems as csrf_problems
from sessionkeeper.http import problems
from sessionkeeper.http.client_info import device
from sessionkeeper.middleware.session import PASSIVE_HEADER
from tests.conftest import PASSWORD
from tests.demo_server import ROOT
from tests.transports import TokenApi

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

TEXT = (ROOT / "docs/reference/api.md").read_text("utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


def test_every_problem_is_in_the_tables_with_its_status_and_no_other():
    problems_part = TEXT.partition("\n## Problems\n")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \|(?: (\d{3}) \|)? .+ \|$", problems_part, re.MULTILINE))
    csrf_codes = {problem.code for problem in csrf_problems.PROBLEMS}
    expected = {
        problem.code: "" if problem.code in csrf_codes else str(problem.status)
        for problem in problems.KNOWN.values()
        if problem not in FOR_OTHERS
    }
    assert rows == expected


def test_every_endpoint_is_described_with_its_path():
    described = re.findall(r"^### `(GET|POST|DELETE) (\S+)`$\n\nRoute `(\S+)`", TEXT, re.MULTILINE)
    assert [(path, name) for _, path, name in described] == [
        (f"/api/auth/{route.pattern}".replace("<str:", "<"), f"{urls.app_name}:{route.name}")
        for route in urls.urlpatterns
    ]
    for (method, *_), route in zip(described, urls.urlpatterns, strict=True):
        assert method == "GET" or hasattr(route.callback.cls, method.lower())


def test_the_limits_of_password_resets_are_those_of_the_code():
    (resets, minute), (mails, hour) = passwords._RESETS, passwords._RESET_MAILS
    assert (minute, hour) == (60, 3600)
    assert f"limited to {resets} a minute" in TEXT
    assert f"gets {mails} mails an hour" in TEXT


def test_the_members_of_a_login_are_described_with_their_lengths():
    rows = dict(re.findall(r"^\| `(username|password|remember|label)` \| (.+?) \| .+", TEXT, re.MULTILINE))
    fields = base.LoginSerializer().fields
    assert set(rows) == set(fields)
    for name, field in fields.items():
        assert ("optional" in rows[name]) is not field.required
        length = getattr(field, "max_length", None)
        assert length is None or f"at most {length} characters" in rows[name]


def test_the_example_of_a_session_has_the_members_of_one(signed_in):
    real = signed_in.whoami().json()
    example = next(example for example in EXAMPLES if "session" in example)
    assert set(example["user"]) == set(real["user"])
    assert list(example["session"]) == list(real["session"])
    assert example["session"]["device"] == device(example["session"]["user_agent"])
    table = TEXT.partition("| member of `session` |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (.+?) \|", table, re.MULTILINE)))) == set(
        real["session"]
    )


def test_the_example_of_a_token_is_one_of_its_session_and_has_the_members_of_an_answer(alice):
    example = next(example for example in EXAMPLES if "token" in example)
    body = {"username": alice.get_username(), "password": PASSWORD}
    real = TokenApi().post(reverse("sessionkeeper-api:tokens"), body).json()
    assert set(example) == set(real)
    assert list(example["session"]) == list(real["session"])
    assert keys.encode_id(keys.parse_bearer(example["token"]).id) == example["session"]["id"]
    assert f"at most {tokens.MOST_SCOPES} texts, each of at most {tokens.LONGEST_SCOPE} visible" in TEXT


def test_the_example_of_a_problem_is_one(api):
    example = next(example for example in EXAMPLES if "errors" in example)
    response = api.send(reverse("sessionkeeper-api:login"), {"password": "x"})
    assert response.json() == example
    assert example["type"] == INVALID.type


def test_limit_media_types_and_headers_are_those_of_the_code():
    assert f"at most {BODY_LIMIT} bytes" in TEXT
    for parser in Endpoint.parser_classes:
        assert f"`{parser.media_type}`" in TEXT
    assert f"`{csrf_problems.header_name()}`" in TEXT
    assert f"`{PASSIVE_HEADER}: 1`" in TEXT
    assert f"`{csrf_problems.TOKEN_ROUTE}`" in TEXT


def test_every_name_that_the_page_imports_is_there():
    from django.utils.module_loading import import_string

    for name in set(re.findall(r"sessionkeeper(?:\.\w+)+", TEXT)) - {"sessionkeeper.api.urls"}:
        try:
            import_string(name)
        except ImportError:
            __import__(name)
