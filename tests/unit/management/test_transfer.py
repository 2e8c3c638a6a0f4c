"""``manage.py sessions export`` and ``import``: sessions in a file, and back."""

from __future__ import annotations

import io
import json
import os
import stat
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client, override_settings
from django.utils import timezone

from sessionkeeper.audit import events
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent
from sessionkeeper.stores.factory import get_store
from sessionkeeper.stores.redis import tombstones
from tests import contents
from tests.stores import insert, server_url
from tests.unit.management.transferred import export, put, run
from tools.valkey import with_options

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(make_user):
    """A browser in which somebody is signed in, and its cookie."""
    browser = Client()
    browser.force_login(make_user())
    return browser


def signed_in_as(browser):
    """Who is signed in, by the key in the browser's cookie."""
    return SessionStore(browser.cookies["sessionid"].value).get("_auth_user_id")


def test_an_import_brings_back_what_an_export_wrote(path, alice):
    session = SessionStore(alice.cookies["sessionid"].value)
    session["basket"] = {"b": [1, 2.5, None, "ä\0\ud800"], "a": True}
    session.save()
    user = signed_in_as(alice)
    contents.set_back("created_at", "authenticated_at", "last_seen_at", hours=1)
    before = contents.record()
    export(path)
    contents.drop()
    assert signed_in_as(alice) is None
    assert run("import", str(path)) == "1 session restored.\n"
    assert contents.record()._replace(version=0) == before._replace(version=0, data=contents.record().data)
    assert contents.data()["basket"] == {"b": [1, 2.5, None, "ä\0\ud800"], "a": True}
    assert user is not None
    assert signed_in_as(alice) == user
    [event] = AuditEvent.objects.filter(kind=events.Kind.RESTORED.value)
    assert (event.session_id, str(event.user_id), event.reason) == (before.id, user, "command")


@pytest.mark.rule("R06")
def test_an_export_holds_no_key_and_is_for_its_owner_alone(path, alice, make_user):
    tokens = [insert(get_store(), user_id=make_user().pk, transport="bearer") for _ in range(3)]
    text = json.dumps(export(path))
    for key in (*tokens, keys.parse(alice.cookies["sessionid"].value)):
        assert keys.encode_id(key.id) in text
        assert key.secret not in text
        assert key.secret[: keys.ROTATING_LENGTH] not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.database_store_only
@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_sessions_move_to_another_store(path, alice, make_user, kind):
    bob = make_user().pk
    data = json.dumps({"_auth_user_id": str(bob)})
    token = insert(get_store(), user_id=bob, transport="bearer", idle_seconds=None, data=data)
    before = {one.id: one for one in contents.records()}
    user = signed_in_as(alice)
    export(path)
    with override_settings(
        SESSIONKEEPER={"STORE": with_options(server_url(kind), prefix=f"moved-{os.getpid()}:")}
    ):
        assert run("import", str(path)) == "2 sessions restored.\n"
        assert signed_in_as(alice) == user
        for record in contents.records():
            assert record._replace(data="") == before[record.id]._replace(data="", version=0)
        [listed] = registry.list_for(before[token.id].user_id)
        assert listed.id == token.id
        assert run("import", str(path)) == "0 sessions restored. Left out: 2 already there.\n"
        contents.drop()


def test_what_is_there_has_expired_or_has_ended_is_left_out(path, alice):
    there, gone, idle = insert(get_store()), insert(get_store()), insert(get_store())
    lines = export(path)
    for line in lines[1:-1]:
        if line["id"] == keys.encode_id(gone.id):
            line["expires_at"] = timezone.now().isoformat()
        if line["id"] == keys.encode_id(idle.id):
            line["last_seen_at"] = (timezone.now() - timedelta(hours=2)).isoformat()
    put(path, lines)
    for key in (gone, idle):
        get_store().revoke(key.id)
    registry.revoke(keys.parse(alice.cookies["sessionid"].value).id)
    assert run("import", str(path)) == (
        "0 sessions restored. Left out: 1 already there, 2 expired, 1 ended.\n"
    )
    assert [one.id for one in contents.records()] == [there.id]
    assert signed_in_as(alice) is None


def test_what_ended_in_valkey_stays_ended_without_an_audit_trail(path, alice):
    export(path)
    record = contents.record()
    contents.drop()
    tombstones.record([(record.id, record.expires_at)])
    assert run("import", str(path)) == "0 sessions restored. Left out: 1 ended.\n"


def test_a_dry_run_looks_and_writes_nothing(path):
    insert(get_store())
    export(path)
    contents.drop()
    assert run("import", str(path), "--dry-run") == "1 session could be read. Nothing was written.\n"
    assert contents.count() == 0


def test_a_file_comes_by_standard_input_and_goes_to_the_terminal(path, alice, monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    call_command("sessions", "export", stdout=out, stderr=err, no_color=True)
    assert err.getvalue() == "1 session exported.\n"
    assert json.loads(out.getvalue().splitlines()[-1]) == {"sessions": 1}
    contents.drop()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(out.getvalue().encode())))
    assert run("import", "-") == "1 session restored.\n"
    assert signed_in_as(alice) is not None


def test_many_go_in_batches(path, monkeypatch):
    monkeypatch.setattr(registry, "BATCH", 2)
    for _ in range(5):
        insert(get_store())
    export(path)
    contents.drop()
    said = run("import", str(path), verbosity=2).splitlines()
    assert said == ["2 of 5 done so far", "4 of 5 done so far", "5 of 5 done so far", "5 sessions restored."]


def test_a_file_that_exists_is_not_overwritten(path):
    path.write_text("mine")
    with pytest.raises(CommandError, match="exists"):
        run("export", str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["nowhere/at/all", "nul\0"])
def test_a_file_that_cannot_be_is_said_in_a_sentence(tmp_path, name):
    with pytest.raises(CommandError, match="cannot be written"):
        run("export", str(tmp_path / name))
    with pytest.raises(CommandError, match="cannot be read"):
        run("import", str(tmp_path / name))


@pytest.mark.database_store_only
def test_a_session_that_cannot_be_read_is_left_out_and_named(path):
    key = insert(get_store())
    contents.spoil()
    said = run("export", str(path))
    assert f"Session {keys.encode_id(key.id)} is left out" in said
    assert "0 sessions exported." in said
    assert run("import", str(path)) == "0 sessions restored.\n"


def test_a_file_that_is_none_or_is_cut_off_is_refused(path):
    for _ in range(2):
        insert(get_store())
    head, first, second, end = export(path)
    lacking = {name: value for name, value in second.items() if name != "amr"}
    for lines, complaint in (
        ([], "truncated after 0 sessions"),
        ([first], "Line 1 is not the first line"),
        ([{**head, "version": 2}, end], "Line 1 is not the first line"),
        ([head, first], "truncated after 1 session"),
        ([head, first, end], "Line 3 is the end of an export, but"),
        ([head, first, second, end, end], "Line 4 is the end of an export, but"),
        ([head, first, lacking, end], "Line 3 lacks amr"),
        ([head, "text", end], "Line 2 is not a JSON object"),
    ):
        put(path, lines)
        with pytest.raises(CommandError, match=complaint):
            run("import", str(path))
    path.write_bytes(b'{"format"\xff')
    with pytest.raises(CommandError, match="Line 1 is not JSON"):
        run("import", str(path))
