"""The report of the doctor: its grade, its fixes, its exit code."""

from __future__ import annotations

import json

import pytest

from sessionkeeper.management.doctor import report
from tests.unit.management.doctor.examined import examine

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


def found(findings):
    return {(one.about, one.level.name) for one in findings}


@pytest.mark.parametrize(
    ("levels", "grade"), [("", "A"), ("0", "A"), ("01", "B"), ("0111", "B"), ("1111", "C"), ("02", "F")]
)
def test_the_grade_is_by_the_worst_and_by_how_many(levels, grade):
    findings = [report.Finding(report.Level(int(level)), "a", "b") for level in levels]
    assert report.grade(findings) == grade


@pytest.mark.rule("R54")
def test_each_warning_has_a_fix_below_it():
    text, failure = examine()
    assert "sessionkeeper.W030: SESSION_COOKIE_SECURE is not set to True" in text
    assert "-> Set SESSION_COOKIE_SECURE = True." in text
    assert "security.W010" not in text  # Django's own, of the same
    assert failure is None


def test_json_holds_the_same_and_warnings_fail_when_asked_to():
    text, failure = examine("--json", "--fail-level", "warning")
    found = json.loads(text)
    assert found["grade"] == "C"
    assert {"level", "about", "text", "fix"} == set(found["findings"][0])
    assert failure is not None


def test_good_news_comes_first_then_ours_then_djangos_and_the_grade_last():
    found = [
        report.warning("security.W004", "No HSTS.", "Set it."),
        report.warning("sessionkeeper.W030", "Not secure.", "Secure it."),
        report.error("store", "Down.", "Start it."),
        report.ok("clock", "The clocks agree."),
    ]
    assert list(report.lines(found)) == [
        "In order",
        "  OK      clock: The clocks agree.",
        "",
        "Sessions and sign-in",
        "  ERROR   store: Down.",
        "          -> Start it.",
        "  WARNING sessionkeeper.W030: Not secure.",
        "          -> Secure it.",
        "",
        "Django's deployment checks",
        "  WARNING security.W004: No HSTS.",
        "          -> Set it.",
        "",
        "Grade F: 1 error, 2 warnings, 4 findings.",
    ]


def test_a_project_under_development_is_not_graded_as_a_deployment(settings):
    settings.DEBUG = True
    text, failure = examine()
    assert "Not graded, since DEBUG is on: " in text
    assert "SESSION_COOKIE_SECURE" not in text
    assert "security." not in text
    assert failure is None
    assert json.loads(examine("--json")[0])["grade"] is None
