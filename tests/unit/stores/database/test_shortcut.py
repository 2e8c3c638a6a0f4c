"""What fails below the ORM fails into the ORM: each name that the path leans on is taken away in turn."""

from __future__ import annotations

import ast
import builtins
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from types import CodeType, FunctionType, ModuleType

import pytest
from django.contrib import auth
from django.db import DatabaseError, connections
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from sessionkeeper.core import keys
from sessionkeeper.models import Session
from sessionkeeper.stores.database import prepared_statements, shortcut
from sessionkeeper.stores.database.store import DatabaseStore
from sessionkeeper.stores.redis import tombstones, user_lookup
from tests.conftest import new_user
from tests.demo_server import ROOT
from tests.stores import insert

pytestmark = [
    pytest.mark.usefixtures("any_database"),
    pytest.mark.urls(__name__),
    pytest.mark.database_store_only("the path below the ORM is the database's"),
]
PATH = (
    "database.cursors",
    "database.statements",
    "database.prepared_statements",
    "redis.user_lookup",
    "database.writes",
    "database.user_query",
)
MODULES = [import_module(f"sessionkeeper.stores.{name}") for name in PATH]
#: What stands before the path, or is Django's own way.
OWN_WAY = {
    "insert",
    "update",
    "delete",
    "delete_returning",
    "_compile",
    "run",
    "_under_lock",
    "_read_and_delete",
    "_by_key",
    "ask",
    "_ask_plainly",
    "current_query",
    "by_django",
    "make",
    "session_auth_hash",
    "hash_is_djangos",
}
OWN_WAY |= {"drop_statements", "is_current"}
#: What may be imported of Django when the module is: documented, or what Django's own signatures stand on.
DOCUMENTED = {
    "django",
    "django.conf.settings",
    "django.contrib.auth.base_user.AbstractBaseUser",
    "django.contrib.auth.get_user_model",
    "django.core.exceptions.EmptyResultSet",
    "django.db.DatabaseError",
    "django.db.Error",
    "django.db.IntegrityError",
    "django.db.connections",
    "django.db.models",
    "django.db.models.ExpressionWrapper",
    "django.db.models.JSONField",
    "django.db.models.Model",
    "django.db.models.QuerySet",
    "django.db.models.TextField",
    "django.db.models.base",
    "django.db.models.expressions.RawSQL",
    "django.db.models.fields.related_descriptors",
    "django.db.models.query_utils",
    "django.db.models.signals.post_init",
    "django.db.models.signals.pre_init",
    "django.db.router",
    "django.db.transaction",
    "django.utils.crypto.salted_hmac",
    "django.utils.timezone",
}


def me(request):
    return HttpResponse(str(request.user.pk))


urlpatterns = [path("me/", me)]


@pytest.fixture(autouse=True)
def _on_again():
    yield
    forget()


def forget():
    """Let the path begin anew: nothing compiled, nothing kept."""
    shortcut.turn_on()
    for module in MODULES:
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
    import_module("sessionkeeper.stores.database.user_query").drop_statements()
    prepared_statements._losses.clear()
    for name in ("_sessionkeeper_cursor", "_sessionkeeper_methods"):
        vars(connections["default"]).pop(name, None)


def functions():
    """All functions of the path."""
    for module in MODULES:
        for value in vars(module).values():
            yield from _functions_in(value, module.__name__)


def _functions_in(value, home):
    value = getattr(value, "__wrapped__", value)
    if getattr(value, "__module__", None) != home:
        return
    if isinstance(value, FunctionType) and value.__name__ not in OWN_WAY:
        yield value
    elif isinstance(value, type):
        for member in vars(value).values():
            yield from _functions_in(getattr(member, "fget", member), home)


def names_in(code):
    """All names that a function looks up: attributes, globals, what it imports."""
    yield from code.co_names
    for value in code.co_consts:
        if isinstance(value, CodeType) and value.co_name not in OWN_WAY:
            yield from names_in(value)


def is_ours(name):
    """Whether a name is this package's own, or Python's."""
    if hasattr(builtins, name):
        return True
    for module in MODULES:
        value = vars(module).get(name)
        home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if str(home).startswith("sessionkeeper"):
            return True
    return False


NAMES = sorted(
    {name for function in functions() for name in names_in(function.__code__) if not is_ours(name)}
)


@contextmanager
def without(name):
    """Run the path as if Django, or whoever has it, had no such name."""
    changed = {function: function.__code__ for function in functions() if name in names_in(function.__code__)}
    assert changed
    try:
        for function, code in changed.items():
            function.__code__ = _renamed(code, name)
        yield
    finally:
        for function, code in changed.items():
            function.__code__ = code


