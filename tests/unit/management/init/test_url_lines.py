"""The lines of the routes."""

from __future__ import annotations

import pytest

from tests.unit.management.init.trees import changed


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("from django.urls import re_path, path", "from django.urls import include, path, re_path"),
        ("from django.urls import path as path\nfrom django.urls import include", None),
        ("from django.urls import include, path", "from django.urls import include, path"),
    ],
)
def test_what_the_routes_need_is_imported(tree, imports, expected):
    tree.change(tree.urls, ("\nfrom django.urls import path", f"\n{imports}"))
    text = tree.init(*["--write"] * (expected is not None))
    if expected is None:
        assert "path or include is imported under another name" in text
    else:
        assert tree.urls.read_text().splitlines().count(expected) == 1
        tree.run("manage.py", "check")


def test_a_prefix_that_is_taken_is_not_taken_again(tree):
    own = "path('api/auth/', admin.site.urls), path('auth/x/', admin.site.urls),"
    tree.change(tree.urls, ("path('admin/', admin.site.urls),", own))
    text = tree.init()
    assert "path('sessionkeeper/', include('sessionkeeper.pages.urls'))," in "".join(changed(text))
    assert "path('api/sessionkeeper/', include('sessionkeeper.api.urls'))," in "".join(changed(text))
    assert "http://127.0.0.1:8000/sessionkeeper/sessions/" in text


def test_routes_that_are_made_by_code_are_left_to_a_person(tree):
    tree.change(tree.urls, ("urlpatterns = [", "urlpatterns = list(["), ("\n]", "\n])"))
    text = tree.init("--write", code=1)
    assert "* Put path('auth/', include('sessionkeeper.pages.urls')) first into urlpatterns" in text


def test_a_route_that_is_there_is_not_added(tree):
    tree.init("--write")
    tree.change(tree.urls, ("    path('auth/', include('sessionkeeper.pages.urls')),\n", ""))
    added = changed(tree.init())
    assert added == ["+    path('auth/', include('sessionkeeper.pages.urls')),"]
