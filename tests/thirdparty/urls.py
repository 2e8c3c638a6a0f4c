"""Other people's URLs, and a few views that show what the session does."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.contrib.auth import alogin, get_user_model, login, update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required, login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import include, path
from ninja import NinjaAPI, Schema
from ninja.security import django_auth
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.documents import urls as wagtaildocs_urls


@login_not_required
def whoami(request):
    """Say who is signed in, or nobody."""
    return HttpResponse(request.user.get_username())


async def awhoami(request):
    """Say the same in the event loop, and count the visits."""
    await request.session.aset("visits", await request.session.aget("visits", 0) + 1)
    user = await request.auser()
    return JsonResponse({"user": user.get_username(), "visits": await request.session.aget("visits")})


@login_required
def private(request):
    """A page for those who are signed in."""
    return HttpResponse("private")


@login_not_required
def plain(request):
    """A page that asks for no session."""
    return HttpResponse("plain")


@login_not_required
def remember(request):
    """Leave a message for the next page, and a value in the session."""
    messages.info(request, "kept for the next page")
    request.session["basket"] = [*request.session.get("basket", []), "apple"]
    return HttpResponse("remembered")


@login_not_required
def show(request):
    """Show the messages and the basket, through a template."""
    return render(request, "show.html", {"basket": request.session.get("basket", [])})


def broken(request):
    """Write into the session, then fail."""
    request.session["broken"] = True
    raise RuntimeError


def list_and_change(request):
    """Look into all sessions of the user, then change the password, in one request."""
    listed = UserSession.objects.purge_and_list(request.user)
    request.user.set_password("staple battery horse correct")
    request.user.save()
    update_session_auth_hash(request, request.user)
    return HttpResponse(str(len(listed)))


class Name(Schema):
    """What an endpoint of django-ninja takes."""

    name: str


ninja = NinjaAPI(auth=django_auth)


@ninja.post("/rename")
def rename(request, given: Name):
    """Say who asks for what."""
    return {"by": request.auth.get_username(), "name": given.name}


@ninja.post("/arename")
async def arename(request, given: Name):
    """Say the same in the event loop."""
    return rename(request, given)


@ninja.post("/sign-in", auth=None)
def sign_in(request, given: Name):
    """Sign in whoever is named, as sites do that check a password in JSON."""
    user = get_user_model().objects.get(username=given.name)
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    return {"by": user.get_username()}


@ninja.post("/asign-in", auth=None)
async def asign_in(request, given: Name):
    """Do the same in the event loop."""
    user = await get_user_model().objects.aget(username=given.name)
    await alogin(request, user, "django.contrib.auth.backends.ModelBackend")
    return {"by": user.get_username()}


@ninja.post("/hook", auth=None)
def hook(request):
    """Take what another server sends."""
    return {"got": True}


urlpatterns = [
    path("ninja/", ninja.urls),
    path("own-api/", include("sessionkeeper.api.urls")),
    path("own/", include("sessionkeeper.pages.urls")),
    path("list-and-change/", list_and_change),
    path("whoami/", whoami),
    path("awhoami/", awhoami),
    path("private/", private),
    path("plain/", plain),
    path("remember/", remember),
    path("show/", show),
    path("broken/", broken),
    path("admin/", admin.site.urls),
    path("auth/login/", auth_views.LoginView.as_view(template_name="form.html"), name="login"),
    path("auth/logout/", auth_views.LogoutView.as_view(next_page="/whoami/"), name="logout"),
    path(
        "auth/password/",
        auth_views.PasswordChangeView.as_view(template_name="form.html", success_url="/whoami/"),
        name="auth_password_change",
    ),
    path(
        "auth/reset/",
        auth_views.PasswordResetView.as_view(
            template_name="form.html", email_template_name="reset.txt", success_url="/whoami/"
        ),
    ),
    path(
        "auth/reset/<uidb64>/<token>/",
        auth_views.PasswordResetConfirmView.as_view(
            template_name="form.html",
            success_url="/whoami/",
            post_reset_login=True,
            post_reset_login_backend="django.contrib.auth.backends.ModelBackend",
        ),
        name="password_reset_confirm",
    ),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("cms/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("pages/", include(wagtail_urls)),
]
