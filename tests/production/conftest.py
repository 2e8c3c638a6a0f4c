"""One project for all tests here, a database of each kind for it, and the servers in front."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import chromium  # noqa: F401
from tests.production.deployment import Project, serving
from tests.servers import mariadb
from tools import databases, postgres, servers

#: Beside those of `test_configurations.py`.
SITES = (
    ("sqlite", "uvicorn"),
    ("postgresql", "gunicorn sync"),
    ("postgresql", "gunicorn gthread"),
    ("postgresql", "uvicorn"),
    ("postgresql", "granian"),
    ("mariadb", "gunicorn gthread"),
)
#: Those of them that tests run at which take long.
THOROUGH = (SITES[0], SITES[2], SITES[5])


def pytest_configure(config):
    """Declare the marker of these tests."""
    config.addinivalue_line("markers", "takes_long: runs behind one server of each database only")


def pytest_collection_modifyitems(config, items):
    """Leave out what takes long where another site has shown it."""
    left_out = [
        item
        for item in items
        if item.get_closest_marker("takes_long") and item.callspec.params.get("site") not in THOROUGH
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


class Databases:
    """A migrated database of each kind that is asked for, with the people of the tutorial in it."""

    def __init__(self, project: Project, stack: ExitStack) -> None:
        self._project, self._stack = project, stack
        self._made: dict[str, dict[str, object]] = {}

    def entry(self, kind: str) -> dict[str, object]:
        """What a person writes into DATABASES; where it cannot be had the test says so, and fails in CI."""
        if kind not in self._made:
            try:
                entry = databases.plain(getattr(self, f"_{kind}")())
            except servers.Unavailable as error:
                (pytest.fail if os.environ.get("CI") else pytest.skip)(f"NOT TESTED on {kind}. {error}")
            self._project.prepare(self._project.write(f"on_{kind}", DATABASES={"default": entry}))
            self._made[kind] = entry
        return dict(self._made[kind])

    def _sqlite(self) -> str:
        return f"sqlite:///{self._project.folder / 'db.sqlite3'}"

    def _mariadb(self) -> str:
        return self._stack.enter_context(mariadb.private_server())

    def _postgresql(self) -> str:
        import psycopg

        url = os.environ.get(postgres.VARIABLE) or self._stack.enter_context(postgres.private_server())
        name = f"site_{secrets.token_hex(6)}"
        admin = self._stack.enter_context(closing(psycopg.connect(url, autocommit=True)))
        admin.execute(f"CREATE DATABASE {name}")
        self._stack.callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
        return urlsplit(url)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The project."""
    return Project(tmp_path_factory.mktemp("production"))


@pytest.fixture(scope="session")
def made(project):
    """The databases of the project."""
    with ExitStack() as stack:
        yield Databases(project, stack)


@pytest.fixture(scope="session", params=SITES, ids=" on ".join)
def site(request, project, made, tmp_path_factory):
    """The project in production, on a database and behind a server."""
    kind, server = request.param
    made.entry(kind)
    env = project.write(f"on_{kind}", DATABASES={"default": made.entry(kind)})
    with serving(project, env, server, tmp_path_factory.mktemp("log") / "log") as site:
        yield site


@pytest.fixture(scope="session", params=["sqlite", "postgresql", "mariadb"])
def settled(request, project, made):
    """The environment of the project on a database, for commands; no server runs."""
    return project.write(f"on_{request.param}", DATABASES={"default": made.entry(request.param)})
