"""What a site on django-tenants does, whether tenants have users of their own or not."""

from __future__ import annotations

import pytest
from django_tenants.utils import schema_context

from sessionkeeper.engine import registry
from tests.tenants.conftest import LAYOUT, SCHEMAS, Browser

pytestmark = pytest.mark.usefixtures("store")


def test_people_sign_in_at_each_tenant_and_stay_signed_in():
    browsers = [Browser(name).signed_in() for name in SCHEMAS]
    for _ in range(3):
        for browser in browsers:
            expected = "person-public" if LAYOUT == "shared" else f"person-{browser.tenant}"
            assert browser.who() == browser.who("/who-async/") == expected


def test_a_new_password_ends_the_sessions_of_its_user():
    from django.contrib.auth.models import User

    browsers = [Browser(name).signed_in() for name in SCHEMAS]
    with schema_context("b"):
        user = User.objects.get(pk=2)
        user.set_password("another horse")
        user.save()
    expected = ["", ""] if LAYOUT == "shared" else ["person-a", ""]
    assert [browser.who() for browser in browsers] == expected


def test_commands_see_the_sessions_of_the_schema_that_they_run_in():
    for name in SCHEMAS:
        Browser(name).signed_in()
    with schema_context("b"):
        number = len(list(registry.scan()))
        assert registry.revoke_all(2) == number
    assert number == (2 if LAYOUT == "shared" else 1)
