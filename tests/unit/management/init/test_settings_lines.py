"""The lines of the settings, in projects that have some of them or others in their place."""

from __future__ import annotations

import pytest

from tests.unit.management.init.trees import changed


def test_an_engine_of_django_is_replaced_in_its_line(tree):
    tree.change(tree.settings, more="SESSION_ENGINE = 'django.contrib.sessions.backends.cache'\n")
    lines = changed(tree.init())
    assert "-SESSION_ENGINE = 'django.contrib.sessions.backends.cache'" in lines
    assert "+SESSION_ENGINE = 'sessionkeeper.engine'" in lines


def test_an_engine_of_the_project_is_left_with_a_sentence(tree):
    tree.change(tree.settings, more="SESSION_ENGINE = 'mysite.sessions'\n")
    text = tree.init()
    assert "SESSION_ENGINE is 'mysite.sessions', which is not Django's" in text
    assert not any("SESSION_ENGINE" in line for line in changed(text))


def test_a_backend_of_the_project_stays_first_but_for_the_count(tree):
    tree.change(tree.settings, more="AUTHENTICATION_BACKENDS = ['mysite.ldap.Backend']\n")
    tree.init("--write")
    assert (
        "AUTHENTICATION_BACKENDS = ['sessionkeeper.backends.LockoutBackend', 'mysite.ldap.Backend']"
        in tree.settings.read_text()
    )


def test_django_axes_is_left_to_count(tree):
    tree.change(tree.settings, more="AUTHENTICATION_BACKENDS = ['axes.backends.AxesStandaloneBackend']\n")
    assert "django-axes, which counts failed sign-ins itself" in tree.init()


def test_a_middleware_of_the_project_is_left_with_a_sentence(tree):
    theirs = "django.contrib.sessions.middleware.SessionMiddleware"
    tree.change(tree.settings, (theirs, "mysite.sessions.SessionMiddleware"))
    assert f"MIDDLEWARE has neither '{theirs}' nor ours" in tree.init()


def test_without_djangos_csrf_middleware_nothing_is_put_before_it(tree):
    tree.change(tree.settings, ("    'django.middleware.csrf.CsrfViewMiddleware',\n", ""))
    assert "FetchMetadata" not in "".join(changed(tree.init()))


def test_a_csrf_view_of_the_project_stays(tree):
    tree.change(tree.settings, more="CSRF_FAILURE_VIEW = 'mysite.views.refused'\n")
    assert "CSRF_FAILURE_VIEW is 'mysite.views.refused', your own view." in tree.init()


@pytest.mark.parametrize(
    ("routes", "page"),
    [("", "sessionkeeper-pages:sessions"), ("path('', admin.site.urls),", "/")],
    ids=["without a home page", "with one"],
)
def test_users_go_to_a_page_that_is_there(tree, routes, page):
    tree.change(tree.urls, ("path('admin/', admin.site.urls),", routes or "path('admin/', admin.site.urls),"))
    assert f"+LOGIN_REDIRECT_URL = '{page}'" in changed(tree.init())


def test_settings_that_have_a_dictionary_of_ours_get_adopt_by_hand(tree):
    tree.run("manage.py", "migrate", "-v", "0")
    code = (
        "from django.contrib.sessions.backends.db import SessionStore as S; s = S(); s['a'] = 1; s.create()"
    )
    tree.run("manage.py", "shell", "-c", code)
    tree.change(tree.settings, more="SESSIONKEEPER = {}\n")
    assert "* Set SESSIONKEEPER['ADOPT'] = 'django.contrib.sessions.backends.db'" in tree.init()
