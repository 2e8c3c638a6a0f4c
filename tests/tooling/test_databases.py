"""The suite runs on what a person writes into DATABASES: the keys of Django's documentation and no others."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db.utils import ConnectionHandler

from tools import databases, inventory, postgres, servers, test, valkey

POSTGRESQL = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "site",
    "USER": "me",
    "PASSWORD": "p@ss/word",
    "HOST": "127.0.0.1",
    "PORT": "5433",
}


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("postgres://me:p%40ss%2Fword@127.0.0.1:5433/site", POSTGRESQL),
        (
            "mysql://me:p%40ss%2Fword@127.0.0.1:5433/site",
            {**POSTGRESQL, "ENGINE": "django.db.backends.mysql"},
        ),
        ("postgresql:///site", {**POSTGRESQL, "USER": "", "PASSWORD": "", "HOST": "", "PORT": ""}),
        (
            "postgres://%2Frun%2Fpg/site?sslmode=disable",
            {
                **POSTGRESQL,
                "USER": "",
                "PASSWORD": "",
                "HOST": "/run/pg",
                "PORT": "",
                "OPTIONS": {"sslmode": "disable"},
            },
        ),
        ("sqlite:////tmp/a.sqlite3", {"ENGINE": "django.db.backends.sqlite3", "NAME": "/tmp/a.sqlite3"}),
        ("sqlite://:memory:", {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}),
        ("", {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}),
    ],
)
def test_a_url_becomes_what_a_person_writes(url, entry):
    assert databases.plain(url) == entry


def test_an_unknown_kind_of_database_is_said_so():
    with pytest.raises(ValueError, match="dbase"):
        databases.plain("dbase://h/n")


def test_no_database_of_the_suite_has_a_key_that_django_does_not_fill_in():
    """Else the suite would hide that a site which leaves the key out breaks."""
    filled = set(ConnectionHandler({"default": {}})["default"].settings_dict)
    for entry in settings.DATABASES.values():
        assert set(entry) <= filled


def test_a_run_says_which_servers_it_uses(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://me:secret@h/n")
    monkeypatch.setenv(valkey.VARIABLE, "redis://:secret@h/0")
    monkeypatch.setattr(servers, "SEARCH", "/no/such/folder")
    found = {line.split()[0]: line for line in inventory.lines()}
    assert set(found) == {
        "PostgreSQL",
        "MariaDB",
        "Valkey",
        "Redis",
        "PgBouncer",
        "Chromium",
        "nginx",
        "Node.js",
    }
    assert "DATABASE_URL" in found["PostgreSQL"]
    assert valkey.VARIABLE in found["Valkey"]
    assert "NOT TESTED" in found["PgBouncer"]
    assert not any("secret" in line for line in found.values())


def test_the_stage_production_is_told_of_a_given_postgresql_and_runs_on_others_too():
    stage = test.STAGES["production"]
    env = test.stage_environment(stage, {"DATABASE_URL": "postgres://x/y"}, None)
    assert env == {"DJANGO_SETTINGS_MODULE": "tests.settings", postgres.VARIABLE: "postgres://x/y"}
    assert not stage.shares
