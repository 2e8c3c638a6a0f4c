"""Checks of the domains and of the partition of cookies."""

from __future__ import annotations

import pytest

from sessionkeeper import conf
from sessionkeeper.checks import cookies as checks

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.unit.http.test_transports_cookies")]


@pytest.fixture
def partitioned(settings):
    """The settings of a site that others embed."""
    settings.SESSIONKEEPER = {"COOKIE_PARTITIONED": True}
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SESSION_COOKIE_SAMESITE = settings.CSRF_COOKIE_SAMESITE = "None"


MAPPING = {
    "shop.example": None,
    ".shop.example": "shop.example",
    ".deep.shop.example": ".deep.shop.example",
    "www.other.example": "other.example",
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"shop.example": "other.example"}, "cannot set cookies for"),
        ({"evilshop.example": "shop.example"}, "cannot set cookies for"),
        ({"shop.example": "a.shop.example"}, "cannot set cookies for"),
        ({"shop.example": ""}, "cannot set cookies for"),
        ({"shop.example": 1}, "must map hosts to domains or None"),
        ({1: None}, "must map hosts to domains or None"),
        ([], "must be a dict"),
        (True, "must be a dict"),
    ],
)
def test_a_wrong_mapping_is_named_at_start(settings, value, words):
    settings.SESSIONKEEPER = {"COOKIE_DOMAIN": value}
    [problem] = conf.problems()
    assert words in problem.message


@pytest.mark.parametrize("value", ["example.org", lambda: None, f"{__name__}.MAPPING"])
def test_a_function_that_cannot_be_asked_for_the_domain_is_named_at_start(settings, value):
    settings.SESSIONKEEPER = {"COOKIE_DOMAIN": value}
    [message] = checks.check_domain()
    assert message.id == "sessionkeeper.E022"
    assert "SESSION_COOKIE_DOMAIN" in message.hint


def test_a_prefix_that_rules_out_domains_is_named_at_start(settings):
    settings.SESSIONKEEPER = {"COOKIE_DOMAIN": {"a.example": None}}
    assert list(checks.check_domain()) == []
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    assert [message.id for message in checks.check_domain()] == ["sessionkeeper.E018"]


def test_the_check_says_what_browsers_ask_of_partitioned_cookies(settings, partitioned):
    assert list(checks.check_partitioned()) == []
    assert "sessionkeeper.W032" not in {message.id for message in checks.check_cookies()}
    settings.SESSION_COOKIE_SECURE = False
    settings.CSRF_COOKIE_SAMESITE = "Lax"
    [message] = checks.check_partitioned()
    assert message.id == "sessionkeeper.E017"
    assert "SESSION_COOKIE_SECURE = True, CSRF_COOKIE_SAMESITE = 'None'" in message.hint
    settings.SESSIONKEEPER = {}
    assert list(checks.check_partitioned()) == []
    settings.SESSION_COOKIE_SAMESITE = "None"
    assert "sessionkeeper.W032" in {message.id for message in checks.check_cookies()}
