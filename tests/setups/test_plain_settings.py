"""Settings as Django's documentation writes them: only what a project has to say, and nothing more."""

from __future__ import annotations

import ast
from contextlib import contextmanager

import pytest
from django.db import connections

from sessionkeeper.stores.database import prepared_statements
from sessionkeeper.stores.database.store import DatabaseStore
from tests.demo_server import ROOT
from tests.stores import insert

#: What may be absent from what Django hands out, and is read with a default therefore.
OPTIONAL = {"settings_dict", "META", "COOKIES"}
#: The keys of a database in Django's tutorial.
DOCUMENTED = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")


@contextmanager
def plain_database(alias="plain", **more):
    """Make a database known by a dictionary as a person writes it."""
    given = connections["default"].settings_dict
    written = {key: given[key] for key in DOCUMENTED if given[key] not in {"", None}} | more
    connections.databases[alias] = connections.configure_settings({"default": given, alias: written})[alias]
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


@pytest.mark.postgres
@pytest.mark.usefixtures("any_database")
@pytest.mark.parametrize("age", [0, 600])
def test_a_session_is_read_again_and_again_from_a_plain_postgresql(age):
    with plain_database(CONN_MAX_AGE=age) as alias:
        assert "DISABLE_SERVER_SIDE_CURSORS" not in connections[alias].settings_dict
        store = DatabaseStore(alias)
        key = insert(store)
        for _ in range(prepared_statements.USES + 2):
            assert store.find(key.id, principal=True).record.id == key.id


def test_nothing_optional_is_read_without_a_default():
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                name = getattr(node.value, "attr", getattr(node.value, "id", ""))
                if name in OPTIONAL:
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert found == []
