"""What a project that has drf-spectacular, and one that has not, gets of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.urls import path
from rest_framework import serializers
from rest_framework.generics import ListCreateAPIView
from rest_framework.permissions import IsAuthenticated

from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication
from sessionkeeper.api.views.session import LoginView
from tests.unit.api.openapi.generated import API, codes, generated, operations

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


class NoteSerializer(serializers.Serializer):
    text = serializers.CharField()


class OwnSession(SessionAuthentication):
    pass


class Notes(ListCreateAPIView):
    """A project's own view."""

    authentication_classes = [OwnSession, TokenAuthentication]
    permission_classes = [IsAuthenticated]
    serializer_class = NoteSerializer
    queryset = []


def test_a_projects_own_views_and_classes_get_the_schemes_too():
    found, warnings = generated([path("notes/", Notes.as_view()), *API])
    assert not warnings
    assert operations(found)["POST /notes/"]["security"] == [
        {"sessionCookie": [], "csrfCookie": [], "csrfToken": []},
        {"sessionToken": []},
    ]
    assert operations(found)["GET /notes/"]["security"][0] == {"sessionCookie": []}


class OwnLogin(LoginView):
    """Sign in at ours."""


def test_a_subclass_of_an_endpoint_keeps_its_schema():
    found, warnings = generated([path("enter/", OwnLogin.as_view())])
    assert not warnings
    assert operations(found)["POST /enter/"]["summary"] == "Sign in at ours."
    assert "invalid_credentials" in codes(operations(found)["POST /enter/"])


def test_without_drf_spectacular_the_api_is_there():
    program = """
import sys; sys.modules["drf_spectacular"] = None
from django.conf import settings
from tests import settings as ours
apps = [app for app in ours.INSTALLED_APPS if app != "drf_spectacular"]
settings.configure(INSTALLED_APPS=apps, SECRET_KEY="x", SESSION_ENGINE=ours.SESSION_ENGINE)
import django; django.setup()
import sessionkeeper.api.urls
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
