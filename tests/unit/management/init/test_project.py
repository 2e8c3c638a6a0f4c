"""What is read of a project: the routes that lead somewhere, and the files of its settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path

from sessionkeeper.management.init.project import PAGES, Project


def everything(request):
    """A view that takes every path."""
    return HttpResponse()


class Own:
    """Routes with one page, and Wagtail's kind of rest."""

    urlpatterns = [
        path("enter/", lambda request: HttpResponse()),
        path("auth/", include("sessionkeeper.pages.urls")),
        re_path(r"^((?:[\w\-]+/)*)$", everything),
    ]


@override_settings(ROOT_URLCONF=Own)
def test_a_view_for_every_path_is_no_page_of_its_own():
    project = Project(Path.cwd())
    assert project.leads_somewhere("/enter/")
    assert not project.leads_somewhere("/accounts/login/")
    assert PAGES in project.namespaces
    assert "auth/" in project.prefixes


@pytest.mark.django_db
def test_rows_in_djangos_table_are_users_who_are_signed_in():
    assert not Project(Path.cwd()).has_signed_in_users()
    Session.objects.create(session_key="a" * 32, session_data="", expire_date="2099-01-01T00:00Z")
    assert Project(Path.cwd()).has_signed_in_users()


def test_star_imports_are_followed_and_make_settings_split(tree):
    (tree.folder / "mysite/more.py").write_text("from .settings import *\nDEBUG = False\n")
    text = tree.init("--settings", "mysite.more")
    assert "Settings: mysite/more.py, mysite/settings.py" in text
    assert "The settings are split" in text


def test_settings_that_include_others_are_split(tree):
    tree.change(tree.settings, more="def include(name): pass\ninclude('local.py')\n")
    assert "The settings are split (mysite/settings.py)" in tree.init()
