"""Theft: the attacker reads a database, a backup, a log, an error report, and tries what is in them."""

from __future__ import annotations

import io
import json
import logging
import re

import django
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from sessionkeeper.core import keys
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import TRANSPORTS, TokenApi

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.attacks.site")]

#: Django 6 takes addresses, Django 5 pairs.
ADMINS = ["admin@example.org"] if django.VERSION >= (6, 0) else [("admin", "admin@example.org")]
#: Whatever in a dump could be a key or a token.
CANDIDATE = re.compile(r"[A-Za-z0-9_+/=-]{11,}")


def dump_of_all_tables():
    text = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                text += [
                    bytes(cell).hex() if isinstance(cell, bytes | memoryview) else str(cell) for cell in row
                ]
    return "\n".join(text)


def backup_by_django():
    out = io.StringIO()
    call_command("dumpdata", stdout=out)
    return out.getvalue()


def export_of_the_store():
    return contents.dump()


@pytest.mark.rule("R06")
@pytest.mark.parametrize("dump", [dump_of_all_tables, backup_by_django, export_of_the_store])
def test_a_stolen_dump_signs_nobody_in(either, dump):
    stolen = dump()
    assert either.key not in stolen
    secret = keys.parse(either.key).secret
    assert secret not in stolen
    assert secret[:22] not in stolen
    for text in set(CANDIDATE.findall(stolen)):
        for client in TRANSPORTS.values():
            thief = client()
            if isinstance(thief, TokenApi):
                thief.bearer = f"sess_{text}"
            else:
                thief.key = text
            assert thief.whoami().status_code in {400, 401}
    assert either.whoami().status_code == 200


@pytest.mark.rule("R06")
@pytest.mark.rule("R38")
def test_a_stolen_log_holds_nothing_that_signs_in(alice, transport, caplog):
    caplog.set_level(logging.DEBUG)
    client = TRANSPORTS[transport]()
    client.log_in(alice, "wrong")
    client.log_in(alice)
    held = client.key
    client.whoami()
    client.get("/nowhere/")
    client.post("/api/auth/login/", "{", content_type="application/json")
    client.log_out()
    log = "\n".join(record.getMessage() + str(record.__dict__) for record in caplog.records)
    assert keys.parse(held).secret not in log
    assert PASSWORD not in log


@pytest.mark.rule("R23")
def test_no_answer_repeats_the_key_of_the_cookie(signed_in):
    held = keys.parse(signed_in.key).secret
    for path in ("session/", "sessions/", "csrf/"):
        assert held not in signed_in.get(f"/api/auth/{path}").content.decode()
    assert held not in json.dumps(signed_in.log_out().headers.__dict__, default=str)


@override_settings(DEBUG=False, ADMINS=ADMINS)
def test_an_error_report_by_mail_holds_no_key(either, mailoutbox):
    either.raise_request_exception = False
    assert either.get("/boom/").status_code == 500
    (mail,) = mailoutbox
    report = mail.body + str(mail.alternatives)
    assert "BoomError" in report
    assert keys.parse(either.key).secret not in report
