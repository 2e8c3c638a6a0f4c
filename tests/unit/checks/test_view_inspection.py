"""What the code of a view says about the session, read and never run."""

from __future__ import annotations

from functools import partial, wraps

from django.contrib import auth
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.views import View
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET, require_POST

from sessionkeeper.checks import view_inspection


def plain(request):
    return request.path


def signs_in(request):
    auth.login(request, None)


def reads_user(request):
    return request.user


def logged(view):
    @wraps(view)
    def inner(request):
        return view(request)

    return inner


class Members(LoginRequiredMixin, View):
    def post(self, request):
        return request.path


class Pages(View):
    def get(self, request):
        return request.path


def test_evidence_is_what_the_code_says():
    assert view_inspection.evidence(plain) is None
    assert view_inspection.evidence(signs_in) == "signs users in or out"
    assert view_inspection.evidence(reads_user) == "reads request.user"
    assert view_inspection.evidence(login_required(plain)) == "requires a signed-in user"
    assert view_inspection.evidence(Members.as_view()) == "requires a signed-in user"


def test_a_framework_puts_the_user_there_and_that_is_no_evidence():
    assert view_inspection.evidence(reads_user, drf=True) is None


def test_decorators_and_partials_hide_nothing():
    assert view_inspection.evidence(logged(logged(reads_user))) == "reads request.user"
    assert view_inspection.evidence(partial(reads_user)) == "reads request.user"
    assert reads_user in view_inspection.parts(logged(reads_user))


def test_what_only_answers_safe_methods_accepts_no_changes():
    assert view_inspection.accepts_changes(plain)
    assert view_inspection.accepts_changes(require_POST(plain))
    assert view_inspection.accepts_changes(Members.as_view())
    assert not view_inspection.accepts_changes(require_GET(plain))
    assert not view_inspection.accepts_changes(Pages.as_view())


def test_a_view_that_checks_for_itself_is_believed():
    assert view_inspection.checks_csrf(csrf_protect(plain))
    assert not view_inspection.checks_csrf(plain)


def test_the_class_of_a_view_is_found():
    assert view_inspection.class_of(Members.as_view()) is Members
    assert view_inspection.class_of(plain) is None
