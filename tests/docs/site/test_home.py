"""What the README says is on the site too, its numbers are measured, and its code runs."""

from __future__ import annotations

import re
from argparse import _SubParsersAction
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import load_command_class
from django.test import Client
from django.urls import include, path

from sessionkeeper import sessions
from sessionkeeper.models import Session
from tests.demo_server import ROOT
from tests.pages import home, openapi, sequences
from tests.unit.api.openapi.generated import generated

README = (ROOT / "README.md").read_text()
MEASURED = (ROOT / "docs/benchmarks.md").read_text() + (ROOT / "docs/operations/failures.md").read_text()
[CODE] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GIVEN: dict[str, object] = {"__name__": __name__}
exec(CODE, GIVEN)

urlpatterns = [
    path("profile/", GIVEN["profile"]),
    path("end/", GIVEN["end_everything"]),
    path("auth/", include("sessionkeeper.pages.urls")),
]


@pytest.mark.parametrize("name", [*home.PAGES, *home.SECTIONS])
def test_the_page_is_the_file(name):
    """Write it anew with ``python -m tests.pages.home``."""
    assert (home.DOCS / name).read_text() == home.page(name)


def test_links_are_moved_with_the_page():
    assert "](howto/pages.md)" in home.page("index.md")
    assert "](images/devices.png)" in home.page("index.md")
    assert "](../howto/pages.md)" in home.page("project/changelog.md")
    assert "](LICENSE)" not in home.page("index.md")


def test_the_numbers_of_the_readme_are_those_that_were_measured():
    marked = re.findall(r"([^|]*?)<!-- renew: (request|updates) -->", README)
    assert len(marked) == 4
    for cell, _ in marked:
        for number in re.findall(r"(\d[\d,]*) (?:µs|of 400)", cell):
            assert re.search(rf"\b{number.replace(',', '')}\b", MEASURED), (
                f"not in docs/benchmarks.md: {number}"
            )


def test_the_requests_of_the_soak_are_those_that_were_counted():
    total = re.search(r"\*\*0 wrong admissions\*\* in ([\d,]+) requests", README)[1]
    counted, wrong = (
        [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", row)]
        for row in re.findall(r"^\| (?:requests|wrong admissions) (\|.*)$", MEASURED, re.MULTILINE)
    )
    assert int(total.replace(",", "")) == sum(counted)
    assert set(wrong) == {0}


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_the_code_of_the_readme_does_what_it_says(make_user, django_assert_num_queries):
    user = make_user()
    here, there = Client(), Client()
    here.force_login(user)
    there.force_login(user)
    with django_assert_num_queries(1):
        assert here.get("/profile/").json() == {"user": user.get_username()}
    Session.objects.update(
        authenticated_at=sessions.list_for(user)[0].authenticated_at - timedelta(minutes=6)
    )
    assert here.get("/end/").status_code == 403
    browser = here.get("/end/", headers={"accept": "text/html"})
    assert browser["Location"].startswith("/auth/reauthenticate/")
    here.force_login(user)
    assert here.get("/end/").json() == {"ended": 2}
    assert there.get("/profile/").json() == {"user": ""}


def test_the_page_on_commands_names_each_verb():
    parser = load_command_class("sessionkeeper", "sessions").create_parser("manage.py", "sessions")
    [verbs] = [action.choices for action in parser._actions if isinstance(action, _SubParsersAction)]
    page = (ROOT / "docs/reference/commands.md").read_text()
    assert not [verb for verb in verbs if f"`{verb}" not in page]


def test_the_page_on_templates_names_each_template_and_block():
    page = (ROOT / "docs/reference/templates.md").read_text()
    folder = ROOT / "src/sessionkeeper/templates/sessionkeeper"
    for template in folder.rglob("*.html"):
        if template.parent.name != "mail" and not template.name.startswith("password_reset_"):
            assert f"`sessionkeeper/{template.relative_to(folder)}`" in page, template
        for block in re.findall(r"{% block (\w+)", template.read_text()):
            assert f"`{block}`" in page, block


@pytest.mark.skipif(
    get_user_model()._meta.pk.get_internal_type() == "UUIDField", reason="the page has numbers"
)
def test_the_page_on_openapi_is_that_of_the_schema():
    """Write it anew with ``python -m tests.pages.openapi``."""
    assert openapi.PAGE.read_text() == openapi.page(generated()[0])


@pytest.mark.parametrize("name", sequences.pictures())
def test_each_picture_is_drawn_and_shown(name):
    """Draw it anew with ``python -m tests.pages.sequences``."""
    assert (sequences.IMAGES / f"{name}.svg").read_text() == sequences.drawing(sequences.pictures()[name])
    assert f"images/{name}.svg" in (ROOT / "docs/how-it-works.md").read_text()
