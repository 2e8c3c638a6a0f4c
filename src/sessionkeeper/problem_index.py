"""The index of problems, to which the ``type`` of each problem points. It is public.

``sessionkeeper.api.urls`` includes it at ``problems/``. A project without the API can include it separately:
``path("problems/", include("sessionkeeper.problem_index"))``.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from sessionkeeper.csrf import problems as csrf_problems
from sessionkeeper.http import problems
from sessionkeeper.http.problems import Problem


def known() -> list[Problem]:
    """Return all problems, by status and code. Those of the API are included once its views are loaded."""
    return sorted(problems.KNOWN.values(), key=lambda problem: (problem.status, problem.code))


@login_not_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show code, status, meaning and fix of each problem. The session is not read."""
    entries = [{"problem": problem, "fix": _fix(problem)} for problem in known()]
    response = render(request, "sessionkeeper/problems.html", {"entries": entries})
    response["Cache-Control"] = "no-store"  # as every answer of the API
    return response


def _fix(problem: Problem) -> Any:
    return csrf_problems.recipe() if problem in csrf_problems.CURED_BY_TOKEN else problem.fix


app_name = "sessionkeeper-problems"
urlpatterns = [path("", index, name="index")]
