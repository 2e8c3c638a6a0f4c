"""What may differ in Django's own suites, read from ``differences.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import django

#: Django's suites that are run, and what each is about.
SUITES = {
    "auth_tests": "users, backends, sign-in, password pages, the admin's user pages",
    "sessions_tests": "all of Django's session engines, its session middleware",
    "messages_tests": "messages in sessions and cookies",
    "csrf_tests": "CSRF tokens in cookies and sessions",
    "test_client": "the test client",
    "test_client_regress": "the test client, again",
}
#: Our engine alone beneath Django's middleware, and with our middleware in its place.
DEPTHS = ("engine", "middleware")


class Difference(NamedTuple):
    """Tests of Django's that fail with us, at which depths, the reason, and the Django that brought them."""

    depths: list[str]
    reason: str
    tests: list[str]
    since: Sequence[int] = ()


def listed() -> list[Difference]:
    """Return all of them."""
    text = Path(__file__).with_suffix(".toml").read_text()
    return [Difference(**one) for one in tomllib.loads(text)["difference"]]


def expected(suite: str, depth: str) -> set[str]:
    """Return the tests of a suite that fail at a depth."""
    here = [one for one in listed() if depth in one.depths and tuple(one.since) <= django.VERSION[:2]]
    names = {name for one in here for name in one.tests}
    return {name for name in names if name.startswith(f"{suite}.")}
