"""Two tenants with people of the same numbers and passwords, as a schema that is cloned has them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import setup_databases, teardown_databases
from django_tenants.utils import schema_context

from sessionkeeper.stores import factory
from tests.near_sides import until
from tests.tenants.customers.models import Customer, Domain

LAYOUT = settings.LAYOUT
#: Each layout has the tests of users of its kind.
collect_ignore = ["test_own_users.py" if LAYOUT == "shared" else "test_shared_users.py"]
SCHEMAS = ("a", "b")
SAME = {"sec-fetch-site": "same-origin"}
PASSWORD = "correct horse battery staple"
OPTIONS = {
    "database": {},
    "database, near cache": {"NEAR_CACHE": True},
    "valkey": {},
    "valkey, near cache": {"NEAR_CACHE": True},
    "valkey, principal cache": {"PRINCIPAL_CACHE": 600},
    "valkey, both caches": {"NEAR_CACHE": True, "PRINCIPAL_CACHE": 600},
}


@pytest.fixture(scope="session")
def _schemas(django_test_environment, django_db_blocker):
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        for name in SCHEMAS:
            tenant = Customer.objects.create(schema_name=name, name=name)
            Domain.objects.create(tenant=tenant, domain=f"{name}.example.test", is_primary=True)
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture(autouse=True)
def _people(_schemas, django_db_blocker):
    """Make user 1, an admin, and user 2, each named after the tenant; forget all afterwards."""
    from django.contrib.auth.models import User

    with django_db_blocker.unblock():
        for name in SCHEMAS if LAYOUT != "shared" else ("public",):
            with schema_context(name):
                password = make_password(PASSWORD, salt="thesameforall")
                User.objects.create(
                    pk=1, username=f"admin-{name}", password=password, is_superuser=name != "b"
                )
                User.objects.create(pk=2, username=f"person-{name}", password=password)
        yield
        _forget()


def _forget():
    from django.contrib.auth.models import User

    from sessionkeeper import models

    for name in SCHEMAS:
        with schema_context(name):
            User.objects.all().delete()
            for model in (models.Session, models.Tombstone, models.LoginAttempt, models.AuditEvent):
                model._base_manager.all()._raw_delete("default")
    connection.set_schema_to_public()


@pytest.fixture(params=OPTIONS)
def store(request, settings):
    """Name a store, with or without caches, and wait until its near cache is on."""
    where, options = request.param.split(",")[0], OPTIONS[request.param]
    if where == "valkey":
        from tests.stores import _prefixes, server_url
        from tools import valkey

        url = valkey.with_options(server_url("valkey"), prefix=f"tenants-{next(_prefixes)}:")
        options = {**options, "STORE": url}
    settings.SESSIONKEEPER = options
    near = factory.get_near_cache()
    if near is not None:
        until(near.is_on)
    yield request.param
    factory._open_near.cache_clear()
    factory._open.cache_clear()
    with suppress(AttributeError):
        near.close()


class _Cookies:
    def copied_from(self, other):
        """Bring the cookies of another browser along."""
        self.cookies.load({name: morsel.value for name, morsel in other.cookies.items()})
        return self


class Browser(_Cookies, Client):
    """A browser at the host of one tenant."""

    def __init__(self, tenant):
        super().__init__(headers={"host": f"{tenant}.example.test", **SAME})
        self.tenant = tenant

    def signed_in(self, name="person", tenant=None):
        """Sign in as this tenant's user of that name."""
        people = "public" if LAYOUT == "shared" else tenant or self.tenant
        body = {"username": f"{name}-{people}", "password": PASSWORD}
        answer = self.post("/api/login/", body, content_type="application/json")
        assert answer.status_code == 200, answer.content
        return self

    def who(self, path="/who/"):
        """Return the name of whom the site takes this for; empty: nobody."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.content
        return answer.json()["user"]


class AsyncBrowser(_Cookies, AsyncClient):
    """The same under ASGI."""

    def __init__(self, tenant):
        super().__init__()
        self._host = f"{tenant}.example.test"

    def _base_scope(self, **request):
        scope = super()._base_scope(**request)
        scope["headers"] = [one for one in scope["headers"] if one[0] != b"host"]
        scope["headers"].append((b"host", self._host.encode()))
        return scope
