"""Events as they are logged: one line of visible ASCII each."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.audit import trail
from sessionkeeper.audit.events import Kind
from sessionkeeper.core import keys
from sessionkeeper.http.client_info import ClientInfo as Facts

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.audit.test_trail")]


def test_a_key_in_the_place_of_a_user_agent_is_taken_out():
    key = keys.mint()
    event = trail.make(
        Kind.REVOKED, client=Facts("", f"curl {key.text}"), note=f"Bearer {keys.to_bearer(key)}"
    )
    assert key.text[11:] not in str(event) + str(event.detail)
    assert event.user_agent == "curl [removed]"


@pytest.mark.rule("R39")
@given(st.text())
def test_a_log_line_is_one_line_of_visible_ascii(text):
    event = trail.make(Kind.REFUSED, reason=text, client=Facts("192.0.2.1", text), name=text)
    line = str(event)
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.rule("R38")
def test_a_log_line_reads_well(settings, caplog):
    settings.SESSIONKEEPER = {"AUDIT": False}
    caplog.set_level(logging.INFO, logger="sessionkeeper.audit")
    trail.record(
        Kind.REVOKED, user="7", session_id=5, actor=3, reason="admin", note='say "no"\n\x1b[31m\u202e'
    )
    (line,) = caplog.messages
    assert line.startswith('revoked at="20')
    assert line.endswith(
        f'Z" user="7" session="{keys.encode_id(5)}" by=3 reason="admin" note="say \\"no\\"  [31m "'
    )


def test_a_client_without_facts_is_fine():
    assert trail.make(Kind.REFUSED, client=SimpleNamespace(columns=dict)).ip_address is None
