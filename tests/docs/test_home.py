"""What the README says is on the site too, its numbers are measured, and its code runs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import include, path

from sessionkeeper import sessions
from sessionkeeper.models import Session
from tests.demo_server import ROOT
from tests.pages import home

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


@pytest.mark.parametrize("name", home.PAGES)
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
