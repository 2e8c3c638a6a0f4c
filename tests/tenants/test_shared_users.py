"""Where all tenants have the same users, they have one set of sessions."""

from __future__ import annotations

import pytest

from tests.tenants.conftest import Browser

pytestmark = pytest.mark.usefixtures("store")


def test_people_of_all_tenants_have_one_set_of_sessions():
    at_a, at_b = Browser("a").signed_in(), Browser("b").signed_in()
    assert len(at_b.get("/api/sessions/").json()["results"]) == 2
    assert at_b.post("/api/sessions/revoke-all/").json() == {"revoked": 2}
    assert at_a.who() == at_b.who() == ""
