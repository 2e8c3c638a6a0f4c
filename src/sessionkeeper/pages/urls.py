"""Routes of the pages."""

from __future__ import annotations

from django.urls import path, register_converter

from sessionkeeper.pages import devices, login, passwords
from sessionkeeper.pages.base import Page

register_converter(passwords.SecretConverter, "sessionkeeper_secret")
register_converter(passwords.SecretPathConverter, "sessionkeeper_secret_path")
app_name = "sessionkeeper-pages"
urlpatterns = [
    path("login/", login.LoginPage.as_view(), name="login"),
    path("logout/", login.LogoutPage.as_view(), name="logout"),
    path("reauthenticate/", login.ReauthenticatePage.as_view(), name="reauthenticate"),
    path("sessions/", devices.SessionsPage.as_view(), name="sessions"),
    path("sessions/end-others/", devices.EndOthers.as_view(), name="end-others"),
    path("sessions/<str:session_id>/end/", devices.EndOne.as_view(), name="end-one"),
    path("password/change/", passwords.ChangePage.as_view(), name="password-change"),
    path("password/reset/", passwords.ResetPage.as_view(), name="password-reset"),
    path("password/reset/sent/", Page.as_view(template="password_reset_sent"), name="password-reset-sent"),
    path("password/reset/done/", Page.as_view(template="password_reset_done"), name="password-reset-done"),
    path("password/reset/<str:uid>/set/", passwords.ConfirmPage.as_view(), name="password-reset-form"),
    path(
        "password/reset/<str:uid>/<sessionkeeper_secret:token>/",
        passwords.LinkPage.as_view(),
        name="password-reset-confirm",
    ),
    # A link that a mail program has cut or lengthened: a 404 would be logged with it.
    path(
        "password/reset/<str:uid>/<sessionkeeper_secret_path:token>",
        passwords.LinkPage.as_view(),
        name="password-reset-link",
    ),
]
