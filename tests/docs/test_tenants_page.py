"""The page on tenants tells the truth: its middleware and its loop are run as they are shown."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionkeeper.checks import ALWAYS
from sessionkeeper.conf import namespaces
from sessionkeeper.core import keys
from sessionkeeper.engine import lookup
from tests.demo_server import ROOT
from tests.near_sides import sign_in

PAGE = (ROOT / "docs/howto/tenants.md").read_text()


def who(request):
    return HttpResponse(request.user.get_username())


urlpatterns = [path("who/", who)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def shop(monkeypatch, settings):
    """The module of the page, and its settings."""
    [code] = re.findall(r"```python\n# shop/tenants.py\n(.*?)```", PAGE, re.DOTALL)
    made = ModuleType("shop.tenants")
    made.find_tenant = lambda request: {"one.example": "one", "two.example": "two"}.get(request.get_host())
    exec(code, vars(made))
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.tenants", made)
    [code] = re.findall(r"```python\n# settings.py\n(.*?)```", PAGE, re.DOTALL)
    given = {}
    exec(code, given)
    settings.SESSIONKEEPER = given["SESSIONKEEPER"]
    settings.MIDDLEWARE = ["shop.tenants.TenantMiddleware", *settings.MIDDLEWARE]
    settings.ALLOWED_HOSTS = ["*"]
    return made


def asked(host, key):
    """Return what a browser with this key is told at this host."""
    client = Client(headers={"host": host}, raise_request_exception=False)
    client.cookies["sessionid"] = key
    return client.get("/who/")


def test_the_middleware_of_the_page_keeps_tenants_apart(shop, make_user):
    user = make_user()
    with namespaces.namespace("one"):
        key = sign_in(user)
    assert asked("one.example", key).content.decode() == user.get_username()
    assert asked("two.example", key).content == b""
    assert asked("three.example", key).status_code == 500


def test_the_loop_of_the_page_purges_each_tenant_and_ends_the_sessions_of_a_user(shop, make_user):
    user = make_user()
    with namespaces.namespace("one"):
        key = sign_in(user)
    [code] = re.findall(r"```python\n(from django.core.management.*?)```", PAGE, re.DOTALL)
    tenants = [type("Tenant", (), {"slug": name}) for name in ("one", "two")]
    manager = type("Manager", (), {"all": staticmethod(lambda: tenants)})
    exec(code, {"Tenant": type("Tenants", (), {"objects": manager}), "user": user})
    with namespaces.namespace("one"):
        assert lookup.resolve(key, transport="cookie")[1] is None
    assert keys.parse(key) is not None


def test_the_page_names_the_checks_that_there_are():
    assert {"check_namespace", "check_schemas", "check_order"} <= {one.__name__ for one in ALWAYS}
    text = (ROOT / "docs/reference/checks.md").read_text()
    for name in re.findall(r"`([EW]08\d)`", PAGE):
        assert f"`sessionkeeper.{name}`" in text
