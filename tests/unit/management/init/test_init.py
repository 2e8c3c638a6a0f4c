"""``sessions init``, run in projects of many kinds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from tests.unit.management.init import trees
from tests.unit.management.init.trees import changed


def works(tree):
    """Whether the project passes its checks, and has the routes. Two pages to sign in are no fault."""
    found = tree.run("manage.py", "check", "--tag", "sessionkeeper", "--fail-level", "WARNING")
    assert "no issues" in found or set(re.findall(r"sessionkeeper\.\w\d+", found)) == {"sessionkeeper.I005"}
    code = "from django.urls import reverse as r; print(r('sessionkeeper-pages:login'))"
    return tree.run("manage.py", "shell", "-v", "0", "-c", code).strip().splitlines()[-1]


def test_a_new_project_gets_every_line_and_works(tree):
    text = tree.init("--write")
    assert "Written: mysite/settings.py" in text
    assert "Written: mysite/urls.py" in text
    assert works(tree) == "/auth/login/"
    assert "http://127.0.0.1:8000/auth/sessions/" in text


def test_every_hunk_says_its_reason(tree):
    hunks = [line for line in tree.init().splitlines() if line.startswith("@@")]
    assert len(hunks) == 12
    assert all(len(line.split("@@")[2].split()) >= 4 for line in hunks)


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs patch")
def test_the_printed_diff_is_exact(tree, tmp_path):
    """Applied by ``patch`` it gives what ``--write`` writes."""
    other = tree.copy(tmp_path / "other")
    subprocess.run(["patch", "-p0"], input=tree.init().encode(), cwd=tree.folder, check=True)
    other.init("--write")
    assert tree.settings.read_text() == other.settings.read_text()
    assert tree.urls.read_text() == other.urls.read_text()


def test_nothing_is_written_unless_asked_for(tree):
    before = tree.contents()
    assert "Nothing was written" in tree.init()
    assert tree.contents() == before


def test_a_second_run_finds_nothing_to_do(tree):
    tree.init("--write")
    before = tree.contents()
    for text in (tree.init("--write"), tree.run("manage.py", "sessions", "init", "--write")):
        assert "Nothing to change" in text
        assert not changed(text)
    assert tree.contents() == before


def test_a_half_install_gets_the_rest(tree):
    tree.change(tree.settings, ("INSTALLED_APPS = [", "INSTALLED_APPS = [\n    'sessionkeeper',"))
    tree.change(tree.settings, more="SESSION_ENGINE = 'sessionkeeper.engine'\n")
    added = changed(tree.run("manage.py", "sessions", "init", "--write"))
    assert not any("SESSION_ENGINE" in line or "'sessionkeeper'," in line for line in added)
    assert works(tree) == "/auth/login/"


def test_a_custom_user_model_needs_no_other_lines(tree):
    tree.add_app("shop", models=trees.USERS)
    tree.change(tree.settings, more="AUTH_USER_MODEL = 'shop.Customer'\n")
    text = tree.init("--write")
    assert "Users: shop.Customer, a model of the project" in text
    assert "AUTH_USER_MODEL" not in "".join(changed(text))
    assert works(tree) == "/auth/login/"


def test_allauth_keeps_its_pages_and_its_backend(tree):
    backends = (
        "django.contrib.auth.backends.ModelBackend",
        "allauth.account.auth_backends.AuthenticationBackend",
    )
    tree.change(
        tree.settings,
        ("INSTALLED_APPS = [", "INSTALLED_APPS = [\n    'allauth',\n    'allauth.account',"),
        ("MIDDLEWARE = [", "MIDDLEWARE = [\n    'allauth.account.middleware.AccountMiddleware',"),
        more=f"AUTHENTICATION_BACKENDS = {list(backends)}\n",
    )
    tree.change(
        tree.urls,
        ("import path", "import include, path"),
        ("urlpatterns = [", "urlpatterns = [\n    path('accounts/', include('allauth.urls')),"),
    )
    text = tree.init("--write")
    assert "Found: django-allauth" in text
    assert "'/accounts/login/', which is allauth's page" in text
    assert not any("LOGIN_URL" in line for line in changed(text))
    assert f"'sessionkeeper.backends.ModelBackend', '{backends[1]}'" in tree.settings.read_text()
    assert "allauth.account.middleware" in tree.settings.read_text()
    assert works(tree) == "/auth/login/"


def test_a_project_with_a_login_page_of_its_own_keeps_it(tree):
    tree.change(tree.settings, more="LOGIN_URL = '/enter/'\n")
    text = tree.init("--write")
    assert "LOGIN_URL is '/enter/', your own page" in text
    assert tree.settings.read_text().count("LOGIN_URL") == 1


def test_a_wagtail_project_has_split_settings_and_is_only_told(tmp_path):
    start = (
        "import sys; from wagtail.bin.wagtail import main; sys.argv[1:] = ['start', 'mysite', '.']; main()"
    )
    tree = trees.Tree(trees.made(tmp_path / "site", sys.executable, "-c", start))
    before = tree.contents()
    text = tree.init("--write", code=1)
    assert tree.contents() == before
    assert "Found: Wagtail" in text
    assert "The settings are split (mysite/settings/dev.py and mysite/settings/base.py)" in text
    assert '+    "sessionkeeper.middleware.SessionMiddleware",' in changed(text)
    assert '+    path("auth/", include("sessionkeeper.pages.urls")),' in changed(text)
    assert '+LOGIN_URL = "sessionkeeper-pages:login"' in changed(text)


def test_applications_that_are_put_together_get_a_sentence(tree):
    text = tree.settings.read_text()
    listed = re.search(r"INSTALLED_APPS = \[(.*?)\]", text, re.DOTALL)
    names = " ".join(re.findall(r"[\w.]+", listed[1]))
    tree.settings.write_text(text.replace(listed[0], f"INSTALLED_APPS = '{names}'.split()"))
    text = tree.init("--write", code=1)
    assert "To be changed by hand:\n* Put 'sessionkeeper' and 'rest_framework' before" in text
    assert "Written: mysite/urls.py" in text  # the rest is simple


def test_applications_of_several_lists_are_found(tree):
    tree.change(tree.settings, ("INSTALLED_APPS = [", "THEIRS = ["), more="INSTALLED_APPS = [*THEIRS]\n")
    tree.init("--write")
    assert "THEIRS = [\n    'sessionkeeper'," in tree.settings.read_text()


def test_users_who_are_signed_in_stay_so(tree):
    tree.run("manage.py", "migrate", "-v", "0")
    assert "ADOPT" not in tree.init()
    code = (
        "from django.contrib.sessions.backends.db import SessionStore as S; s = S(); s['a'] = 1; s.create()"
    )
    tree.run("manage.py", "shell", "-c", code)
    added = changed(tree.init("--write"))
    assert "+SESSIONKEEPER = {'ADOPT': 'django.contrib.sessions.backends.db'}" in added


def test_reading_a_new_project_makes_no_database(tree):
    tree.init("--write")
    assert not (tree.folder / "db.sqlite3").exists()


def test_a_file_of_windows_keeps_its_line_ends(tree):
    tree.settings.write_bytes(tree.settings.read_bytes().replace(b"\n", b"\r\n"))
    tree.init("--write")
    data = tree.settings.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n")
    assert works(tree) == "/auth/login/"


def test_a_file_without_a_last_newline_is_written_well(tree):
    tree.settings.write_bytes(tree.settings.read_bytes().rstrip(b"\n"))
    tree.init("--write")
    assert works(tree) == "/auth/login/"


def test_double_quotes_are_kept(tree):
    tree.settings.write_text(tree.settings.read_text().replace("'", '"'))
    tree.urls.write_text(tree.urls.read_text().replace("'", '"'))
    assert not any("'" in line for line in changed(tree.init("--write")))
    assert works(tree) == "/auth/login/"
