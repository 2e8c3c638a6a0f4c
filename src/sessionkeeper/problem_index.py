"""The index of problems, which the ``type`` of each one points to. It is open to all.

``sessionkeeper.api.urls`` has it at ``problems/``. A project without the API includes it by itself:
``path("problems/", include("sessionkeeper.problem_index"))``.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from sessionkeeper import csrf, problems
from sessionkeeper.problems import Problem


def known() -> list[Problem]:
    """Return every kind of problem, by status and code; those of the API where REST framework is there."""
    found = {problem.code: problem for problem in (*problems.PROBLEMS, *csrf.PROBLEMS)}
    try:
        from sessionkeeper.api import problems as api
    except ModuleNotFoundError as error:
        if error.name != "rest_framework":
            raise
    else:
        found |= {problem.code: problem for problem in (*api.PROBLEMS, *api.FOR_OTHERS)}
    return sorted(found.values(), key=lambda problem: (problem.status, problem.code))


@login_not_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show them: code, status, what it means, what to do. Nothing of a session is read."""
    entries = [{"problem": problem, "fix": _fix(problem)} for problem in known()]
    response = render(request, "sessionkeeper/problems.html", {"entries": entries})
    response["Cache-Control"] = "no-store"  # as every answer of the API
    return response


def _fix(problem: Problem) -> Any:
    return csrf.recipe() if problem in csrf.CURED_BY_TOKEN else problem.fix


app_name = "sessionkeeper-problems"
urlpatterns = [path("", index, name="index")]
