"""The suite runs on what a person writes into DATABASES: the keys of Django's documentation and no others."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db.utils import ConnectionHandler

from tools import databases

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
    with pytest.raises(ValueError, match="oracle: is no database"):
        databases.plain("oracle://h/n")


def test_no_database_of_the_suite_has_a_key_that_django_does_not_fill_in():
    """Else the suite would hide that a site which leaves the key out breaks."""
    filled = set(ConnectionHandler({"default": {}})["default"].settings_dict)
    for entry in settings.DATABASES.values():
        assert set(entry) <= filled
