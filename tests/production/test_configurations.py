"""The same sign-in, reads, save, ending and sign-out with every setting of a database that people use."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.demo_server import ALICE, Visitor
from tests.production.deployment import serving
from tests.servers.poolers import has_pooler, pooler

#: More often than the statement of a request runs on one connection before it is prepared.
MANY = 8
KEPT = {"CONN_MAX_AGE": 60}
WITHOUT_ZONES = {"USE_TZ": False, "TIME_ZONE": "America/New_York"}
POOLER = "a pooler in transaction mode"

#: By name: what is added to the entry in DATABASES, and to the settings. A new connection for each request is
#: what `test_site.py` runs on.
SETTINGS = {
    "connections that are kept": (KEPT, {}),
    "connections that are looked after": ({**KEPT, "CONN_HEALTH_CHECKS": True}, {}),
    "each request a transaction": ({**KEPT, "ATOMIC_REQUESTS": True}, {}),
    "times without zones": (KEPT, WITHOUT_ZONES),
    "a pool": ({"OPTIONS": {"pool": True}}, {}),
    "parameters that the server binds": ({**KEPT, "OPTIONS": {"server_side_binding": True}}, {}),
    POOLER: (KEPT, {}),
    f"{POOLER}, as Django's documentation has it": ({"DISABLE_SERVER_SIDE_CURSORS": True}, {}),
}
CASES = [
    *(("postgresql", name, "one gthread") for name in SETTINGS),
    ("postgresql", "a pool", "uvicorn"),
    ("mariadb", "connections that are kept", "uvicorn"),
    ("mariadb", "each request a transaction", "one gthread"),
    ("mariadb", "times without zones", "one gthread"),
    ("sqlite", "each request a transaction", "one gthread"),
    ("sqlite", "times without zones", "one gthread"),
]


@pytest.fixture(params=CASES, ids=", ".join)
def configured(request, project, made, tmp_path):
    """The project on a database with some setting of its own."""
    kind, name, server = request.param
    added, settings = SETTINGS[name]
    entry = {**made.entry(kind), **added}
    with ExitStack() as stack:
        if name.startswith(POOLER):
            if not has_pooler():
                (pytest.fail if os.environ.get("CI") else pytest.skip)("PgBouncer is not installed here")
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="sessionkeeper-pooler-")))
            entry |= stack.enter_context(pooler(folder, entry))
        env = project.write(
            f"configured_{CASES.index(request.param)}", DATABASES={"default": entry}, **settings
        )
        yield stack.enter_context(serving(project, env, server, tmp_path / "log"))


def test_a_site_does_what_it_promises(configured):
    here, there, stranger = Visitor(configured), Visitor(configured), Visitor(configured)
    assert stranger.log_in({**ALICE, "password": "red-queen"}).status == 401
    assert [one.log_in().status for one in (here, there)] == [200, 200]
    for path in ("/dashboard/", "/api/auth/session/", "/articles/check-session/") * MANY:
        assert [one.get(path).status for one in (here, there)] == [200, 200]
    assert [here.get("/articles/visits/").json["visits"] for _ in range(MANY)] == list(range(1, MANY + 1))
    session = there.get("/api/auth/session/").json["session"]
    assert (
        session["created_at"] <= session["last_seen_at"] < session["idle_expires_at"] <= session["expires_at"]
    )
    assert here.send_json("DELETE", f"/api/auth/sessions/{session['id']}/", {}).status == 204
    assert [one.get("/dashboard/").status for one in (here, there, stranger)] == [200, 401, 401]
    assert here.send_json("POST", "/logout/", {}).status == 200
    assert here.get("/dashboard/").status == 401
