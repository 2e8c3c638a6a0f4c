"""Rows that know a session by its key get the new key."""

from __future__ import annotations

import re
import sys
import types
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone

from sessionkeeper.engine import renewal
from sessionkeeper.models import AuditEvent
from tests.demo_server import ROOT
from tests.unit.engine.adopting import comes_with

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("engine"),
    pytest.mark.urls("tests.unit.engine.test_adoption"),
]


@pytest.fixture
def person(make_user):
    """A user."""
    return make_user()


def test_a_table_of_keys_that_follows_has_the_new_one(old, monkeypatch):
    # AuditEvent.reason stands for the table of an application, such as that of allauth.usersessions.
    monkeypatch.setattr(renewal, "KEEPERS", {"sessionkeeper": ("sessionkeeper.AuditEvent", "reason")})
    AuditEvent.objects.create(at=timezone.now(), kind="of another", reason=old)
    _, client = comes_with(old)
    assert AuditEvent.objects.get(kind="of another").reason == client.cookies["sessionid"].value


@pytest.fixture
def baskets(monkeypatch, settings):
    """The middleware that the page on existing projects shows, over rows that know a session by its key."""
    page = (ROOT / "docs/howto/existing-project.md").read_text()
    code = re.search(r"```python title=\"mysite/baskets.py\"\n(.*?)```", page, re.DOTALL)[1]
    rows = {}

    class Rows:
        def filter(self, session_key):
            self.key = session_key
            return self

        def update(self, session_key):
            rows[session_key] = rows.pop(self.key)

    models = SimpleNamespace(Basket=SimpleNamespace(objects=Rows()))
    shop, module = types.ModuleType("shop"), types.ModuleType("shop_baskets")
    exec(compile(code, "mysite/baskets.py", "exec"), vars(module))
    for name, one in (("shop", shop), ("shop.models", models), ("shop_baskets", module)):
        monkeypatch.setitem(sys.modules, name, one)
    at = next(place for place, path in enumerate(settings.MIDDLEWARE) if path.endswith(".SessionMiddleware"))
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[: at + 1],
        "shop_baskets.move_baskets",
        *settings.MIDDLEWARE[at + 1 :],
    ]
    return rows


def test_rows_that_know_a_session_by_its_key_come_along_as_the_page_shows(engine, both, baskets):
    old = engine.SessionStore()
    old["basket"] = 3
    old.save()
    baskets[old.session_key] = "three apples"
    visitor = Client()
    visitor.cookies["sessionid"] = old.session_key
    for _ in range(2):
        assert visitor.get("/").json()["basket"] == 3
        assert baskets == {visitor.cookies["sessionid"].value: "three apples"}
    assert visitor.cookies["sessionid"].value != old.session_key
