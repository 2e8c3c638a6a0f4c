"""What all lists of records in the admin share."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db.models import Q

from sessionkeeper.admin.base import RecordAdmin
from sessionkeeper.audit import trail
from sessionkeeper.audit.events import Kind
from sessionkeeper.models import AuditEvent

pytestmark = pytest.mark.django_db


class ByReason(RecordAdmin):
    def matching(self, term, rows):
        return Q(reason=term)


@pytest.fixture
def records():
    return ByReason(AuditEvent, admin.site)


def test_a_search_finds_what_the_list_says_and_an_empty_one_everything(rf, records):
    for reason in ("limit", "operator"):
        trail.record(Kind.REVOKED, reason=reason)
    rows = AuditEvent.objects.all()
    found, may_have_duplicates = records.get_search_results(rf.get("/"), rows, " limit ")
    assert [row.reason for row in found] == ["limit"]
    assert not may_have_duplicates
    assert records.get_search_results(rf.get("/"), rows, "  ")[0].count() == 2


def test_nobody_adds_a_row(rf, records):
    assert not records.has_add_permission(rf.get("/"))
