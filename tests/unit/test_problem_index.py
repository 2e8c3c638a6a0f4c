"""The page that the ``type`` of a problem points to."""

from __future__ import annotations

import re
import subprocess
import sys
from urllib.parse import urldefrag

import pytest
from django.test import override_settings
from django.urls import include, path
from django.utils import translation

from sessionkeeper.api import problems as api_problems
from sessionkeeper.http import problems

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]
ALL = problems.KNOWN
OF_THE_API = {one for one in vars(api_problems).values() if isinstance(one, problems.Problem)}


class OnlyIndex:
    """URLs of a project without the API."""

    urlpatterns = [path("errors/", include("sessionkeeper.problem_index"))]


class NoIndex:
    """URLs of a project with nothing of ours."""

    urlpatterns = []


def test_the_type_of_a_problem_leads_to_what_the_index_says_of_it(api):
    members = api.get("/api/auth/session/").json()
    page, code = urldefrag(members["type"])
    answer = api.get(page)
    assert answer.status_code == 200
    assert code == members["code"]
    entry = answer.content.decode().partition(f'<section id="{code}">')[2].partition("</section>")[0]
    assert members["title"] in entry
    assert "401" in entry


def test_the_index_lists_every_problem_once(api):
    text = api.get("/api/auth/problems/").content.decode()
    assert sorted(re.findall(r'<section id="(\w+)">', text)) == sorted(ALL)
    assert "{" not in text.partition("<main>")[2]


def test_the_index_is_open_and_asks_for_no_session(api, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = api.get("/api/auth/problems/")
    assert not answer.cookies
    assert answer["Cache-Control"] == "no-store"
    assert api.post("/api/auth/problems/").status_code in {403, 405}


def test_a_csrf_problem_says_with_the_names_of_this_site_how_to_send_a_token(api):
    with override_settings(CSRF_COOKIE_NAME="biscuit"):
        text = api.get("/api/auth/problems/").content.decode()
    assert "/api/auth/csrf/ sets the cookie biscuit" in text


def test_a_project_without_the_api_has_the_index_where_it_includes_it(api):
    with override_settings(ROOT_URLCONF=OnlyIndex):
        assert problems.STORE_UNAVAILABLE.type == "/errors/#store_unavailable"
        assert '<section id="store_unavailable">' in api.get("/errors/").content.decode()


def test_without_an_index_the_type_is_a_name():
    with override_settings(ROOT_URLCONF=NoIndex):
        assert problems.STORE_UNAVAILABLE.type == "urn:sessionkeeper:problem:store_unavailable"


def test_the_index_needs_no_rest_framework():
    program = """
import sys; sys.modules["rest_framework"] = None
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "sessionkeeper"])
import django; django.setup()
from sessionkeeper.problem_index import known
print(len(known()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(len({*ALL.values()} - OF_THE_API)), done.stderr


def test_the_language_is_that_of_the_request():
    with translation.override("de"):  # there is no catalogue yet; lazy texts have to survive it
        assert str(ALL["body_too_large"].detail).startswith("The limit is 65536")