def _renamed(code, name):
    return code.replace(
        co_names=tuple(f"{one}_removed" if one == name else one for one in code.co_names),
        co_consts=tuple(
            _renamed(value, name) if isinstance(value, CodeType) and value.co_name not in OWN_WAY else value
            for value in code.co_consts
        ),
    )


@pytest.fixture
def alice():
    """Somebody who is signed in."""
    user, client = new_user(), Client()
    client.force_login(user)
    return user, client


def visits(client):
    """Whom the site sees, as often as it takes for the statement to be prepared."""
    return {client.get("/me/").text for _ in range(prepared_statements.USES + 2)}


def answers_without(name, user):
    """Do, without a name, what a request may need; raise where anything is answered in another way."""
    client, store = Client(), DatabaseStore()
    client.force_login(user)
    ended, key = keys.mint().id, insert(store, user_id=user.pk)
    tombstones.record([(ended, datetime.now(UTC))])
    forget()
    with without(name):
        assert visits(client) == {str(user.pk)}
        for session_id in (key.id, ended):
            answers = [user_lookup.ask(session_id, user.pk, namespace="", principal=True) for _ in range(2)]
            assert {answer.ended for answer in answers} == {session_id == ended}
            assert all(answer.principal in {user, None} for answer in answers)
        assert {record.user_id for record in store.list_for(user.pk)} == {user.pk}
        assert store.revoke(key.id)
        client.logout()
        assert client.get("/me/").text == "None"
    assert not Session.objects.exists()
    return bool(shortcut.reasons)


@pytest.mark.rule("L18")
def test_without_any_of_its_names_every_request_is_answered():
    user, wrong, missed = new_user(), {}, set()
    for name in NAMES:
        try:
            if answers_without(name, user):
                missed.add(name)
        except Exception as error:  # noqa: BLE001 - all names that fail are to be seen
            wrong[name] = repr(error)
    assert wrong == {}
    assert len(missed) > len(NAMES) / 2


def test_the_names_that_matter_are_among_them():
    assert {
        "FORMAT_QMARK_REGEX",
        "ModelIterable",
        "ModelState",
        "_raw_delete",
        "_thread_ident",
        "_thread_sharing_count",
        "get_converters",
        "make_debug_cursor",
        "settings_dict",
    } <= set(NAMES)


@pytest.mark.parametrize("name", ["ModelIterable", "_thread_sharing_count", "_state", "get_col", "select"])
def test_it_is_said_once_and_the_orm_goes_on(alice, name, caplog):
    user, client = alice
    forget()
    with without(name):
        assert visits(client) == {str(user.pk)}
    assert [(record.name, name in record.exc_text) for record in caplog.records if record.exc_text] == [
        ("sessionkeeper.store", True)
    ]
    assert shortcut.reasons
    assert visits(client) == {str(user.pk)}


def test_a_hash_that_django_makes_in_another_way_signs_nobody_out(alice, monkeypatch):
    """The copy of Django's session auth hash is compared with the original before it is believed."""
    user, client = alice
    forget()
    monkeypatch.setattr("sessionkeeper.stores.database.user_query.salted_hmac", _another_hmac)
    assert visits(client) == {str(user.pk)}
    assert "another way" in str(shortcut.reasons[0])


def _another_hmac(*args, **kwargs):
    from django.utils.crypto import salted_hmac

    return salted_hmac("another salt", *args[1:], **kwargs)


def test_the_modules_of_the_path_import_nothing_undocumented():
    found = set()
    for name in PATH:
        for node in ast.parse(
            (ROOT / f"src/sessionkeeper/stores/{name.replace('.', '/')}.py").read_text()
        ).body:
            if isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{one.name}" for one in node.names}
            elif isinstance(node, ast.Import):
                found |= {one.name for one in node.names}
    assert {name for name in found if name.split(".")[0] == "django"} <= DOCUMENTED


# The switch


def test_the_answer_of_the_database_is_no_fault_of_the_path():
    def refused():
        raise DatabaseError

    with pytest.raises(DatabaseError):
        shortcut.take(refused, shortcut.unknown)
    assert not shortcut.reasons


def test_what_fails_both_ways_is_no_fault_of_the_path():
    def fails():
        raise KeyError

    with pytest.raises(KeyError):
        shortcut.take(fails, fails)
    assert not shortcut.reasons


def test_a_user_is_read_by_the_orm_with_all_that_a_session_has(alice):
    user, _ = alice
    [key] = Session.objects.values_list("pk", flat=True)
    joined = DatabaseStore().find(key, principal=True)
    shortcut.turn_off(RuntimeError("a test"))
    plain = DatabaseStore().find(key, principal=True)
    assert plain.record == joined.record
    assert (joined.principal, plain.principal) == (user, None)
    assert abs(plain.now - joined.now).total_seconds() < 60
    assert auth.get_user_model() is type(joined.principal)
