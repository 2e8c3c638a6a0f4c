"""The validators of single settings: what they take, and how they name what they do not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import override_settings

from sessionkeeper import conf


def problems_of(**entries):
    """Return what is said about these entries, as text."""
    with override_settings(SESSIONKEEPER=entries):
        return [f"{problem.message} {problem.hint}".strip() for problem in conf.problems()]


@pytest.mark.parametrize(
    "value", ["60", True, 0, -1, [], {}, object(), float("nan"), float("inf"), 1e300, 2e9, timedelta(0)]
)
@pytest.mark.parametrize("name", ["IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT", "TOUCH_INTERVAL"])
def test_a_duration_of_another_type_or_sign_is_named_and_its_default_holds(name, value):
    (said,) = problems_of(**{name: value})
    assert f"SESSIONKEEPER[{name!r}]" in said
    with override_settings(SESSIONKEEPER={name: value}):
        assert conf.current() == conf.Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIMEOUT_PRESET", "AAL2"),
        ("TIMEOUT_PRESET", 2),
        ("TIMEOUT_PRESET", ["aal2"]),
        ("STORE", "memcached://x"),
        ("STORE", 5),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("TRUSTED_PROXIES", ["10.0.0.1/8"]),
        ("TRUSTED_PROXIES", ["proxy.example.org"]),
        ("TRUSTED_PROXIES", [5]),
        ("TRUSTED_PROXIES", ["0.0.0.0/0"]),
        ("TRUSTED_PROXIES", ["::/0"]),
        ("PROXY_HEADER", "X-Real-IP"),
        ("PROXY_HEADER", 5),
    ],
)
def test_a_wrong_value_is_named(name, value):
    (said,) = problems_of(**{name: value})
    assert f"SESSIONKEEPER[{name!r}] must be" in said


@pytest.mark.parametrize("value", ["database", "database:", "database:other"])
def test_the_store_is_a_url_that_names_a_database(value):
    assert problems_of(STORE=value) == []
