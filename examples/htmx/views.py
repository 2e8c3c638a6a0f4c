"""HTMX: a page, and a fragment of it that only its user gets."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from sessionkeeper.decorators import passive, require_recent_authentication


@login_required
def page(request):
    return render(request, "notes/page.html")


@login_required  # a visitor who is signed out meanwhile is sent to the sign-in page, not a form into the fragment
@passive  # the page asks by itself, which must not keep the session alive
def count(request):
    return render(request, "notes/count.html", {"count": request.session.get("count", 0)})


@login_required
@require_recent_authentication()
def clear(request):
    request.session["count"] = 0
    return count(request)
